# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is calling, and when they are gone.

Each peer is watched by a match of its own: one for all would wake us at every connection that any
program makes or drops.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.bus.owners import DAEMON, DAEMON_PATH
from kwallet_bridge.bus.port import SignalMatch
from kwallet_bridge.errors import BusError, BusReplyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.bus.connection import BusConnection
    from kwallet_bridge.bus.port import Signal

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeerProgram:
    """The process behind a peer: what the kernel says, not what the peer claims."""

    pid: int
    executable: str
    """Path of the program; "" if it may not be read."""

    def __str__(self) -> str:
        return f"{Path(self.executable).name or 'a program'} (pid {self.pid})"


class Peers:
    """The peers that called us and are still there."""

    def __init__(self, bus: BusConnection, *, vanished: Callable[[str], None]) -> None:
        """Call ``vanished`` with the unique name of a peer that left the bus."""
        self._bus = bus
        self._vanished = vanished
        self._known: dict[str, PeerProgram | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        match = SignalMatch(
            sender=DAEMON, path=DAEMON_PATH, interface=DAEMON, member="NameOwnerChanged"
        )
        bus.listen(match, self._on_owner_changed)

    def seen(self, peer: str) -> None:
        """Note that a peer called, and watch it from now on."""
        if peer in self._known or not peer.startswith(":"):
            return
        self._known[peer] = None
        self._bus.send_call(DAEMON, DAEMON_PATH, DAEMON, "AddMatch", "s", [_rule(peer)])
        task = asyncio.get_running_loop().create_task(self._look_up(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def describe(self, peer: str) -> str:
        """Name a peer for the log: program and pid where known."""
        program = self._known.get(peer)
        return str(program) if program is not None else peer

    def known_program(self, peer: str) -> PeerProgram | None:
        """Give the process behind a peer if it is known already."""
        return self._known.get(peer)

    async def program(self, peer: str) -> PeerProgram | None:
        """Give the process behind a peer; None if it is gone."""
        known = self._known.get(peer)
        if known is None:
            await self._look_up(peer)
        return self._known.get(peer)

    async def _look_up(self, peer: str) -> None:
        # Asked after the match was set: a peer that left before it is noticed here.
        try:
            (pid,) = await self._bus.call_daemon("GetConnectionUnixProcessID", "s", [peer])
        except BusReplyError:
            self._forget(peer)
            return
        except BusError:
            return  # the bus is slow or gone, which says nothing of the peer
        if peer in self._known:
            number = int(str(pid))
            self._known[peer] = PeerProgram(number, _executable(number))

    def _on_owner_changed(self, signal: Signal) -> None:
        name, _, owner = signal.body
        if not owner and isinstance(name, str) and name in self._known:
            self._forget(name)

    def _forget(self, peer: str) -> None:
        if peer in self._known:
            del self._known[peer]
            self._bus.send_call(DAEMON, DAEMON_PATH, DAEMON, "RemoveMatch", "s", [_rule(peer)])
            self._vanished(peer)


def _rule(peer: str) -> str:
    return (
        f"type='signal',sender='{DAEMON}',path='{DAEMON_PATH}',interface='{DAEMON}',"
        f"member='NameOwnerChanged',arg0='{peer}'"
    )


def _executable(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""
