# SPDX-License-Identifier: GPL-3.0-or-later
"""A save that is killed, or whose system calls fail, at each of them in turn."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.keyrings import PASSWORD, entry_item, keyring_bytes, make_keyring, quick_key
from support.paths import ROOT

from kwallet_bridge.errors import StoreFullError
from kwallet_bridge.keyringfile import box, file
from kwallet_bridge.keyringfile.changes import put_item
from kwallet_bridge.keyringfile.format import encode_keyring, find_items, open_item, parse_keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITER = ROOT / "tests" / "support" / "keyring_writer.py"
FILE_CALLS = {
    "mkdir",
    "openat",
    "flock",
    "getdents64",
    "write",
    "fsync",
    "fstat",
    "newfstatat",
    "stat",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "statx",
}
"""Calls on files under any machine's names; what is left does nothing that a kill could halve."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


@dataclass(frozen=True)
class Fate:
    """How a save ended: what the writer said, and its exit code."""

    verdict: str
    code: int


def start_writer(path: Path, name: str = "k") -> subprocess.Popen[str]:
    """Start a process that is about to save."""
    writer = subprocess.Popen(
        [sys.executable, str(WRITER), str(path), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def save_under(path: Path, *inject: str, log: str = os.devnull) -> Fate:
    """Have a process save once while strace plays tricks on it from then on."""
    with start_writer(path) as writer:
        tracer = subprocess.Popen(
            ["strace", "-p", str(writer.pid), "-o", log, *inject],
            stderr=subprocess.PIPE,
            text=True,
        )
        with tracer:
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            said, _ = writer.communicate("go\n")
            tracer.wait()
    return Fate(said.strip(), writer.returncode)


def calls_of_a_save(folder: Path) -> list[tuple[str, int]]:
    """List the system calls of a save, each with how often it was made up to then."""
    path, _ = fresh_file(folder)
    log = folder.with_name("strace.log")
    assert save_under(path, log=str(log)) == Fate("done", 0)
    names = re.findall(r"^(\w+)\(", log.read_text().split('"done', maxsplit=1)[0], re.MULTILINE)
    assert {"fsync", "write"} <= set(names)
    seen: Counter[str] = Counter()
    calls = []
    for name in names:
        seen[name] += 1
        calls.append((name, seen[name]))
    return [call for call in calls if call[0] in FILE_CALLS]


def check_state(path: Path, before: bytes) -> bool:
    """See that the file is the old or the new one and that saving goes on; True for the new."""
    data = path.read_bytes()
    after = parse_keyring(data)
    old = parse_keyring(before)
    assert list(after.items.values())[:3] == list(old.items.values())
    is_new = len(after.items) == 4
    assert is_new or data == before
    if is_new:
        assert open_item(quick_key(), after.items[3]).secret.reveal() == b"value"
    if file.backup_path(path).exists():
        assert file.backup_path(path).read_bytes() == before
    box._commit(
        path, *box._read(path), quick_key(), [put_item(entry_item("x", "y", b""), replaces=True)]
    )
    names = sorted(p.name for p in path.parent.iterdir())
    assert names == sorted([path.name, f"{path.name}~", f".{path.name}.lock"])
    return is_new


def fresh_file(folder: Path) -> tuple[Path, bytes]:
    """Make a folder with one keyring of three entries."""
    folder.mkdir()
    path = folder / "default.keyring"
    before = keyring_bytes(3)
    path.write_bytes(before)
    return path, before


def test_killed_at_every_system_call(tmp_path: Path) -> None:
    """Killed before any one system call of a save, the file is whole: the old one or the new."""
    states = []
    calls = calls_of_a_save(tmp_path / "whole")
    for number, (name, count) in enumerate(calls):
        path, before = fresh_file(tmp_path / str(number))
        fate = save_under(path, "-e", f"inject={name}:signal=SIGKILL:when={count}")
        assert fate == Fate("", -signal.SIGKILL)
        kept = file.backup_path(path).exists()
        states.append(check_state(path, before))
        assert kept or not states[-1]
    assert len(states) >= 20
    assert states == sorted(states)
    assert set(states) == {False, True}


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_every_failing_system_call(tmp_path: Path, error: str) -> None:
    """Whatever system call of a save fails, it is told, and told truly; nothing is lost."""
    verdicts = set()
    calls = calls_of_a_save(tmp_path / "whole")[:-1]  # not the writer's own report
    for number, (name, count) in enumerate(calls):
        path, before = fresh_file(tmp_path / str(number))
        fate = save_under(path, "-e", f"inject={name}:error={error}:when={count}")
        assert check_state(path, before) == (fate.verdict in {"done", "StoreUnavailableError"})
        verdicts.add(fate.verdict)
    failure = "StoreFullError" if error == "ENOSPC" else "StoreError"
    assert verdicts == {"done", "StoreUnavailableError", failure}


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_no_room(tmp_path: Path) -> None:
    """Where the new file does not fit, the old one stays and nothing is left lying about."""
    path, before = fresh_file(tmp_path / "full")
    keyring, stamp = box._read(path)
    change = put_item(entry_item("f", "k", bytes(5000)), replaces=True)
    with file_size_limit(len(before) + 1000), pytest.raises(StoreFullError):
        box._commit(path, keyring, stamp, quick_key(), [change])
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == [".default.keyring.lock", path.name]


def test_many_writers(tmp_path: Path) -> None:
    """Processes that save at the same moment all find their entry in the file."""
    path, _ = fresh_file(tmp_path / "shared")
    writers = [start_writer(path, str(n)) for n in range(6)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        with writer:
            said, _ = writer.communicate()
            assert said == "done\n"
    keyring = parse_keyring(path.read_bytes())
    assert len(find_items(quick_key(), keyring, {"server": "killed"})) == 6
    assert len(keyring.items) == 9
    assert keyring.header.usage == 6


def test_foreign_writer_between_check_and_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program without locks that changes the file during our save keeps its change."""
    path, _ = fresh_file(tmp_path / "raced")
    keyring, stamp = box._read(path)
    real = file._write_temporary
    raced: list[bool] = []

    def racing(temporary: Path, data: bytes) -> file.Stamp:
        written = real(temporary, data)
        if not raced:
            raced.append(True)
            other = path.with_name("other")
            other.write_bytes(encode_keyring(make_keyring(5)))
            other.replace(path)
        return written

    monkeypatch.setattr(file, "_write_temporary", racing)
    change = put_item(entry_item("f", "k", b"v"), replaces=True)
    saved = box._commit(path, keyring, stamp, quick_key(), [change])
    assert len(parse_keyring(path.read_bytes()).items) == 6
    assert len(saved.touched) >= 3


def test_password_is_never_in_the_file(tmp_path: Path) -> None:
    """Neither the file nor its backup holds a password or a value in clear."""
    path, _ = fresh_file(tmp_path / "clear")
    with start_writer(path) as writer:
        assert writer.communicate("go\n")[0] == "done\n"
    for held in (path, file.backup_path(path)):
        data = held.read_bytes()
        assert PASSWORD.reveal() not in data
        assert b"value" not in data
        assert b"folder 0" not in data
