# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Plasma's prompter: it takes questions, and does what a test says, right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.port import SignalMatch
from kwallet_bridge.daemon.plasma import INTERFACE, NAME, REQUEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from kwallet_bridge.bus.incoming import IncomingCall
    from kwallet_bridge.bus.port import Signal


@dataclass(frozen=True)
class Shown:
    """A question that was taken."""

    client: str
    path: str
    window_id: str
    name: str


class StandInPrompter:
    """Owns the prompter's name, and shows nothing."""

    def __init__(self, bus: BusConnection) -> None:
        self.bus = bus
        self.shown: asyncio.Queue[Shown] = asyncio.Queue()
        self.heard: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()
        """Path, member and text of each signal."""
        self.refuses = False
        self.is_mute = False

    async def start(self) -> None:
        """Own the name."""
        await self.bus.subscribe(SignalMatch(interface=REQUEST), self._hear)
        self.bus.serve(self.serve)
        await self.bus.request_name(NAME)

    def serve(self, call: IncomingCall) -> None:
        """Take a question."""
        assert (call.interface, call.member) == (INTERFACE, "UnlockCollectionPrompt")
        assert call.signature == "osss"
        path, window_id, _, name = (str(each) for each in call.body)
        if self.refuses:
            call.fail("org.freedesktop.DBus.Error.UnknownMethod", "another generation")
            return
        if not self.is_mute:
            call.reply()
        self.shown.put_nowait(Shown(call.sender, path, window_id, name))

    def _hear(self, signal: Signal) -> None:
        text = str(signal.body[0]) if signal.body else ""
        self.heard.put_nowait((signal.path, signal.member, text))

    async def call(self, shown: Shown, member: str) -> Sequence[object]:
        """Call a request without arguments."""
        return await self.bus.call(shown.client, shown.path, REQUEST, member)

    async def accept(self, shown: Shown, password: bytes) -> object:
        """Hand a password over as the real one does, and return the reply."""
        mine, theirs = socket.socketpair()
        with mine, theirs:
            mine.sendall(password)
            mine.close()
            return await self.accept_with(shown, theirs.fileno())

    async def accept_with(self, shown: Shown, descriptor: int) -> object:
        """Hand any descriptor over, and return the reply."""
        (reply,) = await self.bus.call_with_fds(
            shown.client, shown.path, REQUEST, "Accepted", "h", [0], fds=[descriptor]
        )
        return reply

    async def answer(self, shown: Shown, password: bytes | None) -> None:
        """Do all that the real one does when a person answers."""
        if password is None:
            assert await self.call(shown, "Rejected") == [0]
        else:
            assert await self.accept(shown, password) == 0
        await self.call(shown, "Dismissed")


@contextlib.asynccontextmanager
async def stand_in_prompter(address: str) -> AsyncIterator[StandInPrompter]:
    """Run one on a bus."""
    prompter = StandInPrompter(await BusConnection.connect(address, unix_fds=True))
    await prompter.start()
    try:
        yield prompter
    finally:
        prompter.bus.close()
