# SPDX-License-Identifier: GPL-3.0-or-later
"""What was moved is missed where another keyring is in its place, until it is taken back."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.migrate.model import Action, Kind, Outcome, Place, Result, Step, Wish
from kwallet_bridge.migrate.noting import forget_undone, note_moved
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.migrate.undo import Undone, UndoResult
from kwallet_bridge.model import WalletName
from kwallet_bridge.statefile import FILE_NAME, Decision, MadeBy, StoreKind, load, update
from kwallet_bridge.store.note import digest_name, own_note, read_notes

if TYPE_CHECKING:
    from pathlib import Path

WALLET = WalletName("kdewallet")


def _place(key: str, kind: Kind = Kind.ENTRY) -> Place:
    return Place(WALLET, kind, "F", key)


def _result(
    key: str, outcome: Outcome, *, verified: bool = True, kind: Kind = Kind.ENTRY
) -> Result:
    place = _place(key, kind)
    row = Step(Wish(place, "password", None), Action.CREATE)
    return Result(row, outcome, verified=verified)


JOB = Job(WALLET, (), results=[
    _result("made", Outcome.CREATED), _result("same", Outcome.SAME),
    _result("left out", Outcome.SKIPPED, verified=False),
    _result("lost", Outcome.CREATED, verified=False),
    _result("", Outcome.CREATED, kind=Kind.FOLDER),
])  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where a journal would be; the state file is beside it."""
    return tmp_path / "migrations.jsonl"


def _decide(journal: Path, kind: StoreKind, path: str = "") -> None:
    decision = Decision(kind, MadeBy.WINDOW, int(time.time()), path=path)

    update(journal.with_name(FILE_NAME), lambda state: replace(state, decision=decision))


def _noted(journal: Path) -> set[str]:
    """Return which of the keys are noted."""
    state = load(journal.with_name(FILE_NAME))
    note = own_note(state, WALLET)
    if not state.key:
        return set()
    folder = digest_name(state, "F")
    keys = {one.step.place.key for one in JOB.results}
    return {key for key in keys if note.holds(folder, digest_name(state, key))}


def test_what_was_verified_is_noted(journal: Path) -> None:
    """Not what was left out, nor what was not found again; the default wallet is known as such."""
    note_moved(journal, "secret-service", [JOB], default_wallet=WALLET)
    assert _noted(journal) == {"made", "same"}
    state = load(journal.with_name(FILE_NAME))
    (*_, renamed) = read_notes(state, WalletName("another"), is_default=True)
    assert not renamed.is_empty
    assert b"made" not in journal.with_name(FILE_NAME).read_bytes()


@pytest.mark.parametrize(
    ("kind", "path", "destination", "counts"),
    [
        (StoreKind.PROVIDER, "", "secret-service", True),
        (StoreKind.PROVIDER, "", "secret-service@unix:path=/run/bus", True),
        (StoreKind.PROVIDER, "", "file:/a/b.keyring", False),
        (StoreKind.FILE, "/a/b.keyring", "file:/a/b.keyring", True),
        (StoreKind.FILE, "/a/b.keyring", "file:/a/c.keyring", False),
        (StoreKind.FILE, "/a/b.keyring", "secret-service", False),
    ],
)
def test_only_the_store_that_serves_counts(
    journal: Path, kind: StoreKind, path: str, destination: str, *, counts: bool
) -> None:
    """A copy on a stick is nothing that a program could miss."""
    _decide(journal, kind, path)
    note_moved(journal, destination, [JOB], default_wallet=WALLET)
    assert bool(_noted(journal)) is counts


def test_what_was_taken_back_is_not_missed(journal: Path) -> None:
    """An undo takes out what it removed or found gone, and nothing else."""
    note_moved(journal, "secret-service", [JOB], default_wallet=WALLET)
    forget_undone(journal, [UndoResult(_place("same"), Undone.CHANGED)])
    forget_undone(journal, [UndoResult(_place("made"), Undone.REMOVED)])
    assert _noted(journal) == {"same"}
    forget_undone(journal, [UndoResult(_place("same"), Undone.ABSENT)])
    assert _noted(journal) == set()


def test_an_unusable_state_file_is_left_as_it_is(journal: Path) -> None:
    """Every open fails on it anyway, and the migration itself is done."""
    state = journal.with_name(FILE_NAME)
    state.write_bytes(b"damaged")
    note_moved(journal, "secret-service", [JOB], default_wallet=WALLET)
    forget_undone(journal, [UndoResult(_place("made"), Undone.REMOVED)])
    assert state.read_bytes() == b"damaged"


def test_without_a_state_file_an_undo_makes_none(journal: Path) -> None:
    """Nothing is noted, so there is nothing to forget."""
    forget_undone(journal, [UndoResult(_place("made"), Undone.REMOVED)])
    assert not journal.with_name(FILE_NAME).exists()
