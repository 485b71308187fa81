# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for applications' secrets that are withdrawn, never read, or too many."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast import Message

from kwallet_bridge.bus.incoming import FAILED, IncomingCall
from kwallet_bridge.secret import Secret
from kwallet_bridge.wire import descriptors, secretportal
from kwallet_bridge.wire.secretportal import (
    CANCELLED,
    DONE,
    INTERFACE,
    PATH,
    PORTAL,
    REQUEST,
    SecretPortal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = Secret(bytes(range(64)))
OWNER = ":1.7"
_THREADS = 32
"""More than the loop's own pool has on a small machine."""


class _Bus:
    def __init__(self) -> None:
        self.receive: Callable[[IncomingCall], None] = lambda _: None
        self.tell_owner: Callable[[str], None] = lambda _: None

    async def watch_name(self, name: str, listener: Callable[[str], None]) -> str:
        """Give the portal's owner."""
        assert name == PORTAL
        self.tell_owner = listener
        return OWNER

    def serve(self, handler: Callable[[IncomingCall], None]) -> None:
        """Keep the handler."""
        self.receive = handler

    async def request_name(self, _: str) -> None:
        """Give it."""


class _Secrets:
    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may = asyncio.Event()
        self.may.set()

    async def read(self, application: str, *, caller: str) -> Secret:
        """Give the secret as soon as a person allows it."""
        assert application
        assert caller == OWNER
        self.asked.set()
        await self.may.wait()
        return SECRET


class _World:
    def __init__(self) -> None:
        self.bus, self.secrets = _Bus(), _Secrets()
        self.seen: list[str] = []
        self.sent: list[Message] = []
        self.answered = asyncio.Event()
        self.portal = SecretPortal(self.bus, self.secrets, seen=self.seen.append)  # type: ignore[arg-type]

    def send(self, message: Message) -> None:
        """Keep an answer."""
        self.sent.append(message)
        self.answered.set()

    def send_raw(self, _: Callable[[int], bytes | None]) -> bool:
        """Leave everything to :meth:`send`."""
        return False

    def call(self, serial: int, path: str, interface: str, member: str, **more: Any) -> None:
        """Have the portal call."""
        message = Message(path=path, interface=interface, member=member, serial=serial, **more)
        message.sender = OWNER
        self.bus.receive(IncomingCall(message, self))

    def retrieve(self, serial: int, descriptor: int, application: str = "org.example.A") -> None:
        """Ask for a secret; the descriptor stays the caller's."""
        body = [f"/request/{serial}", application, 0, {}]
        more: dict[str, Any] = {
            "signature": "osha{sv}",
            "body": body,
            "unix_fds": [os.dup(descriptor)],
        }
        self.call(serial, PATH, INTERFACE, "RetrieveSecret", **more)

    async def answers(self, count: int) -> dict[int, object]:
        """Give the first value of each answer once there are so many."""
        async with asyncio.timeout(30):
            while len(self.sent) < count:
                self.answered.clear()
                await self.answered.wait()
        return {
            sent.reply_serial: sent.error_name or (sent.body[0] if sent.body else None)
            for sent in self.sent
        }


@pytest.fixture
async def world() -> _World:
    """A backend that serves."""
    made = _World()
    await made.portal.serve()
    return made


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that is full and not read; all descriptors are closed in the end."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    reading, writing = os.pipe()
    os.write(writing, bytes(fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)))
    yield writing
    os.close(reading)
    os.close(writing)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_a_request_closed_at_once_is_answered_and_leaves_no_descriptor(
    world: _World, full_pipe: int
) -> None:
    """A sandboxed program may ask and withdraw as often as it likes: nothing of it stays."""
    for serial in range(1, 41, 2):
        world.retrieve(serial, full_pipe)
        world.call(serial + 1, f"/request/{serial}", REQUEST, "Close")
        answers = await world.answers(serial + 1)
        assert (answers[serial], answers[serial + 1]) == (CANCELLED, None)
    assert not world.secrets.asked.is_set()


async def test_pipes_that_nobody_reads_hold_up_nothing_else(
    world: _World, full_pipe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lets us wait for room takes no thread that the daemon's own files need."""
    monkeypatch.setattr(descriptors, "PATIENCE", 3.0)
    begun = asyncio.get_running_loop().time()
    for serial in range(1, _THREADS + 1):
        world.retrieve(serial, full_pipe, f"org.example.A{serial}")
    await world.secrets.asked.wait()
    await asyncio.sleep(0)
    await asyncio.to_thread(os.getpid)
    assert asyncio.get_running_loop().time() - begun < descriptors.PATIENCE
    answers = await world.answers(_THREADS)
    assert set(answers.values()) == {secretportal.FAILED}


async def test_one_application_has_few_requests_at_a_time(world: _World, full_pipe: int) -> None:
    """Another application's requests are served beside those of one that floods."""
    world.secrets.may.clear()
    for serial in range(1, 20):
        world.retrieve(serial, full_pipe)
    refused = await world.answers(19 - secretportal._MOST_OF_ONE)
    assert set(refused.values()) == {FAILED}
    reading, writing = os.pipe()
    world.retrieve(50, writing, "org.example.Other")
    for serial in range(1, secretportal._MOST_OF_ONE + 1):
        world.call(100 + serial, f"/request/{serial}", REQUEST, "Close")
    world.secrets.may.set()
    answers = await world.answers(20 + secretportal._MOST_OF_ONE)
    assert answers[50] == DONE
    assert os.read(reading, 100) == SECRET.reveal()
    os.close(reading)
    os.close(writing)


async def test_a_portal_that_left_takes_its_questions_along(world: _World, full_pipe: int) -> None:
    """The wallet's question is withdrawn, and the successor is not told "under way"."""
    world.secrets.may.clear()
    world.retrieve(1, full_pipe)
    await world.secrets.asked.wait()
    assert world.seen == [OWNER]
    world.bus.tell_owner("")
    assert await world.answers(1) == {1: CANCELLED}
