# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a secret to a descriptor that another program made, whatever it is.

It may be a pipe that is full, a socket whose other end is closed, a file, or nothing that can be
written to. Its flags are shared with the program that made it and stay as they are. That there is
room does not mean that a write does not wait: the other program can fill a pipe in between. So a
pipe is opened once more, for us alone.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import time
from contextlib import contextmanager, suppress
from fcntl import F_GETFL, fcntl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kwallet_bridge.secret import Secret

PATIENCE = 10.0
"""Seconds in which a reader must make room."""


def write_secret(descriptor: int, secret: Secret) -> None:
    """Write all of it to a pipe, a socket or a file.

    Blocks for ``PATIENCE`` seconds at most, but for a file as long as its file system likes: run it
    in a thread of its own.

    Raises:
        OSError: It cannot be written; part of it may have been.
        TimeoutError: Nobody made room.
    """
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if fcntl(descriptor, F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    data = memoryview(secret.reveal())
    if kind == stat.S_IFREG:
        while data:
            data = data[os.write(descriptor, data) :]
    elif kind == stat.S_IFIFO:
        with _opened_again(descriptor) as own:
            _write_patiently(own, lambda left: os.write(own, left), data)
    elif kind == stat.S_IFSOCK:
        with socket.socket(fileno=os.dup(descriptor)) as stream:
            flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
            _write_patiently(descriptor, lambda left: stream.send(left, flags), data)
    else:
        raise OSError(errno.EINVAL, "no pipe, socket or file")


@contextmanager
def _opened_again(pipe: int) -> Iterator[int]:
    """Give a descriptor of the same pipe that never waits."""
    try:
        own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody reads
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        raise
    try:
        yield own
    finally:
        os.close(own)


def _write_patiently(descriptor: int, write: Callable[[memoryview], int], data: memoryview) -> None:
    deadline = time.monotonic() + PATIENCE
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    while data:
        patience = max(0.0, deadline - time.monotonic())
        if not poll.poll(patience * 1000):
            raise TimeoutError("the descriptor's reader makes no room")
        with suppress(BlockingIOError):  # somebody else took the room
            data = data[write(data) :]
