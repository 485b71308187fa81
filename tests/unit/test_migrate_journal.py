# SPDX-License-Identifier: GPL-3.0-or-later
"""The migration journal."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

import pytest
from support.migration import KDEWALLET, Scene, wallet

from kwallet_bridge.errors import JournalError
from kwallet_bridge.migrate.journal import open_journal
from kwallet_bridge.migrate.model import Action, Kind, Outcome, Place
from kwallet_bridge.store.memory import MemoryBackend

if TYPE_CHECKING:
    from pathlib import Path

PLACES = [Place(KDEWALLET, Kind.ENTRY, folder="f", key=str(number)) for number in range(3)]


def _write(path: Path) -> str:
    with open_journal(path) as journal:
        run = journal.begin("memory", ["source"])
        journal.intend(run, [(place, Action.CREATE, "00") for place in PLACES])
        journal.note(run, PLACES[1], Outcome.CREATED)
        return run.id


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A journal gives back its runs, places, actions and outcomes."""
    name = _write(tmp_path / "j")
    item = Place(KDEWALLET, Kind.ITEM, label="l", attributes=(("a", "\n"), ("b", "é")))
    with open_journal(tmp_path / "j") as journal:
        journal.intend(journal.runs[name], [(item, Action.REPLACE, "ff")])
    with open_journal(tmp_path / "j") as journal:
        run = journal.runs[name]
        assert [(i.number, i.action, i.digest, i.outcome) for i in run.intents.values()] == [
            (1, Action.CREATE, "00", Outcome.PENDING),
            (2, Action.CREATE, "00", Outcome.CREATED),
            (3, Action.CREATE, "00", Outcome.PENDING),
            (4, Action.REPLACE, "ff", Outcome.PENDING),
        ]
        assert run.by_place[item].number == 4
        assert journal.list_open("memory", ["source"]) == [run]
        assert journal.list_open("memory", ["another"]) == []


def test_cut_at_every_byte_it_still_opens(tmp_path: Path) -> None:
    """A journal cut off anywhere opens, and a further line can be appended and read."""
    _write(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with open_journal(tmp_path / "cut") as journal:
            again = journal.begin("memory", ["next"])
        with open_journal(tmp_path / "cut") as journal:
            assert again.id in journal.runs


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """The journal and its folder are private."""
    _write(tmp_path / "state" / "j")
    assert stat.S_IMODE((tmp_path / "state" / "j").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_two_migrations_at_once_are_refused(tmp_path: Path) -> None:
    """A journal in use cannot be opened."""
    with open_journal(tmp_path / "j"), pytest.raises(JournalError), open_journal(tmp_path / "j"):
        pass


def test_the_lock_is_taken_on_the_file_that_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened just before another run's --confirm renames a new file over it, the new one is used."""
    path = tmp_path / "journal"
    _write(path)
    lock = fcntl.flock
    waiting = [True]

    def confirm_meanwhile(descriptor: int, operation: int) -> None:
        if waiting:
            waiting.clear()
            monkeypatch.setattr(fcntl, "flock", lock)
            with open_journal(path) as other:
                (run,) = other.runs.values()
                other.end(run, "confirmed")
                other.forget_names(run)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", confirm_meanwhile)
    with open_journal(path) as journal:
        (run,) = journal.runs.values()
        assert (run.state, run.intents) == ("confirmed", {})
        journal.begin("somewhere", ["b.kwl"])
    with open_journal(path) as journal:
        assert len(journal.runs) == 2


def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    """A damaged line that is not the last is not passed over."""
    _write(tmp_path / "j")
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    (tmp_path / "j").write_bytes(b"".join([lines[0], b"{oops\n", *lines[1:]]))
    with pytest.raises(JournalError, match="line 2"), open_journal(tmp_path / "j"):
        pass


@pytest.mark.parametrize("room", [0, 400, 1500, 2600])
async def test_a_full_disk_stops_the_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """With no room for the journal nothing is written that the journal does not know."""
    backend = MemoryBackend()
    login = backend.add_collection("Login", alias="default")
    scene = Scene(backend, tmp_path / "j")
    source = wallet({"f": {str(number): "v" for number in range(12)}})
    write = os.write

    def limited(descriptor: int, data: bytes) -> int:
        left = room - os.fstat(descriptor).st_size
        if left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, bytes(data)[:left])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", limited)
        try:
            job, _ = await scene.migrate(source)
            assert isinstance(job.error, JournalError)
        except JournalError:
            pass
    written = {
        attributes["user"] for _, attributes, _, _ in backend.dump(login) if "user" in attributes
    }
    with open_journal(tmp_path / "j") as journal:
        known = {
            intent.place.key for run in journal.runs.values() for intent in run.intents.values()
        }
    assert written <= known
    job, _ = await scene.migrate(source)
    assert all(result.verified for result in job.results)
    assert sum("user" in attributes for _, attributes, _, _ in backend.dump(login)) == 12


async def test_no_value_is_in_the_journal(tmp_path: Path) -> None:
    """Neither values nor digests that can be made without the provider's key are in the journal."""
    backend = MemoryBackend()
    backend.add_collection("Login", alias="default")
    one, two = Scene(backend, tmp_path / "one"), Scene(MemoryBackend(), tmp_path / "two")
    source = wallet({"f": {"k": "canary-value"}})
    await one.migrate(source)
    await two.migrate(source)
    assert b"canary" not in one.journal.read_bytes()
    digests = []
    for scene in (one, two):
        with open_journal(scene.journal) as journal:
            digests += [i.digest for run in journal.runs.values() for i in run.intents.values()]
    assert len(set(digests)) == 2
