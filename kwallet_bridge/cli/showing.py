# SPDX-License-Identifier: GPL-3.0-or-later
"""Show migrations to a person."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING

from kwallet_bridge.cli.dialogue import show_place
from kwallet_bridge.cli.text import say
from kwallet_bridge.migrate.model import Action, Outcome
from kwallet_bridge.migrate.plan import NULLS
from kwallet_bridge.migrate.report import (
    by_folder,
    describe_confirmed,
    describe_run,
    describe_undo,
)
from kwallet_bridge.migrate.undo import MOVED, Undone
from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kwallet_bridge.errors import BridgeError
    from kwallet_bridge.migrate.journal import RunRecord
    from kwallet_bridge.migrate.run import Job
    from kwallet_bridge.migrate.undo import Confirmed, UndoResult
    from kwallet_bridge.model import WalletName

CUT_OFF = "The run {} was cut off; the same command goes on with it."
MOVE_CUT_OFF = "A move was cut off; the same command goes on with it."
_REASONS = {
    "unknown-type": "KWallet knows no such type; the wallet file still has it",
    "name-nul-or-surrogate": "no provider can hold this name",
    "value-cannot-be-kept": "no provider can hold this value",
    "unreadable-in-source": "the source has it so that it cannot be read; the warning says where",
    "another-source-has-this-name": "another source, read before, has it with another value",
    "twice-in-this-source": "the source has this name twice, with other values; the first counts",
    "lesser-of-two": "the same entry was left twice, with other values",
    "another-value": "the destination holds another value",
    "name-altered-by-provider": "the provider would change this name",
    "lost-by-unencrypted-keyring": "a keyring without a password would lose this value, and perhaps"
    " every other: give it a password first",
    "map-refused-by-provider": "the provider would make an empty map of it",
    "null-becomes-empty": "the provider knows no null: such texts are empty now",
    "placeholder-refused-by-provider": "the provider refuses values with {REF:",
    "refused-by-provider": "the provider refused it",
    "altered-by-provider": "the provider changed the value; it was not kept",
    "changed-by-another-program": "another program changed it meanwhile",
    "cannot-be-kept": "it could not be stored",
    "kept-beside": "beside another value of the same name",
    "unfinished-write": "an interrupted write is done again",
    "left-by-oo7": "oo7's migration left it where KDE's programs do not look",
    "left-by-keepsecret": "KeepSecret's import left it where KDE's programs do not look",
    "missing-after-write": "it was written and is not there",
    "differs-after-write": "it was written and reads back otherwise",
}
_SHOWN = frozenset({Outcome.SKIPPED, Outcome.UNSUPPORTED, Outcome.FAILED})


def print_jobs(
    jobs: Sequence[Job],
    run: RunRecord | None,
    refused: Sequence[tuple[str, BridgeError]],
    *,
    dry_run: bool,
    removed: int | None = None,
) -> None:
    """Print the result of a migration, or its plan."""
    for job in jobs:
        lines = _plan_lines(job) if dry_run else _result_lines(job)
        say(*lines)
    for source, error in refused:
        say(f"{source} was not read: {error}")
    if run is not None and run.is_open:
        say(CUT_OFF.format(run.id))
    elif removed is not None and any(job.error for job in jobs):
        say(f"{removed} removed from the source; the same command goes on with it")
    elif removed or (run is not None and run.state == MOVED):
        say(f"{removed} removed from the source; copy back to undo this")
    elif run is not None:
        say(f"To take this back: kwallet-bridge migrate --undo {run.id}")


def print_undo(run: RunRecord, results: Sequence[UndoResult], *, now: str, as_json: bool) -> None:
    """Print the result of an undo; ``now`` is what the destination's name leads to today."""
    if as_json:
        print(json.dumps(describe_undo(run, results)))
        return
    if not results:
        say("nothing had been written")
    for outcome, number in Counter(one.outcome for one in results).items():
        say(f"{number} {outcome.value}")
    changed = [one for one in results if one.outcome is Undone.CHANGED]
    for one in changed:
        say(f"  {show_place(one.place)} was changed since and stays")
    unreached = [one.place.wallet for one in results if one.outcome is Undone.UNREACHED]
    _print_unreached(run, list(dict.fromkeys(unreached)), now)
    if unreached:
        say(f"The run stays open: kwallet-bridge migrate --undo {run.id} goes on with it.")
    elif changed:
        say(
            f"The run stays open: kwallet-bridge migrate --confirm {run.id} keeps what was changed;"
            " --undo looks again."
        )


def print_confirmed(run: RunRecord, done: Confirmed, *, now: str, as_json: bool) -> None:
    """Print how confirming a run ended."""
    if as_json:
        print(json.dumps(describe_confirmed(run, done)))
        return
    _print_unreached(run, done.unreached, now)
    if done.unreached:
        say(
            f"{done.removed} kept items are gone. The run stays open: kwallet-bridge migrate"
            f" --confirm {run.id} goes on with it."
        )
    else:
        say(f"run {run.id} is confirmed; {done.removed} kept items are gone")


def _print_unreached(run: RunRecord, wallets: Sequence[WalletName], now: str) -> None:
    """Say which wallets are not where the run left them, and where it left them."""
    then = f"{run.destination} ({run.store})" if run.store else run.destination
    other = f", which is {now} now" if now and run.store not in {"", now} else ""
    for wallet in wallets:
        say(
            f"  {printable(wallet)}: not found as the run left it in {printable(then)}{other};"
            " connect or start the store that it wrote to"
        )


def print_run(run: RunRecord, *, as_json: bool) -> None:
    """Print one run of the journal."""
    if as_json:
        print(json.dumps(describe_run(run)))
        return
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    state = "cut off" if run.is_open else run.state
    if run.is_undone_in_part:
        state = "undone in part"
    to = printable(run.destination)
    say(f"{run.id}  {started}  {state}  {len(run.intents)} entries to {to}")


def _plan_lines(job: Job) -> Iterator[str]:
    if job.plan is None:
        return
    new = " (a new collection)" if job.plan.collection is None else ""
    yield f"{printable(job.wallet)}{new}"
    yield from _warning_lines(job)
    for row in job.plan.steps:
        reason = _REASONS.get(row.reason, row.reason)
        shown = "same already" if row.action is Action.SAME else row.action.value
        yield f"  {shown:12}  {show_place(row.place)}" + (f": {reason}" if reason else "")


def _result_lines(job: Job) -> Iterator[str]:
    counts = Counter(result.outcome.value for result in job.results)
    verified = sum(result.verified for result in job.results)
    told = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    yield f"{printable(job.wallet)}: {told or 'nothing'}; {verified} verified"
    yield from _folder_lines(job)
    yield from _warning_lines(job)
    for result in job.results:
        altered = result.step.reason if result.step.reason == NULLS else ""
        if result.outcome in _SHOWN or altered:
            word = result.reason or altered
            reason = _REASONS.get(word, word)
            yield f"  {result.outcome.value:12}  {show_place(result.step.place)}: {reason}"
    if job.error is not None:
        yield f"  stopped: {printable(str(job.error))}"


def _folder_lines(job: Job) -> Iterator[str]:
    """Count what is in each folder by type and outcome; other programs' items have none."""
    ends = [(result.step, result.outcome.value) for result in job.results]
    for folder, found in by_folder(ends).items():
        counts = Counter((row.wish.type_name, end) for row, end in found)
        told = ", ".join(f"{number} {of} {end}" for (of, end), number in sorted(counts.items()))
        if folder is None:
            yield f"  (other programs' items): {told}"
        else:
            yield f"  {printable(folder) or '(no name)'}/: {told}"


def _warning_lines(job: Job) -> Iterator[str]:
    for warning in job.warnings:
        yield f"  warning: {printable(warning)}"
    if job.left_out:
        yield f"  left out: {job.left_out} that cannot be read in the source"
