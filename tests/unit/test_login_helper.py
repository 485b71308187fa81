# SPDX-License-Identifier: GPL-3.0-or-later
"""The login's helper where something is in its way: the login goes on, and nothing is lost with it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT

from kwallet_bridge.login import helper
from kwallet_bridge.login.claim import claim_login_key

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = bytes(range(56))
PATIENCE = 20.0


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's runtime directory."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def environment_socket(runtime: Path) -> Iterator[socket.socket]:
    """What PAM's module listens on for Plasma."""
    with _listen(runtime / "kwallet5.socket") as listening:
        yield listening


def _listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


@pytest.mark.parametrize("obstacle", ["folder", "full"])
def test_an_obstacle_in_the_sockets_place_ends_no_login(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    """What cannot be offered is not, without a trace, and Plasma's socket is still served."""
    if obstacle == "folder":
        (runtime / helper.SOCKET_NAME / "within").mkdir(parents=True)
    else:

        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.rename", fail)
    helper.hand_over(KEY, time.monotonic() + PATIENCE)
    left = [path.name for path in runtime.iterdir()]
    assert left == ([helper.SOCKET_NAME] if obstacle == "folder" else [])


def test_a_path_that_is_too_long_for_a_socket_ends_no_login(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes 107 bytes."""
    long = runtime / ("x" * 120)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    helper.hand_over(KEY, time.monotonic() + PATIENCE)
    assert list(long.iterdir()) == []


def test_nobody_sees_a_socket_that_does_not_listen(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turned away, the daemon would ask a person although the key is about to be there."""
    path = runtime / helper.SOCKET_NAME
    seen = []

    class Watched(socket.socket):
        def listen(self, backlog: int = 8, /) -> None:
            seen.append(path.exists())
            super().listen(backlog)

    monkeypatch.setattr("socket.socket", Watched)
    helper.hand_over(KEY, time.monotonic() + 0.05)
    assert seen == [False]


def test_an_earlier_login_leaves_a_later_ones_socket(
    runtime: Path, environment_socket: socket.socket
) -> None:
    """When its time is up it removes its own socket for Plasma, not the one that took its place."""
    path = runtime / "kwallet5.socket"
    sink = helper.EnvironmentSink(environment_socket, time.monotonic() + 0.05)
    path.unlink()
    with _listen(path):
        sink.start()
        sink.join(PATIENCE)
        assert not sink.is_alive()
        assert path.exists()


def test_what_keeps_ksecretd_from_starting_keeps_nobody_from_the_key(
    environment_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many processes, or a directory of users that is away, concern ksecretd alone."""
    monkeypatch.setattr(helper, "is_roots_program", lambda _: True)
    monkeypatch.setattr(helper, "ksecretd_is_wanted", lambda _: True)
    before = {each.name for each in Path("/proc/self/fd").iterdir()}
    with monkeypatch.context() as unknown:
        unknown.setattr(helper, "user_name", lambda: _fail(KeyError("no such user")))
        assert not helper.pass_on(KEY, environment_socket, 0o022)
    with monkeypatch.context() as crowded:
        crowded.setattr("os.fork", lambda: _fail(OSError(errno.EAGAIN, "no process")))
        assert not helper.pass_on(KEY, environment_socket, 0o022)
    assert {each.name for each in Path("/proc/self/fd").iterdir()} == before


def _fail(error: Exception) -> None:
    raise error


def test_the_keys_descriptor_is_left_to_no_child(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who claims it may start a program at the same moment."""
    inherited: list[bool] = []
    read = os.pread

    def look(descriptor: int, size: int, offset: int) -> bytes:
        inherited.append(not fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
        return read(descriptor, size, offset)

    monkeypatch.setattr("kwallet_bridge.login.claim.os.pread", look)
    offering = threading.Thread(target=helper.hand_over, args=(KEY, time.monotonic() + PATIENCE))
    offering.start()
    environ = {"XDG_RUNTIME_DIR": str(runtime)}
    deadline = time.monotonic() + PATIENCE
    claimed = None
    while claimed is None and time.monotonic() < deadline:
        claimed = claim_login_key(environ)
    offering.join(PATIENCE)
    assert claimed is not None
    assert claimed.reveal() == KEY
    assert inherited == [False]


def test_its_interpreter_loads_nothing_that_was_added(tmp_path: Path) -> None:
    """No hook of the system's Python, no variable and no folder of the user's sees the key."""
    first = (ROOT / "kwallet_bridge/login/helper.py").read_text("utf-8").splitlines()[0]
    interpreter, options = first.removeprefix("#!").split()
    assert shutil.which(interpreter)
    (tmp_path / "sitecustomize.py").write_text("print('loaded')")
    (tmp_path / "socket.py").write_text("print('loaded')")
    script = tmp_path / "look.py"
    script.write_text(
        "import sys, socket\n"
        "print([n for n in ('site', 'sitecustomize', 'usercustomize') if n in sys.modules])\n"
        "print([p for p in sys.path if 'packages' in p or p == ''])\n"
    )
    done = subprocess.run(
        [interpreter, options, str(script)],
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONSTARTUP": str(script)},
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split("\n") == ["[]", "[]", ""]
