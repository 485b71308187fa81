# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that dies at every journal event and at every write, one after another.

Death is an exception that nothing catches, after which neither the journal's file nor the provider
hears of that process again. ``tests/fault/test_migrate_kill.py`` kills real processes, at fewer
points.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.migration import Scene, wallet

from kwallet_bridge.errors import MigrationError
from kwallet_bridge.migrate import journal as journal_module
from kwallet_bridge.migrate.journal import open_journal, peek_runs
from kwallet_bridge.migrate.model import Policy
from kwallet_bridge.migrate.undo import Undone, confirm_run, find_run, undo_run
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import Quirks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kwallet_bridge.store.port import CollectionId

SOURCE = wallet(
    {"P": {"new": "1", "other": "2\n", "changes": "now", "same": "s", "map": {"a": "b"}}, "E": {}}
)
SCHEMA = {"xdg:schema": "org.qt.keychain", "type": "plaintext", "server": "P"}
THERE = {"changes": b"then", "same": b"s"}
WRITES = frozenset({"create_item", "delete_item", "set_attributes", "create_collection"})
QUIRKS = {
    "as specified": Quirks(),
    "as oo7": Quirks(replaces_exact_only=True, delete_takes_supersets=True),
}
MOST_EVENTS = 400
Work = Callable[[Scene], Coroutine[object, object, object]]


class DeathError(BaseException):
    """The process is dead."""


class Reaper:
    """Lets a process die at its numbered event, and lets it do nothing afterwards."""

    def __init__(self, backend: MemoryBackend, patch: pytest.MonkeyPatch, number: int) -> None:
        self._left = number
        self.dead = False
        self._write_all = journal_module._write_all
        self._rename = Path.rename
        self._backend = backend
        self._descriptor = -1
        backend.gate = self._gate
        patch.setattr(journal_module, "_write_all", self._write)
        move = self._move

        def rename(path: Path, target: Path) -> Path:
            return move(path, target)

        patch.setattr(Path, "rename", rename)

    def _count(self) -> None:
        if self.dead:
            raise DeathError
        self._left -= 1
        if self._left == 0:
            self.dead = True
            raise DeathError

    async def _gate(self, called: str) -> None:
        if self.dead:
            raise DeathError
        if called in WRITES:
            self._count()

    def _write(self, descriptor: int, data: bytes) -> None:
        """Die before a line, in its middle, and behind it."""
        self._descriptor = descriptor
        self._count()
        half = data[: len(data) // 2]
        self._left -= 1
        if self._left == 0:
            self.dead = True
            os.write(descriptor, half)
            raise DeathError
        self._write_all(descriptor, data)
        self._count()

    def _move(self, path: Path, target: Path) -> Path:
        """Die before the journal is exchanged, and behind it."""
        self._count()
        moved = self._rename(path, target)
        self._count()
        return moved

    def leave(self, journal: Path) -> None:
        """Let the next process live; the kernel closes what the dead one had open."""
        self._backend.gate = None
        with contextlib.suppress(OSError):
            held = os.fstat(self._descriptor)
            for path in (journal, journal.with_suffix(".new")):
                if path.exists() and os.path.samestat(held, path.stat()):
                    os.close(self._descriptor)


@pytest.fixture(params=QUIRKS)
def quirks(request: pytest.FixtureRequest) -> Quirks:
    """How the provider behaves."""
    return QUIRKS[str(request.param)]


def _stage(folder: Path, quirks: Quirks) -> Scene:
    backend = MemoryBackend(quirks)
    login = backend.add_collection("Login", alias="default")
    for key, value in THERE.items():
        added = {"xdg:content-type": "text/plain"} if quirks.replaces_exact_only else {}
        backend.add_item(login, SCHEMA | {"user": key} | added, value, label=f"P/{key}")
    folder.mkdir()
    return Scene(backend, folder / "migrations.jsonl")


def _backend(scene: Scene) -> MemoryBackend:
    assert isinstance(scene.backend, MemoryBackend)
    return scene.backend


def _login(scene: Scene) -> CollectionId:
    return _backend(scene)._aliases["default"]


def _held(scene: Scene) -> list[tuple[str, dict[str, str], bytes]]:
    """Show every item after a restart, the migrator's own too."""
    _backend(scene).restart()
    return [(label, names, value) for label, names, value, _ in _backend(scene).dump(_login(scene))]


def _values(scene: Scene) -> list[tuple[str | None, bytes]]:
    """Show what programs see: keys, None for a marker, and values."""
    ours = [row for row in _held(scene) if "run" not in row[1]]
    return sorted(((names.get("user"), value) for _, names, value in ours), key=repr)


MIGRATED = sorted(
    [
        ("new", b"1"), ("other", b"2\n"), ("changes", b"now"), ("same", b"s"),
        ("map", b'{"a":"b"}'), (None, b""),
    ],
    key=repr,
)  # fmt: skip


async def _migrate(scene: Scene) -> object:
    return await scene.migrate(SOURCE, Policy.REPLACE)


async def _undo(scene: Scene) -> list[Undone]:
    with open_journal(scene.journal) as journal:
        run = find_run(journal, "last")
        ended = await undo_run(scene.backend, journal, run, default_wallet="kdewallet")
    return [one.outcome for one in ended]


async def _confirm(scene: Scene) -> object:
    with open_journal(scene.journal) as journal:
        run = find_run(journal, "last")
        return await confirm_run(scene.backend, journal, run, default_wallet="kdewallet")


async def _end_unless_over(scene: Scene, work: Work) -> None:
    """Do what was cut off again; what had come to its end says so."""
    over = [run.state for run in peek_runs(scene.journal).values()][-1:] in (
        ["undone"],
        ["confirmed"],
    )
    if over:
        with pytest.raises(MigrationError, match="already"):
            await work(scene)
    else:
        await work(scene)


def _deaths(folder: Path, quirks: Quirks, before: Work | None, work: Work) -> Iterator[Scene]:
    """Let ``work`` die at its first event, at its second, and so on; give what each leaves."""
    for number in range(1, MOST_EVENTS):
        scene = _stage(folder / str(number), quirks)
        if before is not None:
            asyncio.run(before(scene))
        with pytest.MonkeyPatch.context() as patch:
            reaper = Reaper(_backend(scene), patch, number)
            with contextlib.suppress(DeathError):
                asyncio.run(work(scene))
        reaper.leave(scene.journal)
        if not reaper.dead:
            assert number > 10
            return
        yield scene
    pytest.fail("the work has more events than were tried")


def test_a_migration_that_dies_anywhere_is_completed(tmp_path: Path, quirks: Quirks) -> None:
    """The same again leaves exactly what was wished for; its undo leaves what was there before."""
    before = _held(_stage(tmp_path / "before", quirks))
    for scene in _deaths(tmp_path, quirks, None, _migrate):
        keys = [key for key, _ in _values(scene)]
        assert set(THERE) <= set(keys) or any("Replaced" in str(row[1]) for row in _held(scene))
        asyncio.run(_migrate(scene))
        assert _values(scene) == MIGRATED
        assert [run.state for run in peek_runs(scene.journal).values()][-1] == "finished"
        asyncio.run(_undo(scene))
        assert _held(scene) == before


def test_a_migration_that_dies_anywhere_is_taken_back(tmp_path: Path, quirks: Quirks) -> None:
    """Undoing what was begun leaves what was there before, whatever had been reached."""
    before = _held(_stage(tmp_path / "before", quirks))
    for scene in _deaths(tmp_path, quirks, None, _migrate):
        runs = peek_runs(scene.journal) if scene.journal.exists() else {}
        if not runs:
            assert _held(scene) == before
            continue
        outcomes = asyncio.run(_undo(scene))
        assert set(outcomes) <= {Undone.REMOVED, Undone.RESTORED, Undone.ABSENT}
        assert _held(scene) == before
        assert [run.state for run in peek_runs(scene.journal).values()] == ["undone"]


def test_an_undo_that_dies_anywhere_is_completed(tmp_path: Path, quirks: Quirks) -> None:
    """Undoing again leaves what was there before, or says that it is over, and it is."""
    before = _held(_stage(tmp_path / "before", quirks))
    for scene in _deaths(tmp_path, quirks, _migrate, _undo):
        asyncio.run(_end_unless_over(scene, _undo))
        assert _held(scene) == before
        assert b"changes" not in scene.journal.read_bytes()


def test_a_confirmation_that_dies_anywhere_is_completed(tmp_path: Path, quirks: Quirks) -> None:
    """Confirming again leaves all that was written, and nothing of the migrator's."""
    for scene in _deaths(tmp_path, quirks, _migrate, _confirm):
        asyncio.run(_end_unless_over(scene, _confirm))
        assert _values(scene) == MIGRATED
        assert not [row for row in _held(scene) if "run" in row[1]]
        assert b"changes" not in scene.journal.read_bytes()
