# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process that carries secrets owes its user."""

from __future__ import annotations

import ctypes
import os
import resource
import socket

_PR_SET_DUMPABLE = 4
_PR_SET_MDWE = 65
_MDWE_REFUSE_EXEC_GAIN = 1
_MDWE_NO_INHERIT = 2
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20


def harden() -> None:
    """Leave no core dump, let no other process of the user read our memory, write for us alone.

    No memory can become executable any more, where the kernel is 6.6 or later; older ones refuse
    the flag. A dialog is our child and is left out: its graphics drivers may compile.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    library.prctl(_PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN | _MDWE_NO_INHERIT, 0, 0, 0)
    os.umask(0o077)


def return_memory() -> None:
    """Have the C library give large freed blocks back to the system.

    glibc stops doing so once it has seen a large block, and one huge message would make us large
    for good. Other C libraries have no such knob and no such habit.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _LARGE)


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
