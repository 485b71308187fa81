# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's side of ``kwallet-bridge monitor``: who calls what, told to who subscribed.

It costs nothing while nobody listens: the dispatcher has no observer then. Signals go to the
subscriber alone, never to the whole bus, and sandboxed programs may not subscribe.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from kwallet_bridge.bus import incoming
from kwallet_bridge.wire.calls import CALLS
from kwallet_bridge.wire.introspection import INTROSPECTABLE
from kwallet_bridge.wire.observed import (
    CALLED,
    CALLED_SIGNATURE,
    MONITOR_INTERFACE,
    MONITOR_PATH,
    NAME_ARGUMENTS,
    REFUSALS_SIGNATURE,
    REFUSED,
    ObservedCall,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kwallet_bridge.bus.connection import BusConnection
    from kwallet_bridge.bus.incoming import IncomingCall
    from kwallet_bridge.wallet.access import Refusal
    from kwallet_bridge.wire.peers import Peers

    Observer = Callable[[IncomingCall, float, str], None]

ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
QUEUE_LIMIT = 4096
REFUSALS_KEPT = 50
KEYWORDS = {
    (row.member, row.signature): tuple(argument.keyword for argument in row.arguments)
    for row in CALLS
}
INTROSPECTION = f"""\
<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
  <interface name="{MONITOR_INTERFACE}">
    <method name="Subscribe"><arg name="names" type="b" direction="in"/></method>
    <method name="Unsubscribe"/>
    <method name="Refusals">
      <arg name="refusals" type="{REFUSALS_SIGNATURE}" direction="out"/>
    </method>
    <signal name="{CALLED}">
      <arg name="time" type="d"/><arg name="appid" type="s"/><arg name="pid" type="u"/>
      <arg name="executable" type="s"/><arg name="member" type="s"/>
      <arg name="outcome" type="s"/><arg name="seconds" type="d"/>
      <arg name="names" type="a{{ss}}"/>
    </signal>
  </interface>
</node>
"""


class Monitor:
    """Keeps the subscribers and tells them of calls."""

    def __init__(
        self,
        bus: BusConnection,
        peers: Peers,
        *,
        observe_with: Callable[[Observer | None], None],
    ) -> None:
        """Have calls observed by ``observe_with(observer)`` while anybody is subscribed."""
        self._bus = bus
        self._peers = peers
        self._observe_with = observe_with
        self._subscribers: dict[str, bool] = {}
        self._waiting: asyncio.Queue[tuple[str, ObservedCall]] = asyncio.Queue(QUEUE_LIMIT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._teller: asyncio.Task[None] | None = None
        self._refusals: deque[tuple[float, str, int, str, str]] = deque(maxlen=REFUSALS_KEPT)

    def handle(self, call: IncomingCall) -> bool:
        """Answer a call to the monitor's object; False for any other object."""
        if call.path != MONITOR_PATH:
            return False
        known = call.interface in {MONITOR_INTERFACE, ""}
        if known and (call.member, call.signature) == ("Subscribe", "b"):
            self._start(self._subscribe(call))
        elif known and (call.member, call.signature) == ("Refusals", ""):
            self._start(self._tell_refusals(call))
        elif known and (call.member, call.signature) == ("Unsubscribe", ""):
            self._forget(call.sender)
            call.reply()
        elif call.interface in {INTROSPECTABLE, ""} and call.member == "Introspect":
            call.reply("s", [INTROSPECTION])
        else:
            call.fail(incoming.UNKNOWN_METHOD, "no such method")
        return True

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note_refusal(self, refusal: Refusal) -> None:
        """Remember an open that was denied; the last ones are kept, in memory only.

        One whose call was answered with a transaction number is told as a line of its own.
        """
        program = self._peers.known_program(refusal.caller)
        pid, executable = (program.pid, program.executable) if program is not None else (0, "")
        now, wallet = time.time(), str(refusal.wallet)
        self._refusals.append((now, refusal.appid, pid, executable, wallet))
        if refusal.answered and self._subscribers:
            observed = ObservedCall(
                time=now,
                appid=refusal.appid,
                pid=pid,
                executable=executable,
                member="openAsync",
                outcome=REFUSED,
                seconds=refusal.seconds,
                names={"wallet": wallet},
            )
            self._note(refusal.caller, observed)

    async def _tell_refusals(self, call: IncomingCall) -> None:
        if await self._may_listen(call.sender):
            call.reply(REFUSALS_SIGNATURE, [list(self._refusals)])
        else:
            call.fail(ACCESS_DENIED, "only programs outside of a sandbox may ask")

    async def _subscribe(self, call: IncomingCall) -> None:
        peer = call.sender
        if not await self._may_listen(peer):
            call.fail(ACCESS_DENIED, "only programs outside of a sandbox may listen")
            return
        self._subscribers[peer] = bool(call.body[0])
        if self._teller is None:
            self._teller = asyncio.get_running_loop().create_task(self._tell_all())
            self._observe_with(self.observe)
        call.reply()

    async def _may_listen(self, peer: str) -> bool:
        self._peers.seen(peer)
        program = await self._peers.look_again(peer)
        return program is not None and not program.is_confined

    def peer_vanished(self, peer: str) -> None:
        """Tell nothing more to who left the bus."""
        if peer in self._subscribers:
            self._forget(peer)

    def _forget(self, peer: str) -> None:
        self._subscribers.pop(peer, None)
        if not self._subscribers and self._teller is not None:
            self._teller.cancel()
            self._teller = None
            self._observe_with(None)

    def observe(self, call: IncomingCall, seconds: float, outcome: str) -> None:
        """Note one answered call. Beyond a limit of waiting ones calls go unseen."""
        keywords = KEYWORDS.get((call.member, call.signature), ())
        arguments = dict(zip(keywords, call.body, strict=True))
        observed = ObservedCall(
            time=time.time(),
            appid=str(arguments.get("appid", "")),
            pid=0,
            executable="",
            member=call.member,
            outcome=outcome,
            seconds=seconds,
            names={key: str(arguments[key]) for key in keywords if key in NAME_ARGUMENTS},
        )
        self._note(call.sender, observed)

    def _note(self, caller: str, observed: ObservedCall) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait((caller, observed))

    async def _tell_all(self) -> None:
        while True:
            caller, seen = await self._waiting.get()
            pid, executable = await self._identify(caller)
            for peer, names in tuple(self._subscribers.items()):
                told = ObservedCall(
                    time=seen.time,
                    appid=seen.appid,
                    pid=pid,
                    executable=executable,
                    member=seen.member,
                    outcome=seen.outcome,
                    seconds=seen.seconds,
                    names=seen.names if names else {},
                )
                self._bus.emit(
                    MONITOR_PATH,
                    MONITOR_INTERFACE,
                    CALLED,
                    CALLED_SIGNATURE,
                    told.to_body(),
                    destination=peer,
                )

    async def _identify(self, peer: str) -> tuple[int, str]:
        program = await self._peers.program(peer)
        return (program.pid, program.executable) if program is not None else (0, "")

    def close(self) -> None:
        """Stop telling."""
        for peer in tuple(self._subscribers):
            self._forget(peer)
