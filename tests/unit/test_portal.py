# SPDX-License-Identifier: GPL-3.0-or-later
"""A Secret portal that takes its time: it is waited for, and not for ever."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kwallet_bridge.bus.port import Signal
from kwallet_bridge.errors import PasswordNeededError, StoreTimeoutError, StoreUnavailableError
from kwallet_bridge.keyringfile import portal
from kwallet_bridge.keyringfile.portal import PortalPassword
from kwallet_bridge.keyringfile.sources import KeyRequest
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kwallet_bridge.bus.port import SignalMatch

DATA = bytes(range(64))


class StandInBus:
    """A portal that answers, writes and closes only if told to."""

    unique_name = ":1.4"

    def __init__(self, *, answers: bool = True, closes: bool = True, data: bytes = DATA) -> None:
        self.answers, self.closes, self.data = answers, closes, data
        self.hear: Callable[[Signal], None] = lambda _: None
        self.pipe = -1
        self.open = True
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.change: Callable[[str], None] = lambda _: None
        self.called = asyncio.Event()

    async def watch_name(self, _: str, listener: Callable[[str], None]) -> str:
        """Keep the listener; the portal is there."""
        self.change = listener
        return ":1.2"

    async def subscribe(self, _: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Keep the listener."""
        self.hear = listener

    async def call_with_fds(self, *_: Any, fds: Sequence[int]) -> Sequence[object]:
        """Take the pipe."""
        loop = asyncio.get_running_loop()
        self.pipe = os.dup(fds[0])
        self.called.set()
        path = f"/org/freedesktop/portal/desktop/request/1_4/{_[5][1]['handle_token'].value}"
        if self.answers:
            answer = Signal("", path, "", "Response", "ua{sv}", [0, {}])
            loop.call_soon(self.hear, answer)
            loop.call_later(0.01, self.write)
        return [path]

    def write(self) -> None:
        """Write in two parts, and perhaps close."""
        os.write(self.pipe, self.data[:10])
        os.write(self.pipe, self.data[10:])
        if self.closes:
            self.end()

    def end(self) -> None:
        """Close the pipe."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def close(self) -> None:
        """Note that the connection ended."""
        self.open = False


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a moment only."""
    monkeypatch.setattr(portal, "PATIENCE", 0.05, raising=False)


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Have every descriptor closed in the end."""
    gc.collect()  # what other tests left may be closed at any time
    before = {one.name for one in Path("/proc/self/fd").iterdir()}
    yield
    assert {one.name for one in Path("/proc/self/fd").iterdir()} <= before


async def read(bus: StandInBus) -> Secret | None:
    """Ask as a keyring file does."""

    async def connect() -> StandInBus:
        return bus

    try:
        return await PortalPassword(connect).read_password(KeyRequest("x"))
    finally:
        bus.end()
        assert not bus.open


@pytest.mark.usefixtures("descriptors")
async def test_what_is_written_after_the_answer_is_read() -> None:
    """The bytes may come after the answer, and in parts."""
    assert await read(StandInBus()) == Secret(DATA)


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("data", [DATA[:63], DATA + b"x"])
async def test_another_length_is_no_password(data: bytes) -> None:
    """Fewer or more bytes than agreed are refused."""
    with pytest.raises(PasswordNeededError):
        await read(StandInBus(data=data))


@pytest.mark.timeout(20)
@pytest.mark.usefixtures("impatient", "descriptors")
@pytest.mark.parametrize("told", [{"answers": False}, {"closes": False}])
async def test_a_silent_portal_is_given_up(told: dict[str, bool]) -> None:
    """A portal that never answers, or never closes the pipe, ends in an error in time."""
    async with asyncio.timeout(5):
        with pytest.raises(StoreTimeoutError):
            await read(StandInBus(**told))  # type: ignore[arg-type]


@pytest.mark.timeout(20)
@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("heir", ["", ":1.9"])
async def test_a_portal_that_ends_is_not_waited_for(heir: str) -> None:
    """What was asked of a portal dies with it: neither silence nor its heir answers."""
    bus = StandInBus(answers=False)
    reading = asyncio.ensure_future(read(bus))
    await bus.called.wait()
    bus.change(heir)
    async with asyncio.timeout(5):
        with pytest.raises(StoreUnavailableError):
            await reading


@pytest.mark.timeout(20)
@pytest.mark.usefixtures("descriptors")
async def test_a_lost_bus_brings_no_answer() -> None:
    """The connection's end ends the wait."""
    bus = StandInBus(answers=False)
    reading = asyncio.ensure_future(read(bus))
    await bus.called.wait()
    bus.lost.set_result(None)
    async with asyncio.timeout(5):
        with pytest.raises(StoreUnavailableError):
            await reading
