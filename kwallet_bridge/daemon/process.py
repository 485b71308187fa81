# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon as a process: what it leaves out of memory, what it gives back, what systemd is told."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from importlib import import_module
from types import ModuleType

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20


def load_lean() -> None:
    """Load asyncio and the bus engine without two libraries they take along: 4.8 MB less.

    asyncio takes TLS where there is one, which a daemon that speaks to one local socket would carry
    for nothing; so it is loaded as where Python has none. The bus engine imports ``hashlib``, and
    the system's OpenSSL with it, for what we never call; so it gets a stand-in that loads the
    module when it is used. Whoever imports them later gets the real ones. The daemon takes this
    step before it loads anything else; a process that has loaded them already is left as it is.
    """
    if "asyncio" not in sys.modules and "ssl" not in sys.modules:
        _load_without_tls("asyncio")
    if "hashlib" not in sys.modules:
        _load_without_hashes("kwallet_bridge.bus.connection")


def _load_without_tls(name: str) -> None:
    sys.modules["ssl"] = None  # type: ignore[assignment]  # so that its import fails
    import_module(name)
    del sys.modules["ssl"]


def _load_without_hashes(name: str) -> None:
    stand_in = ModuleType("hashlib")

    def look_up(attribute: str) -> object:
        if sys.modules.get("hashlib") is stand_in:
            del sys.modules["hashlib"]
        return getattr(import_module("hashlib"), attribute)

    stand_in.__getattr__ = look_up  # type: ignore[method-assign]
    sys.modules["hashlib"] = stand_in
    import_module(name)
    if sys.modules.get("hashlib") is stand_in:
        del sys.modules["hashlib"]


def return_memory() -> None:
    """Have the C library give large freed blocks back to the system.

    glibc stops doing so once it has seen a large block, and one huge message would make us large
    for good. Other C libraries have no such knob and no such habit.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _LARGE)


def trim_memory() -> None:
    """Give back what the C library holds free between blocks in use; takes part of a millisecond."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


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
