# SPDX-License-Identifier: GPL-3.0-or-later
"""One long-lived connection to a message bus."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import InvalidAddressError

from kwallet_bridge.bus.incoming import FAILED, IncomingCall
from kwallet_bridge.bus.listeners import Listeners, rule_of
from kwallet_bridge.bus.owners import (
    DAEMON,
    DAEMON_PATH,
    call_owner,
    find_owner,
    is_well_known,
)
from kwallet_bridge.bus.port import SignalMatch
from kwallet_bridge.bus.reply import ReplyFuture
from kwallet_bridge.bus.variants import from_wire, to_wire
from kwallet_bridge.bus.writer import PatientWriter
from kwallet_bridge.errors import BusLostError, BusReplyError, BusTimeoutError, NameTakenError
from kwallet_bridge.shared import SharedRun, join_or_start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kwallet_bridge.bus.port import Signal

_PEER = "org.freedesktop.DBus.Peer"
_METHOD_CALL = MessageType.METHOD_CALL
_METHOD_RETURN = MessageType.METHOD_RETURN
_SIGNAL = MessageType.SIGNAL
_ERROR = MessageType.ERROR
_NO_REPLY = MessageFlag.NO_REPLY_EXPECTED
_NO_START = MessageFlag.NO_AUTOSTART
_PRIMARY_OWNER = 1
_ALREADY_OWNER = 4
_DO_NOT_QUEUE = 4
_PATIENCE = 25.0
"""Seconds, as every D-Bus library waits."""
_MOST_ACCUSED = 10

_log = logging.getLogger(__name__)


class BusConnection:
    """Calls, signals and names on one connection; the only door to the bus."""

    def __init__(self, engine: MessageBus, loop: asyncio.AbstractEventLoop) -> None:
        """Take over a connected engine; use :meth:`connect`."""
        self._engine = engine
        self._loop = loop
        self._writer = PatientWriter(engine, loop)
        engine._writer = self._writer  # type: ignore[assignment]  # noqa: SLF001  see PatientWriter
        self._pending: dict[int, ReplyFuture] = {}
        self._listeners = Listeners()
        self._matched: set[str] = set()
        self._following: dict[str, SharedRun[None]] = {}
        self._accused: set[str] = set()
        self._names: set[str] = set()
        self._address: str | None = None
        self._serve: Callable[[IncomingCall], None] | None = None
        self._closing = False
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the connection ends: a result after :meth:`close`, else BusLostError."""
        self.name_lost: asyncio.Future[str] = loop.create_future()
        """Done when another program took one of our names; the result is that name."""
        engine.add_message_handler(self._receive)

    @classmethod
    async def connect(cls, address: str | None = None, *, unix_fds: bool = False) -> BusConnection:
        """Connect to a bus; None is the session bus of the environment.

        Raises:
            BusLostError: There is no bus, or it refuses us.
        """
        loop = asyncio.get_running_loop()
        try:
            engine = await MessageBus(address, negotiate_unix_fd=unix_fds).connect()
        except (OSError, EOFError, InvalidAddressError, ValueError) as error:
            raise BusLostError("cannot connect to the message bus") from error
        connection = cls(engine, loop)
        connection._address = address
        watcher = loop.create_task(connection._watch_end())
        connection.lost.add_done_callback(lambda _: watcher.cancel())
        match = SignalMatch(sender=DAEMON, path=DAEMON_PATH, interface=DAEMON, member="NameLost")
        connection.listen(match, connection._on_name_lost)
        return connection

    async def connect_again(self, *, unix_fds: bool = False) -> BusConnection:
        """Connect to the same bus once more.

        Raises:
            BusLostError: It is gone, or refuses us.
        """
        return await type(self).connect(self._address, unix_fds=unix_fds)

    @property
    def unique_name(self) -> str:
        """Our own unique name."""
        return self._engine.unique_name or ""

    # --- calling ---------------------------------------------------------------------------

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        timeout: float | None = _PATIENCE,  # noqa: ASYNC109  a D-Bus call's own deadline
        auto_start: bool = True,
    ) -> Sequence[object]:
        """Call a method and give the reply's body; see :class:`kwallet_bridge.bus.port.Bus`."""
        if is_well_known(destination):

            def send(owner: str, left: float | None) -> Awaitable[Sequence[object]]:
                return self.call(owner, path, interface, member, signature, body, timeout=left)

            return await call_owner(
                self.call_daemon, destination, send, patience=timeout, auto_start=auto_start
            )
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=to_wire(signature, body),
            flags=MessageFlag.NONE if auto_start else _NO_START,
            validate=False,
        )
        return await self._exchange(message, timeout)

    async def call_with_fds(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str,
        body: Sequence[object],
        *,
        fds: Sequence[int],
    ) -> Sequence[object]:
        """Call a method, sending file descriptors; an ``h`` in the body is a place in ``fds``.

        Only for connections made with ``unix_fds``. The descriptors stay the caller's.
        """

        def send(owner: str, left: float | None) -> Awaitable[Sequence[object]]:
            message = Message(
                destination=owner,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=to_wire(signature, body),
                unix_fds=list(fds),
                validate=False,
            )
            return self._exchange(message, left)

        if not is_well_known(destination):
            return await send(destination, _PATIENCE)
        return await call_owner(
            self.call_daemon, destination, send, patience=_PATIENCE, auto_start=True
        )

    async def call_daemon_for_fds(
        self, member: str, signature: str, body: Sequence[object]
    ) -> tuple[Sequence[object], list[int]]:
        """Call the bus daemon; gives the reply's body, and its descriptors, which are the caller's.

        An ``h`` in the body is a place among these. Only for connections made with ``unix_fds``.
        """
        message = Message(
            destination=DAEMON,
            path=DAEMON_PATH,
            interface=DAEMON,
            member=member,
            signature=signature,
            body=to_wire(signature, body),
            validate=False,
        )
        descriptors: list[int] = []
        try:
            return await self._exchange(message, _PATIENCE, descriptors), descriptors
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise

    async def _exchange(
        self, message: Message, patience: float | None, descriptors: list[int] | None = None
    ) -> Sequence[object]:
        if self.lost.done():
            raise BusLostError("the message bus is gone")
        serial = self._engine.next_serial()
        message.serial = serial
        future = ReplyFuture(loop=self._loop)
        future.answerer = message.destination or DAEMON
        future.descriptors = descriptors
        self._pending[serial] = future
        timer = None
        try:
            self._writer.schedule_write(message)
            if patience is not None:
                timer = self._loop.call_later(patience, _expire, future)
            reply = await future
        finally:
            self._pending.pop(serial, None)
            if timer is not None:
                timer.cancel()
        if reply.message_type is _ERROR:
            raise BusReplyError(reply.error_name or "")
        return from_wire(reply.signature, reply.body)

    def send_call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
    ) -> None:
        """Call a method without wanting an answer."""
        self.send(
            Message(
                destination=destination,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=to_wire(signature, body),
                flags=_NO_REPLY,
                validate=False,
            )
        )

    # --- signals ---------------------------------------------------------------------------

    def emit(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        destination: str | None = None,
    ) -> None:
        """Send a signal, to all or to one peer."""
        self.send(
            Message(
                message_type=_SIGNAL,
                destination=destination,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=to_wire(signature, body),
                validate=False,
            )
        )

    async def subscribe(self, match: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Have ``listener`` told of matching signals from now on."""
        if match.sender and not match.sender.startswith(":") and match.sender != DAEMON:
            await self._follow(match.sender)
        self.listen(match, listener)
        await self._add_match(rule_of(match))

    async def _follow(self, name: str) -> None:
        if name not in self._listeners.owners:
            await join_or_start(self._following, name, lambda: self._start_following(name))

    async def _start_following(self, name: str) -> None:
        owners = self._listeners.owners

        def changed(owner: str) -> None:
            owners[name] = owner

        try:
            owners[name] = await self.watch_name(name, changed)
        except BaseException:
            owners.pop(name, None)
            raise

    async def watch_name(self, name: str, listener: Callable[[str], None]) -> str:
        """Tell ``listener`` each new owner of ``name``; give the present one."""
        told: list[str] = []

        def changed(signal: Signal) -> None:
            told[:] = [str(signal.body[2])]
            listener(told[0])

        match = SignalMatch(
            sender=DAEMON,
            path=DAEMON_PATH,
            interface=DAEMON,
            member="NameOwnerChanged",
            arg0=name,
        )
        self.listen(match, changed)
        await self._add_match(rule_of(match))
        answer = await self.name_owner(name)
        # Asked after the match was set, so what was told is never older than the answer, which
        # may have waited for its turn of the loop.
        return told[0] if told else answer

    async def name_owner(self, name: str) -> str:
        """Give the unique name of who owns ``name``, "" for nobody. Starts nothing."""
        return await find_owner(self.call_daemon, name)

    async def call_daemon(
        self,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        timeout: float | None = _PATIENCE,  # noqa: ASYNC109  as in call
    ) -> Sequence[object]:
        """Call the bus daemon itself."""
        return await self.call(
            DAEMON, DAEMON_PATH, DAEMON, member, signature, body, timeout=timeout
        )

    # --- serving ---------------------------------------------------------------------------

    def serve(self, handler: Callable[[IncomingCall], None]) -> None:
        """Give every method call but the bus's own housekeeping to ``handler``, in order."""
        self._serve = handler

    async def request_name(self, name: str) -> None:
        """Own a name, at once or not at all.

        Raises:
            NameTakenError: Another program owns it.
        """
        self._names.add(name)
        (answer,) = await self.call_daemon("RequestName", "su", [name, _DO_NOT_QUEUE])
        if answer not in {_PRIMARY_OWNER, _ALREADY_OWNER}:
            self._names.discard(name)
            raise NameTakenError(f"{name} is owned by another program")

    async def release_name(self, name: str) -> None:
        """Give a name back."""
        self._names.discard(name)
        await self.call_daemon("ReleaseName", "s", [name])

    async def flush(self) -> None:
        """Return once everything sent so far has reached the bus daemon."""
        await self.call_daemon("GetId")

    def close(self) -> None:
        """End the connection."""
        self._closing = True
        if not self.lost.done():
            self._engine.disconnect()
            # Else the socket stays open until the loop sees its end, and the loop may stop first.
            self._engine._finalize()  # noqa: SLF001

    def send(self, message: Message) -> None:
        """Send a message; nothing once the connection is gone."""
        if self.lost.done():
            return
        if not message.serial:
            message.serial = self._engine.next_serial()
        self._writer.schedule_write(message)

    def send_raw(self, encode: Callable[[int], bytes | None]) -> bool:
        """Send the bytes that ``encode`` makes of a serial; False if it made none."""
        data = encode(self._engine.next_serial())
        if data is None:
            return False
        if not self.lost.done():
            self._writer.schedule_bytes(data)
        return True

    # --- inside ----------------------------------------------------------------------------

    def _receive(self, message: Message) -> bool:
        try:
            return self._dispatch(message)
        finally:
            # What nobody took: on a connection that passes descriptors anybody can send us some.
            for descriptor in message.unix_fds:
                os.close(descriptor)
            message.unix_fds = []

    def _dispatch(self, message: Message) -> bool:
        kind = message.message_type
        if kind is _METHOD_CALL:
            if self._serve is None or message.interface == _PEER:
                return False
            call = IncomingCall(message, self)
            try:
                self._serve(call)
            except Exception as error:  # noqa: BLE001  else the engine logs it, body and all
                _log.error("serving %s failed: %s", call.member, type(error).__name__)
                call.fail(FAILED, "internal error")
            return True
        if kind is _SIGNAL:
            self._listeners.deliver(message)
            return True
        future = self._pending.get(message.reply_serial)
        if future is None:
            return False
        sender = message.sender
        if sender == future.answerer or (sender == DAEMON and kind is _ERROR):
            if future.descriptors is not None and not future.done():
                future.descriptors += message.unix_fds
                message.unix_fds = []
            future.fill(message)
        else:
            self._accuse(sender or "")
        return True

    def _accuse(self, sender: str) -> None:
        """Say once who answers calls that were made to another program."""
        if sender not in self._accused and len(self._accused) < _MOST_ACCUSED:
            self._accused.add(sender)
            _log.warning("%s answered a call that it was not sent; it is not believed", sender)

    def listen(self, match: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Have ``listener`` told of matching signals that reach us by somebody else's match."""
        self._listeners.add(match, listener)

    async def _add_match(self, rule: str) -> None:
        if rule in self._matched:
            return
        self._matched.add(rule)
        try:
            await self.call_daemon("AddMatch", "s", [rule])
        except BaseException:
            self._matched.discard(rule)
            raise

    def _on_name_lost(self, signal: Signal) -> None:
        name = str(signal.body[0])
        if name in self._names and not self._closing and not self.name_lost.done():
            self.name_lost.set_result(name)

    async def _watch_end(self) -> None:
        try:
            await self._engine.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001  whatever ended it, it ended
            _log.debug("the bus connection broke")
        gone = BusLostError("the message bus is gone")
        for future in tuple(self._pending.values()):
            future.fail(gone)
        if not self.lost.done():
            if self._closing:
                self.lost.set_result(None)
            else:
                self.lost.set_exception(gone)
                self.lost.exception()  # nobody has to look


def _expire(future: ReplyFuture) -> None:
    future.fail(BusTimeoutError("a call was not answered in time"))
