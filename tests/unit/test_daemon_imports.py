# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon does not carry in memory."""

from __future__ import annotations

import subprocess
import sys


def _python(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.split()


def test_the_daemon_carries_no_keyring_file_and_no_second_openssl() -> None:
    """Loading the daemon loads neither the file store nor TLS, hashes, archives or dialogs."""
    unwanted = ("keyringfile.backend", "keyringfile.portal", "cli.passwords", "migrate", "kwl")
    names = ["ssl", "_ssl", "_hashlib", "hashlib", "hmac", "shutil", "tempfile", "configparser"]
    names += ["cryptography", *(f"kwallet_bridge.{name}" for name in unwanted)]
    code = (
        "import sys, kwallet_bridge.cli.daemon as daemon\n"
        "daemon.load_lean()\n"
        "import kwallet_bridge.daemon.app\n"
        f"print(*sys.modules.keys() & {set(names)!r})"
    )
    assert _python(code) == []


def test_nobody_else_takes_the_lean_step() -> None:
    """Who imports something of the daemon's package, as the migrator does, gets whole modules."""
    code = (
        "import kwallet_bridge.daemon.stores, asyncio, hashlib, dbus_fast.introspection as engine\n"
        "print(hasattr(asyncio.sslproto, 'SSLProtocol') and asyncio.sslproto.ssl is not None)\n"
        "print(getattr(engine, 'hashlib', hashlib) is hashlib)"
    )
    assert _python(code) == ["True", "True"]


def test_who_needs_what_was_left_out_gets_it() -> None:
    """After the daemon is loaded ssl and hashlib are the real ones, in the bus engine too."""
    code = (
        "from kwallet_bridge.daemon.process import load_lean\n"
        "load_lean()\n"
        "import kwallet_bridge.daemon.app, dbus_fast.introspection as engine\n"
        "theirs = getattr(engine, 'hashlib', None)  # dbus-fast 5.0 has none\n"
        "theirs and theirs.sha256(b'')\n"
        "import hashlib, ssl\n"
        "print(hashlib.sha256(b'').hexdigest()[:4])\n"
        "print(not theirs or hashlib.sha256 is theirs.sha256)\n"
        "print(hasattr(ssl, 'create_default_context'))"
    )
    assert _python(code) == ["e3b0", "True", "True"]
