# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge migrate``: wallet files into a store; planned, journalled, verified."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.cli.dialogue import Dialogue, make_dialogue
from kwallet_bridge.cli.passwords import PasswordSource, add_password_arguments
from kwallet_bridge.cli.showing import CUT_OFF, print_confirmed, print_jobs, print_run, print_undo
from kwallet_bridge.cli.sources import (
    Loaded,
    load_file,
    load_running,
    wallet_name_of,
    warn_of_pending,
)
from kwallet_bridge.cli.stores import SECRET_SERVICE, SPEC_HELP, StoreOpener
from kwallet_bridge.cli.text import say
from kwallet_bridge.cli.unasked import load_unasked
from kwallet_bridge.cli.wallets import start_without
from kwallet_bridge.errors import BridgeError, UsageError
from kwallet_bridge.migrate import report, wishes
from kwallet_bridge.migrate.discover import find_wallet_files
from kwallet_bridge.migrate.journal import journal_path, open_journal, peek_records
from kwallet_bridge.migrate.model import Policy
from kwallet_bridge.migrate.noting import forget_undone
from kwallet_bridge.migrate.orders import Orders, carry_out
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.migrate.undo import confirm_run, find_run, undo_run
from kwallet_bridge.migrate.wallets import find_wallets
from kwallet_bridge.model import WalletName
from kwallet_bridge.session.decision import ask_running, served_store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from kwallet_bridge.migrate.journal import RunRecord

RUNNING = "running"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="WALLET|FILE",
        help="wallets by name, .kwl files, or XML exports of KWalletManager or KeepSecret; "
        "without any, every wallet that can be found",
    )
    parser.add_argument("--from", dest="origin", choices=[RUNNING], help="read a running kwalletd")
    parser.add_argument(
        "--unasked",
        action="store_true",
        help="with --from running: only what can be moved without a question, which is what has "
        "not been moved, is open there, and belongs into a store that is unlocked",
    )
    parser.add_argument("--collection", metavar="NAME", help="put everything into this collection")
    parser.add_argument(
        "--choose", action="store_true", help="with --answers: ask which of the files found to read"
    )
    parser.add_argument("--list", action="store_true", help="only list the wallet files found")
    parser.add_argument(
        "--start-without",
        action="store_true",
        help="move nothing: have programs served without what the wallets named hold, until their "
        "files change",
    )
    add_run_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every command that writes through the journal takes."""
    parser.add_argument("--to", default=SECRET_SERVICE, metavar="STORE", help=SPEC_HELP)
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop")
    parser.add_argument(
        "--on-conflict",
        choices=[policy.value for policy in Policy],
        default=Policy.SKIP.value,
        help="what becomes of an entry whose place holds another value (default: skip)",
    )
    parser.add_argument("--json", action="store_true", help="talk in JSON lines")
    parser.add_argument(
        "--answers", metavar="-|fd:N", help="with --json: read answers to questions from here"
    )
    parser.add_argument(
        "--to-password-file", metavar="F|-|fd:N", help="the password of a keyring file"
    )
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument("--undo", metavar="RUN", help="take a run back ('last': the last one)")
    ending.add_argument("--confirm", metavar="RUN", help="let go of what a run replaced")
    ending.add_argument("--runs", action="store_true", help="list the runs of the journal")
    add_password_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Migrate, or end an earlier migration; docs/reference/report-schema.md has the exit codes."""
    return answering_errors(args, _execute)


def answering_errors(args: argparse.Namespace, work: Callable[[argparse.Namespace], int]) -> int:
    """Do the command's work; with ``--json`` an error is the one line on standard output too."""
    try:
        _refuse_one_stream_for_two(args)
        return work(args)
    except BridgeError as error:
        if not args.json:
            raise
        print(json.dumps(report.describe_error(error)))
        return error.exit_code


_STREAMS = ("password_file", "to_password_file", "from_password_file", "answers")


def _refuse_one_stream_for_two(args: argparse.Namespace) -> None:
    """Refuse to read two things from one descriptor: the second would find it at its end."""
    given = [getattr(args, name, None) for name in _STREAMS]
    streams = ["fd:0" if one == "-" else one for one in given if one]
    if any(one.startswith("fd:") and streams.count(one) > 1 for one in streams):
        raise UsageError("one descriptor cannot give two things; use fd:N for the other")


def _list(args: argparse.Namespace) -> int:
    store = served_store(asyncio.run(ask_running()), os.environ).known_as(args.to)
    for found in find_wallets(os.environ, store):
        if args.json:
            print(json.dumps(found.to_json()))
        else:
            state = f"moved by run {found.run}" if found.run else "not moved"
            if found.pending:
                state += "; until it is, programs get an error for what is not in the store"
            say(f"{found.wallet}  {found.file}  {state}")
    return 0


def _start_without(args: argparse.Namespace) -> int:
    if not args.what:
        raise UsageError("--start-without takes the names of wallets to do without")
    for path in start_without(os.environ, args.what):
        if args.json:
            print(json.dumps({"type": "started-without", "file": str(path)}))
        else:
            say(
                f"{path}: programs are served without it from now on, until it changes; the file "
                "stays, and can be moved later"
            )
    return 0


def _execute(args: argparse.Namespace) -> int:
    if args.list:
        return _list(args)
    if args.start_without:
        return _start_without(args)
    ended = end_earlier(args)
    if ended is not None:
        return ended
    if args.unasked and (args.origin != RUNNING or args.what):
        raise UsageError("--unasked goes with --from running, and finds out itself what to move")
    dialogue = make_dialogue(args)
    loaded, refused = _load(args, dialogue)
    if not (loaded or refused or args.unasked):
        raise UsageError("no wallet was found")
    jobs = _make_jobs(loaded, args.collection)
    return carry_out_and_report(args, dialogue, jobs, sources_of(loaded), refused)


def carry_out_and_report(
    args: argparse.Namespace,
    dialogue: Dialogue,
    jobs: Sequence[Job],
    sources: tuple[str, ...],
    refused: Sequence[tuple[str, BridgeError]] = (),
) -> int:
    """Do the jobs and show the result; gives the exit code."""
    run = carry_out_jobs(args, dialogue, jobs, sources)
    return report_jobs(args, jobs, run, refused)


def carry_out_jobs(
    args: argparse.Namespace,
    dialogue: Dialogue,
    jobs: Sequence[Job],
    sources: tuple[str, ...],
    *,
    opener: StoreOpener | None = None,
) -> RunRecord | None:
    """Do the jobs; gives the run, if anything was to be written."""
    if opener is None:
        opener = StoreOpener(args.to, PasswordSource(args.to_password_file))
    orders = Orders(
        opener.open, opener.spec, sources, dialogue.decide, dialogue, journal_path(), args.dry_run
    )
    try:
        if jobs and not args.dry_run:
            # A password that will not do is refused before the journal knows of a run.
            asyncio.run(opener.prepare([job.wallet for job in jobs if job.wishes]))
        return asyncio.run(carry_out(jobs, orders)) if jobs else None
    except KeyboardInterrupt:
        dialogue.close()
        _tell_what_is_open(dialogue, orders)
        raise
    finally:
        dialogue.close()


def _tell_what_is_open(dialogue: Dialogue, orders: Orders) -> None:
    """Say after an interruption that a run is open, if one is."""
    runs = peek_records(orders.journal).runs.values()
    for run in runs:
        if run.is_open and (run.destination, run.sources) == (orders.destination, orders.sources):
            dialogue.note(CUT_OFF.format(run.id))


def report_jobs(
    args: argparse.Namespace,
    jobs: Sequence[Job],
    run: RunRecord | None,
    refused: Sequence[tuple[str, BridgeError]] = (),
    *,
    removed: int | None = None,
) -> int:
    """Show how jobs ended; gives the exit code. ``removed`` is what a move took from its source."""
    if args.json:
        described = report.describe_jobs(
            jobs, run=run, dry_run=args.dry_run, refused=refused, removed=removed
        )
        print(json.dumps(described))
    else:
        print_jobs(jobs, run, refused, dry_run=args.dry_run, removed=removed)
    return report.exit_code(jobs, refused=refused, dry_run=args.dry_run)


def end_earlier(args: argparse.Namespace) -> int | None:
    """Undo, confirm or list runs if that is what is asked; else None."""
    if args.runs:
        with open_journal(journal_path()) as journal:
            for run in journal.runs.values():
                print_run(run, as_json=args.json)
        return 0
    if args.undo or args.confirm:
        return asyncio.run(_end(args))
    return None


async def _end(args: argparse.Namespace) -> int:
    with open_journal(journal_path()) as journal:
        run = find_run(journal, args.undo or args.confirm)
        opener = StoreOpener(run.destination, PasswordSource(args.to_password_file))
        opener.require()
        store = await opener.open()
        default = store.default_wallet
        try:
            if args.confirm:
                done = await confirm_run(
                    store.backend, journal, run, default_wallet=default, save=store.save
                )
                print_confirmed(run, done, now=store.kind(), as_json=args.json)
                return report.confirm_code(done)
            results = await undo_run(
                store.backend, journal, run, default_wallet=default, save=store.save
            )
            await asyncio.to_thread(forget_undone, journal_path(), results)
            print_undo(run, results, now=store.kind(), as_json=args.json)
            return report.undo_code(results)
        finally:
            await store.close()


def sources_of(loaded: Sequence[Loaded]) -> tuple[str, ...]:
    """Name the sources, so that an interrupted run is known again."""
    return tuple(one.origin for one in loaded)


def _make_jobs(loaded: Sequence[Loaded], collection: str | None) -> list[Job]:
    jobs: dict[str, Job] = {}
    for one in loaded:
        name = WalletName(collection or one.wallet.name)
        wanted = one.wishes_as(name)
        before = jobs.get(name, Job(name, ()))
        # In another collection than its own no program finds a wallet.
        covers = ((one.file, ()),) if one.file is not None and one.file.wallet == name else ()
        jobs[name] = Job(
            name,
            wishes.merge(before.wishes, wanted),
            before.warnings + one.warnings,
            before.covers + covers,
        )
    return list(jobs.values())


def _load(
    args: argparse.Namespace, dialogue: Dialogue
) -> tuple[list[Loaded], list[tuple[str, BridgeError]]]:
    """Read every source; one that cannot be read does not keep the others back."""
    if args.unasked:
        opener = StoreOpener(args.to, PasswordSource(args.to_password_file))
        return asyncio.run(load_unasked(os.environ, opener))
    if args.origin == RUNNING:
        return asyncio.run(load_running(args.what))
    loaded: list[Loaded] = []
    refused: list[tuple[str, BridgeError]] = []
    paths = _resolve(args.what)
    if args.choose:
        paths = dialogue.choose(paths)
    asyncio.run(warn_of_pending(paths, dialogue.note))
    for path in paths:
        try:
            loaded.append(load_file(path, dialogue))
        except BridgeError as error:
            refused.append((str(path), error))
    return loaded, refused


def _resolve(given: Sequence[str]) -> list[Path]:
    """Find the files meant: a word with a slash or an ending is a file, else a wallet's name."""
    if not given:
        return find_wallet_files(os.environ)
    known = find_wallet_files(os.environ)
    found: list[Path] = []
    for word in given:
        path = Path(word)
        named = [one for one in known if one.stem == word or wallet_name_of(one) == word]
        if named and os.sep not in word:
            found += named
        elif path.is_file() or os.sep in word:
            found.append(path)
        else:
            raise UsageError(f"there is no wallet {word}")
    return found
