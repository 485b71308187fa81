# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a process, and when nothing is."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from typing import TYPE_CHECKING, cast

import pytest

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.wire import peers as module
from kwallet_bridge.wire.peers import Peers, read_process
from kwallet_bridge.wire.program import PeerProgram, compare, examine, glance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kwallet_bridge.bus.connection import BusConnection

NOBODY = 2**22 + 1
"""More than any process's number."""


class Bus:
    """A bus that knows one peer, and gives descriptors with its credentials."""

    def __init__(self, pid: int, descriptors: Sequence[int] = (), *, place: int = 0) -> None:
        self.pid = pid
        self.fields = {"ProcessID": Variant("u", pid), "UnixUserID": Variant("u", 0)}
        if descriptors:
            self.fields["ProcessFD"] = Variant("h", place)
        self.descriptors = list(descriptors)
        self.closed = False

    def listen(self, *_: object) -> None:
        """Nobody comes or goes here."""

    def send_call(self, *_: object) -> None:
        """Take it."""

    async def call_daemon(self, *_: object) -> list[object]:
        """Give the peer's process."""
        return [self.pid]

    async def call_daemon_for_fds(self, *_: object) -> tuple[list[object], list[int]]:
        """Give the peer's credentials."""
        return [self.fields], [os.dup(each) for each in self.descriptors]

    def close(self) -> None:
        """Note it."""
        self.closed = True


def faked(bus: Bus) -> BusConnection:
    """Pass a fake for the real thing."""
    return cast("BusConnection", bus)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process."""
    process = subprocess.Popen(["/bin/sleep", "600"])
    yield process
    process.kill()
    process.wait()


def open_descriptors() -> int:
    """Count what we have open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  it is counted


def test_a_program_of_ours_is_seen_alike(child: subprocess.Popen[bytes]) -> None:
    """A glance and a long look say the same of a process that shares our file systems."""
    seen = glance(child.pid)
    assert seen == examine(child.pid)
    assert seen is not None
    assert (seen.executable, seen.is_confined) == (os.path.realpath("/bin/sleep"), False)
    assert str(seen) == f"sleep (pid {child.pid})"


def test_nothing_is_said_of_a_process_that_is_not_there() -> None:
    """A number nobody has is an unknown program, which counts as confined."""
    assert glance(NOBODY) is None
    assert examine(NOBODY) == PeerProgram(NOBODY)
    assert PeerProgram(NOBODY).is_confined
    assert str(PeerProgram(NOBODY)) == f"unknown program (pid {NOBODY})"


def test_a_descriptor_of_another_process_is_noticed(child: subprocess.Popen[bytes]) -> None:
    """Where the number leads to another process than the bus's descriptor nothing is said."""
    ours, theirs = os.pidfd_open(os.getpid()), os.pidfd_open(child.pid)
    try:
        assert examine(child.pid, pidfd=theirs).executable
        assert examine(child.pid, pidfd=ours) == PeerProgram(child.pid)
        child.kill()
        child.wait()
        assert examine(child.pid, pidfd=theirs) == PeerProgram(child.pid)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("change", [{"executable": "/y"}, {"started": 8}])
def test_another_program_than_at_first_has_no_name(change: dict[str, object]) -> None:
    """A process that runs another program, or was started later, loses its program's name."""
    first = PeerProgram(1, "/x", "", 7, could_look=True)
    now = PeerProgram(**{"pid": 1, "executable": "/x", "started": 7, "could_look": True} | change)  # type: ignore[arg-type]
    assert compare(first, first) == first
    assert compare(None, now) == now
    assert compare(first, now).executable == ""


async def test_the_bus_gives_the_process_itself(child: subprocess.Popen[bytes]) -> None:
    """The descriptor named is kept, what came beside it is closed; an older bus gives none."""
    pidfd = os.pidfd_open(child.pid)
    before = open_descriptors()
    pid, found = await read_process(faked(Bus(child.pid, [0, pidfd], place=1)), ":1.1")
    assert found is not None
    assert (pid, open_descriptors()) == (child.pid, before + 1)
    assert (await asyncio.to_thread(examine, pid, pidfd=found)).executable
    os.close(found)
    assert await read_process(faked(Bus(child.pid, [pidfd], place=7)), ":1.1") == (pid, None)
    assert await read_process(faked(Bus(child.pid)), ":1.1") == (pid, None)
    assert open_descriptors() == before
    os.close(pidfd)


async def test_a_question_looks_anew_by_the_descriptor(child: subprocess.Popen[bytes]) -> None:
    """At each question the process is looked at by its descriptor, and nothing stays open."""
    pidfd = os.pidfd_open(child.pid)
    bus = Bus(child.pid, [pidfd])

    async def connect() -> BusConnection:
        return faked(bus)

    peers = Peers(faked(bus), vanished=lambda _: None, connect=connect)
    peers.seen(":1.1")
    before = open_descriptors()
    seen = await peers.look_again(":1.1")
    assert seen is not None
    assert seen.executable == os.path.realpath("/bin/sleep")
    assert bus.closed
    bus.descriptors = [os.pidfd_open(os.getpid())]
    again = await peers.look_again(":1.1")
    os.close(bus.descriptors.pop())
    assert again is not None
    assert (again.executable, again.is_confined) == ("", True)
    assert open_descriptors() == before
    os.close(pidfd)


async def test_one_that_keeps_us_waiting_stalls_nobody(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of processes whose file systems never answer nothing is said; there is a bound on them."""
    answer = threading.Event()
    looks: list[int] = []

    def wait(pid: int, **_: object) -> PeerProgram:
        looks.append(pid)
        answer.wait()
        return PeerProgram(pid, "/late", could_look=True)

    monkeypatch.setattr(module, "glance", lambda _: None)
    monkeypatch.setattr(module, "examine", wait)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    peers = Peers(faked(Bus(child.pid)), vanished=lambda _: None)
    names = [f":1.{number}" for number in range(20)]
    for name in names:
        peers.seen(name)
    seen = await asyncio.gather(*(peers.program(name) for name in names))
    answer.set()
    assert {program and program.executable for program in seen} == {""}
    assert len(looks) == module._MOST_LOOKS
