# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration planned and did, as JSON values; no secret is in them.

``docs/reference/report-schema.md`` describes every field.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kwallet_bridge.errors import PartialError, StoreUnavailableError
from kwallet_bridge.migrate.journal import CONFIRMED, UNDONE
from kwallet_bridge.migrate.model import Action, Kind, Outcome, Place, Result, Step
from kwallet_bridge.migrate.undo import Undone
from kwallet_bridge.migrate.verify import DIFFERS, MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kwallet_bridge.errors import BridgeError
    from kwallet_bridge.migrate.journal import RunRecord
    from kwallet_bridge.migrate.model import Plan
    from kwallet_bridge.migrate.run import Job
    from kwallet_bridge.migrate.undo import Confirmed, UndoResult

SCHEMA = 1
_BAD = frozenset({Outcome.SKIPPED, Outcome.UNSUPPORTED, Outcome.FAILED, Outcome.PENDING})


def describe_place(place: Place) -> dict[str, object]:
    """Describe where a row belongs."""
    described: dict[str, object] = {"wallet": place.wallet, "kind": place.kind.value}
    if place.kind is Kind.ITEM:
        return described | {"label": place.label, "attributes": dict(place.attributes)}
    described["folder"] = place.folder
    return described | ({"key": place.key} if place.kind is Kind.ENTRY else {})


def describe_step(row: Step) -> dict[str, object]:
    """Describe a planned row."""
    described = describe_place(row.place) | {
        "entry_type": row.wish.type_name,
        "action": row.action.value,
    }
    if row.place.kind is Kind.ITEM and row.wish.item is not None:
        described["label"] = row.wish.item.label
    return described | ({"reason": row.reason} if row.reason else {})


def describe_result(result: Result) -> dict[str, object]:
    """Describe a row that has ended."""
    described = describe_step(result.step) | {
        "outcome": result.outcome.value,
        "verified": result.verified,
    }
    return described | ({"reason": result.reason} if result.reason else {})


def describe_plan(plan: Plan) -> dict[str, object]:
    """Describe a plan by its counts."""
    counts = Counter(row.action.value for row in plan.steps)
    return {
        "type": "plan",
        "wallet": plan.wallet,
        "creates_collection": plan.collection is None,
        "actions": {action.value: counts[action.value] for action in Action},
    }


def describe_jobs(
    jobs: Sequence[Job],
    *,
    run: RunRecord | None,
    dry_run: bool,
    refused: Sequence[tuple[str, BridgeError]] = (),
    removed: int | None = None,
) -> dict[str, object]:
    """Describe a whole migration: the one line on standard output."""
    described: dict[str, object] = {
        "type": "result",
        "schema": SCHEMA,
        "run": run.id if run else None,
        "dry_run": dry_run,
        "resumable": bool(run and run.is_open),
        "wallets": [_describe_job(job, dry_run=dry_run) for job in jobs],
        "refused": [
            {"source": source, "error": type(error).__name__, "message": str(error)}
            for source, error in refused
        ],
        "exit_code": exit_code(jobs, refused=refused, dry_run=dry_run),
    }
    return described if removed is None else described | {"removed": removed}


def describe_undo(run: RunRecord, results: Sequence[UndoResult]) -> dict[str, object]:
    """Describe an undo."""
    return {
        "type": "undo",
        "schema": SCHEMA,
        "run": run.id,
        "rows": [describe_place(one.place) | {"outcome": one.outcome.value} for one in results],
        "ended": run.state == UNDONE,
        "exit_code": undo_code(results),
    }


def describe_confirmed(run: RunRecord, done: Confirmed) -> dict[str, object]:
    """Describe how confirming a run ended."""
    return {
        "type": "confirm",
        "schema": SCHEMA,
        "run": run.id,
        "removed": done.removed,
        "not_reached": list(done.unreached),
        "ended": run.state == CONFIRMED,
        "exit_code": confirm_code(done),
    }


def undo_code(results: Sequence[UndoResult]) -> int:
    """Give the exit code of an undo: 5 where a wallet was not reached, 3 where something stays."""
    outcomes = {one.outcome for one in results}
    if Undone.UNREACHED in outcomes:
        return StoreUnavailableError.exit_code
    return PartialError.exit_code if Undone.CHANGED in outcomes else 0


def confirm_code(done: Confirmed) -> int:
    """Give the exit code of a confirmation."""
    return StoreUnavailableError.exit_code if done.unreached else 0


def describe_error(error: BridgeError) -> dict[str, object]:
    """Describe what kept the work from being done at all."""
    return {
        "type": "error",
        "schema": SCHEMA,
        "error": type(error).__name__,
        "message": str(error),
        "exit_code": error.exit_code,
    }


def describe_run(run: RunRecord) -> dict[str, object]:
    """Describe a run of the journal by its counts."""
    counts = Counter(intent.outcome.value for intent in run.intents.values())
    return {
        "type": "run",
        "run": run.id,
        "started": run.started,
        "state": run.state,
        "undone_in_part": run.is_undone_in_part,
        "store": run.store,
        "to": run.destination,
        "from": list(run.sources),
        "outcomes": dict(counts),
    }


def exit_code(
    jobs: Sequence[Job], *, refused: Sequence[tuple[str, BridgeError]], dry_run: bool
) -> int:
    """Give the exit code: what failed as a whole, else 8, else 3, else 0."""
    failed = [job.error for job in jobs if job.error is not None]
    if failed:
        return failed[0].exit_code
    if refused and not jobs:
        return refused[0][1].exit_code
    results = [result for job in jobs for result in job.results]
    if any(result.reason in {DIFFERS, MISSING} for result in results):
        return 8
    if dry_run:
        short = any(
            row.action in {Action.CONFLICT, Action.SKIP, Action.UNSUPPORTED}
            for job in jobs
            if job.plan
            for row in job.plan.steps
        )
    else:
        short = any(result.outcome in _BAD for result in results)
    short = short or any(job.left_out for job in jobs)
    return 3 if refused or short else 0


def _describe_job(job: Job, *, dry_run: bool) -> dict[str, object]:
    described: dict[str, object] = {"wallet": job.wallet, "warnings": list(job.warnings)}
    if job.error is not None:
        described["error"] = type(job.error).__name__
        described["message"] = str(job.error)
    if job.left_out:
        described["left_out"] = job.left_out
    if dry_run or not job.results:
        rows = job.plan.steps if job.plan else ()
        ends = [(row, row.action.value) for row in rows]
        described["rows"] = [describe_step(row) for row in rows]
    else:
        ends = [(one.step, one.outcome.value) for one in job.results]
        described["rows"] = [describe_result(result) for result in job.results]
        described["verified"] = sum(result.verified for result in job.results)
    described["counts"] = _count_by_type(ends)
    described["folders"] = [
        {"folder": folder, "counts": _count_by_type(found)}
        for folder, found in by_folder(ends).items()
        if folder is not None
    ]
    return described


def by_folder(ends: Iterable[tuple[Step, str]]) -> dict[str | None, list[tuple[Step, str]]]:
    """Sort rows and their ends by folder, in the order of the source; None has no folder."""
    found: dict[str | None, list[tuple[Step, str]]] = {}
    for row, end in ends:
        folder = None if row.place.kind is Kind.ITEM else row.place.folder
        found.setdefault(folder, []).append((row, end))
    return found


def _count_by_type(ends: Iterable[tuple[Step, str]]) -> dict[str, dict[str, int]]:
    counts = Counter((row.wish.type_name, end) for row, end in ends)
    return {
        kind: {name: number for (of, name), number in sorted(counts.items()) if of == kind}
        for kind in sorted({kind for kind, _ in counts})
    }
