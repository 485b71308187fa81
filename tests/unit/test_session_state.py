# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import itertools
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.errors import SessionError
from kwallet_bridge.session.census import Owner, find_unit
from kwallet_bridge.session.files import PlannedFile
from kwallet_bridge.session.manifest import (
    Manifest,
    begin,
    finish,
    forget,
    recover,
    restore,
    survey,
    take_back,
    write_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_manifest_undoes_what_was_written(tmp_path: Path) -> None:
    """Files, links, modes and folders are as before, after a round trip through JSON."""
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.write_bytes(b"\xff old")
    kept.chmod(0o640)
    link.symlink_to("elsewhere")
    planned = [
        PlannedFile(kept, "new"),
        PlannedFile(link, "new"),
        PlannedFile(tmp_path / "a/b/made", "new"),
        PlannedFile(tmp_path / "a/link", link="b/made"),
    ]
    manifest = Manifest.parse(survey(planned, was_running=["x"], program="p").dump())
    write_files(planned)
    assert (tmp_path / "a/link").read_text() == "new"
    assert restore(manifest) == []
    assert kept.read_bytes() == b"\xff old"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert str(link.readlink()) == "elsewhere"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "link"]
    assert (manifest.was_running, manifest.program) == (("x",), "p")


def test_a_folder_somebody_else_uses_stays(tmp_path: Path) -> None:
    """A folder we made is kept when another program has put a file there."""
    planned = [PlannedFile(tmp_path / "made/ours", "x")]
    manifest = survey(planned)
    write_files(planned)
    (tmp_path / "made/theirs").write_text("y")
    restore(manifest)
    assert [each.name for each in (tmp_path / "made").iterdir()] == ["theirs"]


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "older-record"])
def test_what_another_put_there_since_stays(tmp_path: Path, *, noted: bool) -> None:
    """Uninstalling removes our files, and leaves one that somebody else has put in their place."""
    planned = [PlannedFile(tmp_path / name, "Exec=kwallet-bridge") for name in ("ours", "theirs")]
    link = PlannedFile(tmp_path / "link", link="/units/kwallet-bridge.service")
    manifest = survey([*planned, link])
    if not noted:
        manifest = replace(manifest, written=())
    write_files([*planned, link])
    (tmp_path / "theirs").write_text("Exec=another")
    assert restore(Manifest.parse(manifest.dump())) == [tmp_path / "theirs"]
    assert [each.name for each in tmp_path.iterdir()] == ["theirs"]
    assert (tmp_path / "theirs").read_text() == "Exec=another"


class Place:
    """A user's folders with an installation that shall be replaced by another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / "state/session.json"
        self.own = folder / "home/own"
        self.own.parent.mkdir(parents=True)
        self.own.write_text("the user's")
        self.first = self._plan("old", ["own", "a/one", "a/two", "retired"])
        self.second = self._plan("new", ["own", "a/one", "b/three"])
        self.original = self.snapshot()

    def _plan(self, text: str, names: list[str]) -> list[PlannedFile]:
        home = self.folder / "home"
        files = [PlannedFile(home / name, f"{text} {name}") for name in names]
        return [*files, PlannedFile(home / "a/link", link=f"../{text}")]

    def snapshot(self) -> dict[str, str]:
        """Give what is in the home, links by their targets, prepared files left out."""
        home = self.folder / "home"
        found = {}
        for path in sorted(home.rglob("*")):
            name = str(path.relative_to(home))
            if path.is_symlink():
                found[name] = str(path.readlink())
            elif path.is_file():
                found[name] = path.read_text()
        return found

    def install(self, planned: list[PlannedFile]) -> None:
        """Install as the command does, without a bus."""
        manifest = survey(planned, previous=recover(self.record))
        try:
            begin(self.record, manifest)
            finish(self.record, manifest)
        except (OSError, SessionError):
            take_back(self.record, manifest)
            raise


EVENTS = frozenset({"open", "os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir"})


TAKES_ROOM = frozenset({"open", "os.symlink", "os.mkdir"})


def run_until(
    step: int, work: Callable[[], None], *, end: Callable[[str, tuple[object, ...]], None]
) -> bool:
    """Run work in a child that meets its end at a step on files; False if it has no such step."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    steps = itertools.count(1)

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event in EVENTS and next(steps) >= step:
            end(event, arguments)

    sys.addaudithook(count)
    try:
        work()
    except (OSError, SessionError):
        os._exit(1)
    os._exit(0)


def kill(*_: object) -> None:
    """Be ended at once."""
    os._exit(9)


def fill_disk(event: str, arguments: tuple[object, ...]) -> None:
    """Be a disk that is full from now on, where things can be removed and renamed still."""
    reads = event == "open" and not int(str(arguments[2])) & os.O_CREAT
    if event in TAKES_ROOM and not reads:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("over", [False, True], ids=["first", "over-another"])
@pytest.mark.parametrize("end", [kill, fill_disk])
def test_cut_off_at_every_step_it_is_old_or_new(
    tmp_path: Path, end: Callable[[str, tuple[object, ...]], None], *, over: bool
) -> None:
    """Each file is the old or the new one; who comes next finds one or the other, and can undo."""
    for step in itertools.count(1):
        place = Place(tmp_path / str(step))
        if over:
            place.install(place.first)
        old = place.snapshot()
        cut = run_until(step, lambda here=place: here.install(here.second), end=end)  # type: ignore[misc]
        found = place.snapshot()
        manifest = recover(place.record)
        stands = place.snapshot()
        if not cut:
            break
        new = {"own": "new own", "a/one": "new a/one", "b/three": "new b/three", "a/link": "../new"}
        texts = {name: {old.get(name), new.get(name)} for name in old | new | found}
        hidden = {name for name in found if name.rpartition("/")[2].startswith(".")}
        assert all(found.get(name) in texts[name] for name in texts if name not in hidden)
        assert stands in (old, new)
        assert (manifest is not None and manifest.done) is (over or stands == new)
        place.install(place.second)
        assert place.snapshot() == new
        again = recover(place.record)
        assert again is not None
        assert restore(again) == []
        forget(place.record)
        assert place.snapshot() == place.original
        assert sorted(str(path.name) for path in place.folder.rglob("*")) == ["home", "own"]
    assert step > 10


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 3}', '{"version": 1, "before": 3}'])
def test_a_damaged_manifest_is_told(text: str) -> None:
    """A manifest that cannot be read raises a SessionError."""
    with pytest.raises(SessionError):
        Manifest.parse(text)


@pytest.mark.parametrize(
    ("command", "program", "ours", "kde"),
    [
        (("/usr/bin/kwalletd5",), "kwalletd5", False, True),
        (("/usr/bin/python3", "-I", "/usr/bin/kwallet-bridge", "daemon"), "kwallet-bridge", True, False),
        (("python3.11", "-m", "kwallet_bridge", "daemon"), "kwallet_bridge", True, False),
        (("vim", "kwallet-bridge"), "vim", False, False),
        ((), "a program that hides", False, False),
    ],
)  # fmt: skip
def test_programs_are_recognised(
    command: tuple[str, ...], program: str, *, ours: bool, kde: bool
) -> None:
    """A program's name is its own, or that of the script Python runs."""
    owner = Owner(":1.1", 1, command, "")
    assert (owner.program, owner.is_bridge, owner.is_kwalletd) == (program, ours, kde)


@pytest.mark.parametrize(
    ("line", "unit"),
    [
        ("0::/user.slice/user-1.slice/user@1.service/session.slice/a.service", "a.service"),
        ("0::/user.slice/user-1.slice/session-2.scope", ""),
        ("5:cpu:/a.service", ""),
        ("1:name=systemd:/a.service", "a.service"),
        ("0::/", ""),
    ],
)
def test_units_are_found(line: str, unit: str) -> None:
    """The unit is the innermost service of systemd's hierarchy."""
    assert find_unit([line]) == unit
