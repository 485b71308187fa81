# SPDX-License-Identifier: GPL-3.0-or-later
"""A message writer that outlives a full socket buffer.

dbus-fast 5.2 treats EAGAIN as the end of the connection (``aio/message_bus.py``,
``_MessageWriter.write_callback``): a few hundred pipelined calls, or a bus daemon that is slow to
read, would end the service. This writer waits for the socket instead. It takes the place of the
engine's own, whose contract is ``schedule_write(message, future)``.
"""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from typing import TYPE_CHECKING

from kwallet_bridge.errors import BusLostError

if TYPE_CHECKING:
    import asyncio

    from dbus_fast import Message
    from dbus_fast.aio import MessageBus


MAX_MESSAGE = 1 << 26
"""Bytes. The bus daemon ends the connection of who sends an array of more."""


class PatientWriter:
    """Send whole messages in order, as fast as the socket takes them."""

    def __init__(self, bus: MessageBus, loop: asyncio.AbstractEventLoop) -> None:
        """Write to the connected socket of ``bus``."""
        self._bus = bus
        self._loop = loop
        sock = bus._sock  # noqa: SLF001  the engine offers no other way
        if sock is None:
            raise BusLostError("the message bus is gone")
        self._sock = sock
        self._fds_allowed: bool = bus._negotiate_unix_fd  # noqa: SLF001  as above
        self._queue: deque[tuple[memoryview, list[int]]] = deque()
        self._waiting = False

    def schedule_write(
        self, message: Message | None = None, future: asyncio.Future[None] | None = None
    ) -> None:
        """Send now what the socket takes, the rest when it is ready.

        Raises:
            ValueError: The message is larger than the bus takes; nothing was sent.
        """
        if message is not None:
            # Raises for a badly typed body before anything is queued.
            data = memoryview(message._marshall(self._fds_allowed))  # noqa: SLF001  as above
            if len(data) > MAX_MESSAGE:
                raise ValueError("the message is larger than the bus takes")
            # Copies: who sends may have closed its own by the time there is room, and a number that
            # is used again would send another file.
            fds = [os.dup(fd) for fd in message.unix_fds] if self._fds_allowed else []
            self._queue.append((data, fds))
        if future is not None and not future.done():
            future.set_result(None)
        if not self._waiting:
            self._write()

    def schedule_bytes(self, data: bytes) -> None:
        """Send a message that is marshalled already, in its turn."""
        self._queue.append((memoryview(data), []))
        if not self._waiting:
            self._write()

    def _write(self) -> None:
        queue = self._queue
        try:
            while queue:
                data, fds = queue[0]
                sent = self._send(data, fds)
                _close_all(fds)
                if sent == len(data):
                    queue.popleft()
                else:
                    queue[0] = (data[sent:], [])
        except (BlockingIOError, InterruptedError):
            if not self._waiting:
                self._waiting = True
                self._loop.add_writer(self._sock, self._write)
            return
        except OSError as error:
            for _, unsent in queue:
                _close_all(unsent)
            queue.clear()
            self._stop_waiting()
            self._bus._finalize(error)  # noqa: SLF001  as above
            return
        self._stop_waiting()

    def _send(self, data: memoryview, fds: list[int]) -> int:
        if fds:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
            return self._sock.sendmsg([data], [rights])
        return self._sock.send(data)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._sock)


def _close_all(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())
