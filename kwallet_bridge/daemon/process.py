# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process that carries secrets owes its user."""

from __future__ import annotations

import ctypes
import os
import resource
import socket

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Leave no core dump, let no other process of the user read our memory, write for us alone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.umask(0o077)


def notify(state: str) -> None:
    """Tell systemd how we are, where it listens (``sd_notify``)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.sendall(state.encode())
