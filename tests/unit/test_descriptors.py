# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret is written to whatever descriptor another program made, or it is an error."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.secret import Secret
from kwallet_bridge.wire import descriptors
from kwallet_bridge.wire.descriptors import write_secret

if TYPE_CHECKING:
    from pathlib import Path

SECRET = Secret(bytes(range(64)))


def test_a_pipe_and_its_flags_stay_as_they_are() -> None:
    """The bytes arrive, and the writer's end is still one that blocks."""
    reading, writing = os.pipe()
    write_secret(writing, SECRET)
    assert os.read(reading, 100) == SECRET.reveal()
    assert not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(reading)
    os.close(writing)


def test_a_socket_and_a_file(tmp_path: Path) -> None:
    """Sockets and files, of memory or of a disk, take it too."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        write_secret(ours.fileno(), SECRET)
        assert theirs.recv(100) == SECRET.reveal()
    memory = os.memfd_create("test")
    write_secret(memory, SECRET)
    assert os.pread(memory, 100, 0) == SECRET.reveal()
    os.close(memory)
    path = tmp_path / "file"
    with path.open("wb") as file:
        write_secret(file.fileno(), SECRET)
    assert path.read_bytes() == SECRET.reveal()


def test_an_end_that_is_closed_is_an_error() -> None:
    """Nobody reads: an error, and no signal that ends us."""
    reading, writing = os.pipe()
    os.close(reading)
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        for descriptor in (writing, ours.fileno()):
            with pytest.raises(OSError, match=r"Broken pipe|reset"):
                write_secret(descriptor, SECRET)
    os.close(writing)


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A read-only file, a folder, a closed descriptor."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    read_only = os.open(path, os.O_RDONLY)
    folder = os.open(tmp_path, os.O_RDONLY)
    for descriptor in (read_only, folder):
        with pytest.raises(OSError, match=r"Bad file"):
            write_secret(descriptor, SECRET)
        os.close(descriptor)
    with pytest.raises(OSError, match=r"Bad file"):
        write_secret(read_only, SECRET)


def test_a_full_pipe_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that makes room is served; one that does not is an error in time."""
    reading, writing = os.pipe()
    size = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
    os.write(writing, bytes(size))
    reader = threading.Thread(target=os.read, args=(reading, size))
    reader.start()
    write_secret(writing, SECRET)
    reader.join()
    assert os.read(reading, 100) == SECRET.reveal()
    os.write(writing, bytes(size))
    monkeypatch.setattr(descriptors, "PATIENCE", 0.05)
    with pytest.raises(TimeoutError):
        write_secret(writing, SECRET)
    os.close(reading)
    os.close(writing)


class _Racer:
    """Tells that there is room, and takes it before it can be used."""

    descriptor = -1

    def register(self, descriptor: int, _: int) -> None:
        """Keep the descriptor."""
        self.descriptor = descriptor

    def poll(self, _: float) -> list[int]:
        """Fill the pipe: its maker shares it, and blocks or not as it likes."""
        path = f"/proc/self/fd/{self.descriptor}"
        other = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            while True:
                os.write(other, bytes(1 << 16))
        except BlockingIOError:
            first, self.poll = True, lambda _: []  # type: ignore[method-assign]
            return [first]
        finally:
            os.close(other)


@pytest.mark.timeout(20)
def test_a_pipe_that_its_maker_fills_in_between_does_not_hold_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Room that is told of and then taken is waited for again, never blocked on."""
    reading, writing = os.pipe()
    monkeypatch.setattr(select, "poll", _Racer)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            write_secret(writing, SECRET)
        except TimeoutError as error:
            raised.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(5)
    assert len(raised) == 1
    os.close(reading)
    os.close(writing)


def test_nothing_is_written_to_what_is_no_channel() -> None:
    """A device is no place for a secret; nor is a pipe's reading end, which could be turned round."""
    null = os.open(os.devnull, os.O_WRONLY)
    reading, writing = os.pipe()
    for descriptor in (null, reading):
        with pytest.raises(OSError, match=r"no pipe|Bad file"):
            write_secret(descriptor, SECRET)
    for descriptor in (null, reading, writing):
        os.close(descriptor)
