# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole migration: every job planned, written, journalled and verified."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.errors import BridgeError, MigrationError, StoreError, WalletError
from kwallet_bridge.migrate.coverage import find_gaps
from kwallet_bridge.migrate.journal import Journal, RunRecord, open_journal
from kwallet_bridge.migrate.model import Outcome
from kwallet_bridge.migrate.noting import note_moved
from kwallet_bridge.migrate.run import (
    Job,
    OpenStore,
    Watcher,
    join_jobs,
    plan_job,
    save_job,
    verify_job,
    write_job,
)
from kwallet_bridge.migrate.undo import MOVED, confirm_run, is_at_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from kwallet_bridge.migrate.coverage import Covering
    from kwallet_bridge.migrate.model import Policy, Step

KEEP_DAYS = 30
"""How long what a run replaced is kept without being asked about."""

_DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be done with the jobs, and where.

    ``destination`` and ``sources`` name the work: an interrupted run of the same names is resumed.
    """

    open_store: Callable[[], Awaitable[OpenStore]]
    destination: str
    sources: tuple[str, ...]
    decide: Callable[[Step], Policy]
    watcher: Watcher
    journal: Path
    dry_run: bool = False


@asynccontextmanager
async def opened(orders: Orders) -> AsyncIterator[OpenStore]:
    """Open the destination for the length of a block."""
    store = await orders.open_store()
    try:
        yield store
    finally:
        await store.close()


async def carry_out(jobs: Sequence[Job], orders: Orders) -> RunRecord | None:
    """Do the jobs; gives the run, or None where nothing was to be written.

    A failure of the destination ends the work; it is kept in the job's ``error``, and the run
    stays open to be resumed.

    Raises:
        StoreError: The destination cannot be opened or looked at; nothing was written.
        JournalError: The journal cannot be opened.
    """
    if orders.dry_run:
        async with opened(orders) as store:
            await _plan(jobs, store, orders, None)
        return None
    with open_journal(orders.journal) as journal:
        async with opened(orders) as store:
            run = await _find_own(journal, store, orders)
            await _plan(jobs, store, orders, run)
            if run is None and any(job.plan and job.plan.writes for job in jobs):
                run = journal.begin(orders.destination, orders.sources, store=store.kind())
            done = await _write(jobs, store, journal, run, orders.watcher)
            done = done and await _save(jobs, store)
        done = done and await _verify(jobs, orders)
        if done:
            # First: what the journal says is covered no gate guards any more.
            await asyncio.to_thread(
                note_moved,
                orders.journal,
                orders.destination,
                jobs,
                default_wallet=store.default_wallet,
            )
            journal.note_covered(orders.destination, run, _covered(jobs))
        if run is not None and done:
            journal.end(run, "finished")
            await _let_go_of_old_runs(journal, orders)
    return run


async def _find_own(journal: Journal, store: OpenStore, orders: Orders) -> RunRecord | None:
    """Find the interrupted run that began this work in this very store.

    The destination's name may stand for another store by now; what a run began in that one is no
    reason to take anything here for its work.
    """
    for run in journal.list_open(orders.destination, orders.sources):
        if await is_at_home(store.backend, run, default_wallet=store.default_wallet):
            return run
    return None


async def _plan(
    jobs: Sequence[Job], store: OpenStore, orders: Orders, run: RunRecord | None
) -> None:
    await join_jobs(jobs, store)
    for job in jobs:
        orders.watcher.planned(await plan_job(job, store, decide=orders.decide, run=run))
    _require_apart(jobs)


def _require_apart(jobs: Sequence[Job]) -> None:
    """Refuse to write two rows to one place, before the first of them is written.

    Raises:
        MigrationError: A plan has two such rows.
    """
    for job in jobs:
        places = [row.place for row in job.plan.writes] if job.plan else []
        if len(places) != len(set(places)):
            raise MigrationError("two rows of the plan would be written to one place")


async def _write(
    jobs: Sequence[Job],
    store: OpenStore,
    journal: Journal,
    run: RunRecord | None,
    watcher: Watcher,
) -> bool:
    """Write every job up to the first failure; True if there was none."""
    for job in jobs:
        try:
            await write_job(job, store, journal, run, watcher)
        except BridgeError as error:
            job.error = error
            return False
    return True


async def _save(jobs: Sequence[Job], store: OpenStore) -> bool:
    """Wait until all that was wished for outlasts the provider's end; True if that was seen."""
    for job in jobs:
        try:
            await save_job(job, store)
        except BridgeError as error:
            job.error = error
            return False
    return True


async def _verify(jobs: Sequence[Job], orders: Orders) -> bool:
    """Read every job back up to the first failure; True if there was none."""
    async with opened(orders) as fresh:
        for job in jobs:
            try:
                await verify_job(job, fresh, orders.watcher)
            except BridgeError as error:
                job.error = error
                return False
    return True


def _covered(jobs: Sequence[Job]) -> list[Covering]:
    """Pair each file that is in the destination now with what of it is not."""
    found = []
    for job in jobs:
        gaps = find_gaps(job.results)
        if gaps is not None:
            found += [(file, tuple(dict.fromkeys((*old, *gaps)))) for file, old in job.covers]
    return found


async def _let_go_of_old_runs(journal: Journal, orders: Orders) -> None:
    """Confirm runs nobody asked about for long, so that old secrets do not stay for ever."""
    horizon = int(time.time()) - KEEP_DAYS * _DAY
    old = [
        run
        for run in journal.runs.values()
        if run.state in {"finished", MOVED}
        and run.ended < horizon
        and run.destination == orders.destination
    ]
    if not old:
        return
    # The work that was asked for is done: what hinders this does not make it a failure.
    with suppress(StoreError, WalletError, MigrationError):
        async with opened(orders) as store:
            for run in old:
                await confirm_run(
                    store.backend,
                    journal,
                    run,
                    default_wallet=store.default_wallet,
                    save=store.save,
                )


def is_partial(jobs: Sequence[Job]) -> bool:
    """Tell whether something wished for is not in the destination now."""
    bad = {Outcome.SKIPPED, Outcome.UNSUPPORTED, Outcome.FAILED, Outcome.PENDING}
    return any(result.outcome in bad for job in jobs for result in job.results)
