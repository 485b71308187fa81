# SPDX-License-Identifier: GPL-3.0-or-later
"""One migration into one collection: plan, writes, verification."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.errors import WalletNotFoundError
from kwallet_bridge.migrate import keepsake
from kwallet_bridge.migrate.apply import Applier, Target, at_rest
from kwallet_bridge.migrate.lasting import is_saved
from kwallet_bridge.migrate.mending import plan_repair
from kwallet_bridge.migrate.model import (
    Action,
    Outcome,
    Plan,
    Policy,
    Result,
    Snapshot,
    Step,
    Wish,
)
from kwallet_bridge.migrate.plan import make_plan
from kwallet_bridge.migrate.snapshot import find_collection, take_snapshot
from kwallet_bridge.migrate.verify import verify
from kwallet_bridge.migrate.wishes import merge, rehome
from kwallet_bridge.secretservice.text_keyrings import MEANING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kwallet_bridge.errors import BridgeError
    from kwallet_bridge.migrate.coverage import Covering
    from kwallet_bridge.migrate.journal import Journal, RunRecord
    from kwallet_bridge.migrate.lasting import Save
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import CollectionId, ItemBackend
    from kwallet_bridge.store.wallets import Store


@dataclass(frozen=True, slots=True)
class OpenStore:
    """An open destination: items below, entries above."""

    backend: ItemBackend
    store: Store
    default_wallet: str
    hang_up: Callable[[], None] = lambda: None
    count_unreadable: Callable[[CollectionId], int] = lambda _: 0
    """How many items of an unlocked collection it cannot read, and so does not list."""
    kind: Callable[[], str] = lambda: ""
    """What it is, for people: the provider, or the kind of file."""
    is_text: Callable[[CollectionId], bool | None] = lambda _: False
    """Whether a collection's file is plain text, not encrypted; None where that is not known."""

    save: Save = is_saved

    def keeps_lines(self, collection: CollectionId) -> bool:
        """Tell whether any text is safe in a collection, whoever wrote it."""
        return not self.backend.quirks.text_is_a_line or self.is_text(collection) is False

    async def close(self) -> None:
        """Let go of it."""
        await self.store.close()
        self.hang_up()


class Watcher(Protocol):
    """Who is told how far a run is."""

    def planned(self, plan: Plan) -> None:
        """Take a finished plan."""

    def stage(self, name: str, wallet: WalletName, total: int) -> None:
        """Take the beginning of ``write`` or ``verify``."""

    def step(self, result: Result) -> None:
        """Take a row that has ended."""


@dataclass(slots=True)
class Job:
    """What one source wants in one wallet of the destination, or that it be repaired."""

    wallet: WalletName
    wishes: Sequence[Wish]
    warnings: tuple[str, ...] = ()
    covers: tuple[Covering, ...] = ()
    """The files whose wallet the destination has once the job is done, but for what the job's own
    source lacks of them."""
    repair: bool = False
    left_out: int = 0
    """Items of the source that cannot be read."""
    plan: Plan | None = None
    snapshot: Snapshot | None = None
    results: list[Result] = field(default_factory=list)
    error: BridgeError | None = None
    joined: Job | None = None
    """The job that does this one's work too, because both are about one collection."""


async def join_jobs(jobs: Sequence[Job], opened: OpenStore) -> None:
    """Have one job do the work of all that are about one collection; writes nothing.

    Planned apart, two of them would both find a place free, and the second would overwrite what
    the first wrote.

    Raises:
        WalletUnclearError: Nothing says which collection the default wallet is.
    """
    first: dict[str, Job] = {}
    for job in jobs:
        found = await find_collection(
            opened.backend, job.wallet, default_wallet=opened.default_wallet
        )
        folds = opened.backend.quirks.forgets_label_case
        name = job.wallet.casefold() if folds else job.wallet
        job.joined = first.setdefault(f"new {name}" if found is None else f"id {found}", job)
        if job.joined is job:
            job.joined = None
        else:
            _join(job.joined, job)


def _join(first: Job, other: Job) -> None:
    """Move a job's work to another, in whose collection it is to end."""
    first.wishes = merge(first.wishes, rehome(other.wishes, first.wallet))
    first.covers += other.covers
    first.left_out += other.left_out
    first.warnings += other.warnings
    other.wishes, other.covers, other.left_out = (), (), 0
    other.warnings = (f"this is the collection of the wallet {first.wallet}, and is done with it",)


async def plan_job(
    job: Job,
    opened: OpenStore,
    *,
    decide: Callable[[Step], Policy],
    run: RunRecord | None = None,
) -> Plan:
    """Plan a job; writes nothing.

    Raises:
        WalletNotFoundError: What is to be repaired is not there.
    """
    collection = await find_collection(
        opened.backend, job.wallet, default_wallet=opened.default_wallet
    )
    if job.repair and collection is None and job.wallet != opened.default_wallet:
        raise WalletNotFoundError(f"there is no collection {job.wallet}")
    if job.joined is not None:
        job.plan = Plan(job.wallet, (), collection, opened.backend.quirks)
        job.snapshot = Snapshot(collection, {}, {}, opened.backend.quirks)
        return job.plan
    job.snapshot = await take_snapshot(
        opened.backend,
        collection,
        job.wishes,
        with_folders=job.repair,
        keeps_lines=collection is None or opened.keeps_lines(collection),
    )
    if collection is not None and opened.is_text(collection) and MEANING not in job.warnings:
        job.warnings += (MEANING,)
    if job.repair:
        job.plan = plan_repair(job.snapshot, job.wallet, decide=decide)
        return job.plan
    job.plan = make_plan(
        job.wishes,
        job.snapshot,
        job.wallet,
        decide=decide,
        unfinished=run.unfinished(Action.REPLACE) if run else frozenset(),
        begun=run.unfinished(Action.CREATE) if run else frozenset(),
    )
    return job.plan


async def write_job(
    job: Job, opened: OpenStore, journal: Journal, run: RunRecord | None, watcher: Watcher
) -> None:
    """Carry out a planned job; ``job.results`` is complete also when this raises.

    Raises:
        StoreError: The destination failed; the run can be resumed.
        JournalError: The journal cannot be written; nothing further was.
    """
    plan, snapshot = job.plan, job.snapshot
    if plan is None or snapshot is None:
        raise ValueError("a job is planned before it is written")
    if run is None:  # nothing to write anywhere, so there is no run
        job.results = [at_rest(row) for row in plan.steps]
        return
    target = Target(opened.backend, opened.store, job.wallet, plan.collection, opened.keeps_lines)
    applier = Applier(target, snapshot, journal, run, watcher.step)
    try:
        if plan.writes:
            watcher.stage("write", job.wallet, len(plan.writes))
            if target.collection is None:
                journal.note_collection(run, job.wallet)
                target.collection = await opened.backend.create_collection(job.wallet)
            journal.note_key(run, job.wallet)
            cipher_key = await keepsake.ensure_key(opened.backend, target.collection, run.id)
            await applier.write(plan, cipher_key)
        applier.settle(plan)
    finally:
        job.results = [
            applier.results.get(number, Result(row, Outcome.PENDING))
            for number, row in enumerate(plan.steps)
        ]


async def save_job(job: Job, opened: OpenStore) -> None:
    """Return once what a job wished for and found or wrote outlasts the provider's end.

    Also what it did not write itself: another process may have, a moment ago, as the part of the
    run that was cut off did.

    Raises:
        StoreTimeoutError: That is not seen; the run can be resumed.
    """
    there = {Outcome.CREATED, Outcome.REPLACED, Outcome.SAME}
    if not any(one.outcome in there for one in job.results):
        return
    collection = await find_collection(
        opened.backend, job.wallet, default_wallet=opened.default_wallet
    )
    if collection is not None:
        await opened.save(collection)


async def verify_job(job: Job, opened: OpenStore, watcher: Watcher) -> None:
    """Read a written job back; ``opened`` is a fresh connection."""
    collection = await find_collection(
        opened.backend, job.wallet, default_wallet=opened.default_wallet
    )
    watcher.stage("verify", job.wallet, len(job.results))
    # A keyring file is locked in every new session.
    if collection is not None and await opened.backend.is_locked(collection):
        await opened.backend.unlock(collection)
    job.results = await verify(opened.backend, collection, job.wallet, job.results)
