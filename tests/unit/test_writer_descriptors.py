# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors that are sent while the bus has no room for them."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from types import SimpleNamespace

from dbus_fast import Message

from kwallet_bridge.bus.writer import PatientWriter


async def test_what_is_sent_late_is_the_file_that_was_meant() -> None:
    """A sender that gave up has closed its descriptor, and the number is another file's by then."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        bus = SimpleNamespace(_sock=ours, _negotiate_unix_fd=True)
        writer = PatientWriter(bus, asyncio.get_running_loop())  # type: ignore[arg-type]
        filling = bytes(1 << 22)
        writer.schedule_bytes(filling)
        meant = os.memfd_create("meant")
        identity = os.fstat(meant).st_ino
        before = len(list(Path("/proc/self/fd").iterdir()))
        message = Message(path="/a", member="b", signature="h", body=[0], unix_fds=[meant])
        message.serial = 1
        writer.schedule_write(message)
        other = os.memfd_create("other")
        os.dup2(other, meant)
        left = len(filling)
        while left:
            left -= len(await asyncio.to_thread(theirs.recv, min(left, 1 << 16)))
        _, received, _, _ = await asyncio.to_thread(socket.recv_fds, theirs, 1 << 16, 4)
        assert [os.fstat(fd).st_ino for fd in received] == [identity]
        for fd in (other, *received):
            os.close(fd)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        os.close(meant)
