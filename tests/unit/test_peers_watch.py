# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from kwallet_bridge.bus.port import Signal
from kwallet_bridge.errors import BusError, BusReplyError, BusTimeoutError
from kwallet_bridge.wire.peers import Peers

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.bus.port import SignalMatch


class _Bus:
    def __init__(self, error: BusError) -> None:
        self.error = error
        self.sent: list[str] = []
        self.asked = asyncio.Event()

    def listen(self, _: SignalMatch, __: Callable[[Signal], None]) -> None:
        """Nobody comes or goes here."""

    def send_call(self, *arguments: Any) -> None:
        """Keep which method was called with what."""
        self.sent.append(f"{arguments[3]} {arguments[5][0][-15:]}")

    async def call_daemon(self, *_: object) -> list[object]:
        """Fail."""
        self.asked.set()
        raise self.error


@pytest.mark.parametrize(
    ("error", "gone"), [(BusReplyError("no.owner"), [":1.9"]), (BusTimeoutError("slow"), [])]
)
async def test_who_left_before_we_looked_leaves_no_match(error: BusError, gone: list[str]) -> None:
    """A peer the bus does not know is gone, its match with it; a slow bus means nothing."""
    bus = _Bus(error)
    vanished: list[str] = []
    peers = Peers(bus, vanished=vanished.append)  # type: ignore[arg-type]
    peers.seen(":1.9")
    await bus.asked.wait()
    await asyncio.sleep(0)
    assert vanished == gone
    assert [line.split()[0] for line in bus.sent] == ["AddMatch", "RemoveMatch"][: 1 + len(gone)]


class _LeavingBus(_Bus):
    """Answers where a peer's process is, and has the peer leave right behind the last answer."""

    def __init__(self) -> None:
        super().__init__(BusError("unused"))
        self.answers = 0
        self.hear: Callable[[Signal], None] = lambda _: None

    def listen(self, _: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Keep the listener."""
        self.hear = listener

    async def call_daemon(self, *_: object) -> list[object]:
        """Answer."""
        self.answers += 1
        if self.answers > 1:
            body = [":1.9", ":1.9", ""]
            self.hear(Signal("org.freedesktop.DBus", "/", "", "NameOwnerChanged", "sss", body))
        return [os.getpid()]


async def test_who_left_while_we_looked_is_asked_about_no_more() -> None:
    """A question for it would be withdrawn by nobody: its leaving was told before it was asked."""
    bus = _LeavingBus()
    vanished: list[str] = []
    peers = Peers(bus, vanished=vanished.append)  # type: ignore[arg-type]
    peers._known[":1.9"] = None
    assert await peers.look_again(":1.9") is None
    assert vanished == [":1.9"]
