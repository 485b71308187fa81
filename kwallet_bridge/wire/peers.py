# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is calling, and when they are gone.

Each peer is watched by a match of its own: one for all would wake us at every connection that any
program makes or drops.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus.owners import DAEMON, DAEMON_PATH
from kwallet_bridge.bus.port import SignalMatch
from kwallet_bridge.errors import BusError, BusReplyError
from kwallet_bridge.wire.aside import run_aside
from kwallet_bridge.wire.program import PeerProgram, compare, examine, glance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kwallet_bridge.bus.connection import BusConnection
    from kwallet_bridge.bus.port import Signal

_log = logging.getLogger(__name__)


_MOST_LOOKS: Final = 8
"""Processes that may keep us waiting at a time; of others nothing is known meanwhile."""
_LOOK_SECONDS: Final = 1.0


class Peers:
    """The peers that called us and are still there."""

    def __init__(
        self,
        bus: BusConnection,
        *,
        vanished: Callable[[str], None],
        connect: Callable[[], Awaitable[BusConnection]] | None = None,
    ) -> None:
        """Call ``vanished`` with the unique name of a peer that left the bus.

        ``connect`` makes a connection that passes descriptors, to get those of processes from a bus
        that has them.
        """
        self._bus = bus
        self._connect = connect
        self._looks = 0
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

    async def look_again(self, peer: str) -> PeerProgram | None:
        """Look at the process behind a peer as it is now; None for a peer that is gone.

        It may run another program by now than when it first called.
        """
        first = await self.program(peer)
        if first is None:
            return None
        pid, pidfd = await self._find_process(peer, first.pid)
        try:
            now = await self._look_aside(pid, pidfd)
        finally:
            if pidfd is not None:
                os.close(pidfd)
        try:
            # That a number was used again is told by its owner being no more.
            (after,) = await self._bus.call_daemon("GetConnectionUnixProcessID", "s", [peer])
        except BusError:
            return None
        if peer not in self._known:
            return None  # it left in the same turn, before who asks could be told of it
        return compare(first, now) if after == first.pid == pid else PeerProgram(pid)

    async def _find_process(self, peer: str, pid: int) -> tuple[int, int | None]:
        """Give the process of a peer, with a descriptor of it from a bus that keeps one."""
        if self._connect is None:
            return pid, None
        with suppress(BusError):
            connection = await self._connect()
            try:
                return await read_process(connection, peer)
            finally:
                connection.close()
        return pid, None

    async def _look_aside(self, pid: int, pidfd: int | None = None) -> PeerProgram:
        """Look in a thread of its own: a process can make us wait for ever, and a pool be full."""
        if self._looks >= _MOST_LOOKS:
            return PeerProgram(pid)
        own = None if pidfd is None else os.dup(pidfd)

        def work() -> PeerProgram:
            try:
                return examine(pid, pidfd=own)
            finally:
                if own is not None:
                    os.close(own)

        def ended(_: asyncio.Future[PeerProgram]) -> None:
            self._looks -= 1

        seen = run_aside(work, name="look")
        self._looks += 1
        seen.add_done_callback(ended)
        done, _ = await asyncio.wait({seen}, timeout=_LOOK_SECONDS)
        return seen.result() if done else PeerProgram(pid)

    async def _look_up(self, peer: str) -> None:
        # Asked after the match was set: a peer that left before it is noticed here.
        try:
            (pid,) = await self._bus.call_daemon("GetConnectionUnixProcessID", "s", [peer])
        except BusReplyError:
            self._forget(peer)
            return
        except BusError:
            return  # the bus is slow or gone, which says nothing of the peer
        number = int(str(pid))
        program = glance(number) or await self._look_aside(number)
        if peer in self._known:
            self._known[peer] = program

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


async def read_process(bus: BusConnection, peer: str) -> tuple[int, int | None]:
    """Give the process that made a peer's connection, and its descriptor where the bus has one.

    The descriptor is the caller's.

    Raises:
        BusError: The bus does not know the peer, or does not answer.
    """
    (found,), descriptors = await bus.call_daemon_for_fds("GetConnectionCredentials", "s", [peer])
    fields = found if isinstance(found, dict) else {}
    pid, place = (getattr(fields.get(name), "value", None) for name in ("ProcessID", "ProcessFD"))
    mine = place if isinstance(place, int) and place < len(descriptors) else None
    for number, descriptor in enumerate(descriptors):
        if number != mine:
            os.close(descriptor)
    return (pid if isinstance(pid, int) else 0), None if mine is None else descriptors[mine]
