# SPDX-License-Identifier: GPL-3.0-or-later
"""A blocking D-Bus client for tests: marshalling by dbus-fast, the socket by ourselves.

dbus-fast's own transport loses the connection when the socket's buffer is full, so it cannot
judge a daemon under load. Here writing never waits without reading, and order is what the bus
delivered: ``arrivals`` holds replies and signals as they came.
"""

from __future__ import annotations

import io
import math
import os
import select
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from dbus_fast import Message, MessageType, Variant
from dbus_fast._private.unmarshaller import Unmarshaller
from dbus_fast.constants import MessageFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"
KWALLET = "org.kde.KWallet"
FIXED_HEADER = 16
READ_SIZE = 1 << 18
DEFAULT_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: either ``error`` names one, or ``body`` is what was returned."""

    error: str
    signature: str
    body: tuple[object, ...]

    @property
    def value(self) -> object:
        """The only returned value; an error reply is a failure of the test."""
        assert not self.error, f"{self.error}: {self.body}"
        return self.body[0] if self.body else None


@dataclass(frozen=True, slots=True)
class SeenSignal:
    """A signal as it arrived."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str
    body: tuple[object, ...]
    serial: int  # the sender's; the same for every connection that got this signal


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the bus delivered, in its order: a reply (``serial`` > 0) or a signal."""

    serial: int
    content: Reply | SeenSignal


class ClientError(Exception):
    """The bus closed the connection, or did not answer in time."""


def plain(value: object) -> object:
    """Turn variants into (signature, value) pairs, so that values compare and print."""
    if isinstance(value, Variant):
        return (value.signature, plain(value.value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return bytes(value) if isinstance(value, bytearray) else value


class RawClient:
    """One connection to a bus. Not thread-safe."""

    def __init__(self, stream: socket.socket) -> None:
        self._socket = stream
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._serial = 0
        self.arrivals: deque[Arrival] = deque()
        self.unique_name = ""

    @classmethod
    def connect(cls, address: str) -> Self:
        """Connect to a ``unix:path=`` or ``unix:abstract=`` address and say Hello."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        parts = dict(part.split("=", 1) for part in address.removeprefix("unix:").split(","))
        try:
            stream.connect(parts["path"] if "path" in parts else "\0" + parts["abstract"])
            return cls._greet(stream)
        except BaseException:
            stream.close()
            raise

    @classmethod
    def _greet(cls, stream: socket.socket) -> Self:
        stream.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        answer = stream.recv(4096)
        if not answer.startswith(b"OK "):
            raise ClientError(f"not let in: {answer!r}")
        stream.sendall(b"BEGIN\r\n")
        stream.setblocking(False)
        client = cls(stream)
        client.unique_name = str(client.bus_call("Hello").value)
        client.wait_signal("NameAcquired")
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bus."""
        self._socket.close()

    def fileno(self) -> int:
        """Give the socket's number, for select."""
        return self._socket.fileno()

    def send(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        auto_start: bool = True,
        wants_reply: bool = True,
    ) -> int:
        """Queue a call and write what the socket takes now; gives the call's serial."""
        self._serial += 1
        flags = MessageFlag.NONE if auto_start else MessageFlag.NO_AUTOSTART
        message = Message(
            destination=destination,
            path=path,
            interface=interface or None,
            member=member,
            signature=signature,
            body=list(body),
            serial=self._serial,
            flags=flags if wants_reply else flags | MessageFlag.NO_REPLY_EXPECTED,
        )
        self._outgoing += message._marshall(False)
        self._write()
        return self._serial

    def send_bytes(self, frame: bytes) -> None:
        """Queue a message made elsewhere, right or wrong."""
        self._outgoing += frame
        self._write()

    def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Reply:
        """Call and wait for the answer; signals that came meanwhile stay in ``arrivals``."""
        serial = self.send(destination, path, interface, member, signature, body)
        return self.wait_reply(serial, timeout=timeout)

    def bus_call(self, member: str, signature: str = "", *body: object) -> Reply:
        """Call the bus itself."""
        return self.call(DBUS, DBUS_PATH, DBUS, member, signature, body)

    def subscribe(self, rule: str) -> None:
        """Add a match rule."""
        assert not self.bus_call("AddMatch", "s", rule).error

    def name_owner(self, name: str) -> str:
        """Give a name's owner, "" for none; never starts a service."""
        reply = self.bus_call("GetNameOwner", "s", name)
        return "" if reply.error else str(reply.value)

    def wait_reply(self, serial: int, *, timeout: float = DEFAULT_TIMEOUT) -> Reply:
        """Wait for the answer to an earlier call and take it out of ``arrivals``."""
        arrival = self.wait_arrival(lambda seen: seen.serial == serial, timeout=timeout)
        assert isinstance(arrival.content, Reply)
        return arrival.content

    def wait_signal(
        self, member: str, *, timeout: float = DEFAULT_TIMEOUT, path: str = ""
    ) -> SeenSignal:
        """Wait for a signal by name and take it out of ``arrivals``."""

        def wanted(seen: Arrival) -> bool:
            content = seen.content
            return (
                isinstance(content, SeenSignal)
                and content.member == member
                and path in {"", content.path}
            )

        arrival = self.wait_arrival(wanted, timeout=timeout)
        assert isinstance(arrival.content, SeenSignal)
        return arrival.content

    def wait_arrival(
        self, wanted: Callable[[Arrival], bool], *, timeout: float = DEFAULT_TIMEOUT
    ) -> Arrival:
        """Wait for the first arrival that satisfies ``wanted`` and take it out."""
        deadline = time.monotonic() + timeout
        checked = 0
        while True:
            for index in range(checked, len(self.arrivals)):
                if wanted(self.arrivals[index]):
                    found = self.arrivals[index]
                    del self.arrivals[index]
                    return found
            checked = len(self.arrivals)
            if not self.pump(deadline - time.monotonic()):
                raise ClientError(f"nothing came within {timeout} s")

    def take_signals(self) -> list[SeenSignal]:
        """Take all signals out of ``arrivals``."""
        taken = [seen.content for seen in self.arrivals if isinstance(seen.content, SeenSignal)]
        self.arrivals = deque(
            seen for seen in self.arrivals if not isinstance(seen.content, SeenSignal)
        )
        return taken

    def pump(self, timeout: float) -> bool:
        """Move bytes both ways once; False when nothing could be moved within ``timeout``."""
        poll = select.poll()  # select.select takes no descriptor above 1,023
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        ready = dict(poll.poll(math.ceil(max(timeout, 0) * 1000)))
        events = ready.get(self._socket.fileno(), 0)
        if events & select.POLLOUT:
            self._write()
        if events & ~select.POLLOUT:
            self._read()
        return bool(events)

    def _write(self) -> None:
        while self._outgoing:
            try:
                sent = self._socket.send(self._outgoing)
            except BlockingIOError:
                return
            except OSError as error:
                raise ClientError("the bus closed the connection") from error
            del self._outgoing[:sent]

    def _read(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except ConnectionResetError as error:
            raise ClientError("the bus closed the connection") from error
        if not data:
            raise ClientError("the bus closed the connection")
        self._incoming += data
        position = 0
        while (size := _frame_size(self._incoming, position)) is not None:
            self._deliver(bytes(self._incoming[position : position + size]))
            position += size
        del self._incoming[:position]

    def _deliver(self, frame: bytes) -> None:
        stream: Any = io.BytesIO(frame)
        message = Unmarshaller(stream).unmarshall()
        assert message is not None
        body = tuple(plain(value) for value in message.body)
        if message.message_type is MessageType.SIGNAL:
            signal = SeenSignal(
                message.sender or "",
                message.path or "",
                message.interface or "",
                message.member or "",
                message.signature,
                body,
                message.serial or 0,
            )
            self.arrivals.append(Arrival(0, signal))
        elif message.message_type is MessageType.METHOD_CALL:
            self._refuse(message)
        else:
            error = message.error_name or ""
            if message.message_type is MessageType.ERROR:
                error = error or "unnamed"
            reply = Reply(error, message.signature, body)
            self.arrivals.append(Arrival(message.reply_serial or 0, reply))

    def _refuse(self, call: Message) -> None:
        self._serial += 1
        reply = Message.new_error(call, f"{DBUS}.Error.UnknownMethod", "a client serves nothing")
        reply.serial = self._serial
        self._outgoing += reply._marshall(False)
        self._write()


def _frame_size(buffer: bytearray, position: int) -> int | None:
    """Give the size of the message at ``position``, None while it is incomplete."""
    if len(buffer) - position < FIXED_HEADER:
        return None
    order = "<" if buffer[position] == ord("l") else ">"
    (body,) = struct.unpack_from(order + "I", buffer, position + 4)
    (fields,) = struct.unpack_from(order + "I", buffer, position + 12)
    size = FIXED_HEADER + (fields + 7) // 8 * 8 + body
    return int(size) if len(buffer) - position >= size else None


class KWalletClient(RawClient):
    """A connection that speaks ``org.kde.KWallet`` to one generation of the daemon."""

    generation = "kwalletd5"

    @property
    def service(self) -> str:
        """The bus name spoken to."""
        return f"org.kde.{self.generation}"

    @property
    def object_path(self) -> str:
        """The object spoken to."""
        return f"/modules/{self.generation}"

    def listen(self) -> None:
        """Receive the daemon's signals of this generation's path."""
        self.subscribe(f"type='signal',interface='{KWALLET}',path='{self.object_path}'")

    def wait_closed(self, handle: int) -> None:
        """Wait until the daemon has announced the end of a handle; others may end before it."""
        while self.wait_signal("walletClosedId").body != (handle,):
            pass

    def ask(self, member: str, signature: str = "", *body: object) -> Reply:
        """Call a KWallet method by name and body signature."""
        return self.call(self.service, self.object_path, KWALLET, member, signature, body)

    def flush(self) -> None:
        """Make one round trip: every signal sent before is in ``arrivals`` afterwards."""
        reply = self.ask("isEnabled")
        if reply.error:
            raise ClientError(f"the daemon is gone: {reply.error}")

    def flush_bus(self) -> None:
        """Make one round trip to the bus: everything sent before has been passed on."""
        self.bus_call("GetId")

    def open(self, wallet: str = "kdewallet", appid: str = "test") -> int:
        """Open a wallet; a refusal is a failure of the test."""
        handle = self.ask("open", "sxs", wallet, 0, appid).value
        assert isinstance(handle, int)
        assert handle > 0, "open was refused"
        return handle
