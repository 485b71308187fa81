# SPDX-License-Identifier: GPL-3.0-or-later
"""The session service.

Two libraries are kept out of memory here, before anything else is loaded: 4.8 MB. asyncio takes TLS
along where there is one, which a daemon that speaks to one local socket would carry for nothing; so
it is loaded as where Python has none. The bus engine imports ``hashlib``, and the system's OpenSSL
with it, for what we never call; so it gets a stand-in that loads the module when it is used. Whoever
imports them later gets the real ones.
"""

import sys
from importlib import import_module
from types import ModuleType


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


if "asyncio" not in sys.modules and "ssl" not in sys.modules:
    _load_without_tls("asyncio")
if "hashlib" not in sys.modules:
    _load_without_hashes("kwallet_bridge.bus.connection")
