# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a secret to a descriptor that another program made, whatever it is.

It may be a pipe that is full, a socket whose other end is closed, a file, or nothing that can be
written to. Its flags are shared with the program that made it and stay as they are; so a write is
tried only once the kernel says that there is room, in a thread of its own.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kwallet_bridge.secret import Secret

PATIENCE = 10.0
"""Seconds in which a reader must make room."""


def write_secret(descriptor: int, secret: Secret) -> None:
    """Write all of it. Blocks for ``PATIENCE`` seconds at most: run it in a worker thread.

    Raises:
        OSError: It cannot be written; part of it may have been.
        TimeoutError: Nobody made room.
    """
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    left = memoryview(secret.reveal())
    deadline = time.monotonic() + PATIENCE
    while left:
        _wait_for_room(descriptor, deadline)
        written = _send(descriptor, left) if kind == stat.S_IFSOCK else os.write(descriptor, left)
        left = left[written:]


def _wait_for_room(descriptor: int, deadline: float) -> None:
    """Wait until a write does not block; pipes that are writable take 4096 bytes at once."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    patience = max(0.0, deadline - time.monotonic())
    if not poll.poll(patience * 1000):
        raise TimeoutError("the descriptor's reader makes no room")


def _send(descriptor: int, data: memoryview) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as stream:
        return stream.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
