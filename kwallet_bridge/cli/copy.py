# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge copy``: everything in one store into another, as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kwallet_bridge.cli.dialogue import make_dialogue
from kwallet_bridge.cli.migrate import (
    add_run_arguments,
    answering_errors,
    carry_out_jobs,
    end_earlier,
    report_jobs,
)
from kwallet_bridge.cli.passwords import PasswordSource
from kwallet_bridge.cli.showing import MOVE_CUT_OFF
from kwallet_bridge.cli.stores import SPEC_HELP, StoreOpener
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BridgeError, UsageError, WalletNotFoundError
from kwallet_bridge.migrate.journal import journal_path, open_journal, peek_records
from kwallet_bridge.migrate.moving import ensure_apart, read_jobs, remove_copied
from kwallet_bridge.migrate.pending import same_store
from kwallet_bridge.migrate.undo import MOVED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Sequence

    from kwallet_bridge.migrate.journal import RunRecord
    from kwallet_bridge.migrate.moving import Copied
    from kwallet_bridge.migrate.run import Job
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import ItemId


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("wallets", nargs="*", metavar="WALLET", help="only these collections")
    parser.add_argument("--from", dest="origin", metavar="STORE", help=SPEC_HELP)
    parser.add_argument("--collection", metavar="NAME", help="put everything into this collection")
    parser.add_argument(
        "--entries-only", action="store_true", help="leave other programs' items where they are"
    )
    parser.add_argument(
        "--move", action="store_true", help="remove from the source what was verified"
    )
    parser.add_argument(
        "--from-password-file", metavar="F|-|fd:N", help="the password of the source's file"
    )
    add_run_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Copy, or end an earlier copy; exit codes as for ``migrate``."""
    return answering_errors(args, _execute)


def _execute(args: argparse.Namespace) -> int:
    ended = end_earlier(args)
    if ended is not None:
        return ended
    if not args.origin:
        raise UsageError("--from is needed")
    source = StoreOpener(args.origin, PasswordSource(args.from_password_file), is_source=True)
    target = StoreOpener(args.to, PasswordSource(args.to_password_file))
    if source.spec == target.spec:
        raise UsageError("a store cannot be copied onto itself")
    source.require()
    copied = asyncio.run(_read(source, args))
    missing = set(args.wallets) - {one.label for one in copied}
    if missing:
        raise WalletNotFoundError(f"the source has no collection {min(missing)}")
    jobs = list({id(one.job): one.job for one in copied}.values())
    if not args.collection:
        _take_coverage_along(jobs, source.spec)
    sources = (f"store:{source.spec}", *(one.label for one in copied))
    run = carry_out_jobs(args, make_dialogue(args), jobs, sources, opener=target)
    removed = None
    if args.move and not args.dry_run and (run is None or not run.is_open):
        try:
            removed = _move(source, target, copied, run)
        except KeyboardInterrupt:
            if not args.json:
                say(MOVE_CUT_OFF)
            raise
    return report_jobs(args, jobs, run, removed=removed)


def _take_coverage_along(jobs: Sequence[Job], origin: str) -> None:
    """Have the destination count as holding the wallet files that the source holds."""
    known = [
        one for one in peek_records(journal_path()).coverage if same_store(one.destination, origin)
    ]
    for job in jobs:
        job.covers = tuple(
            (one.file, one.lacking) for one in known if one.file.wallet == job.wallet
        )


def _move(
    source: StoreOpener, target: StoreOpener, copied: Sequence[Copied], run: RunRecord | None
) -> int:
    """Remove what was copied; gives the number of items. A failure is kept in the first job."""
    if not any(one.arrived for one in copied):
        return 0
    gone: list[ItemId] = []
    try:
        asyncio.run(_ensure_apart(source, target, copied))
        _note_moved(run, source.spec, {one.wallet for one in copied if one.arrived})
        asyncio.run(_remove(source, copied, gone.append))
    except BridgeError as error:
        copied[0].job.error = error
    return len(gone)


def _note_moved(run: RunRecord | None, origin: str, wallets: Collection[WalletName]) -> None:
    """Let nobody undo the run, whose entries are about to be the only ones.

    Nor does the source count as holding the wallet files that came to it: a daemon that still
    serves from there must not call absent what they hold.
    """
    with open_journal(journal_path()) as journal:
        if run is not None:
            journal.end(journal.runs[run.id], MOVED)
            run.state = MOVED
        left = {
            (one.destination, one.file.wallet)
            for one in journal.records.coverage
            if one.file.wallet in wallets and same_store(one.destination, origin)
        }
        if left:
            journal.note_moved_away(run, sorted(left))


async def _read(source: StoreOpener, args: argparse.Namespace) -> list[Copied]:
    opened = await source.open()
    try:
        return await read_jobs(
            opened, args.wallets, collection=args.collection, only_entries=args.entries_only
        )
    finally:
        await opened.close()


async def _ensure_apart(source: StoreOpener, target: StoreOpener, copied: Sequence[Copied]) -> None:
    theirs = await target.open()
    try:
        ours = await source.open()
        try:
            await ensure_apart(ours, theirs, copied)
        finally:
            await ours.close()
    finally:
        await theirs.close()


async def _remove(
    source: StoreOpener, copied: Sequence[Copied], tell: Callable[[ItemId], None]
) -> None:
    opened = await source.open()
    try:
        await remove_copied(opened, copied, tell)
    finally:
        await opened.close()
