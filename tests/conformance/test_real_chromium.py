# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium keeps the key of its saved logins in gnome-keyring, through the bridge."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import sqlite3
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

import pytest
from support.paths import ROOT
from support.peers import Xvfb
from support.wallet_files import PASSWORD, place_wallet

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from support.peers import Bridge, GnomeKeyring
    from support.private_bus import PrivateBus

PATIENCE = 60.0
URL = "https://dragon.example/"
FOLDER = "Chromium Keys"
KEY = "Chromium Safe Storage"
# Cookies begin with this when their key came out of a wallet; "v10" is the fixed key without one.
FROM_THE_WALLET = b"v11"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
)


@dataclass
class Browser:
    """A running Chromium, driven over two pipes: its DevTools protocol, frames ended by NUL."""

    process: subprocess.Popen[bytes]
    writing: IO[bytes]
    reading: IO[bytes]

    @classmethod
    def start(cls, bus: PrivateBus, display: Xvfb, store: str, profile: Path) -> Self:
        """Start it with a kind of password store."""
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        words = ["chromium", *QUIET, f"--password-store={store}", f"--user-data-dir={profile}"]
        # The protocol is spoken on 3 and 4, and nowhere else.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        command = ["bash", "-c", script, "bash", *words, "--remote-debugging-pipe", "about:blank"]
        process = bus.start(command, env=display.env, pass_fds=[theirs_in, theirs_out])
        os.close(theirs_in)
        os.close(theirs_out)
        return cls(process, os.fdopen(ours_out, "wb", 0), os.fdopen(ours_in, "rb", 0))

    def ask(self, method: str, **params: object) -> dict[str, object]:
        """Call a method of the protocol and wait for its answer."""
        frame = json.dumps({"id": 1, "method": method, "params": params})
        self.writing.write(frame.encode() + b"\0")
        while True:
            answer = json.loads(self._frame())
            if "id" in answer:
                assert "error" not in answer, answer["error"]["message"]
                result = answer["result"]
                assert isinstance(result, dict)
                return result

    def _frame(self) -> bytes:
        frame = b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.reading, selectors.EVENT_READ)
            while not frame.endswith(b"\0"):
                assert waiting.select(PATIENCE), "Chromium says nothing"
                byte = self.reading.read(1)
                assert byte, "Chromium has gone"
                frame += byte
        return frame[:-1]

    def close(self) -> None:
        """End it as its own menu does, so that everything is saved."""
        self.ask("Browser.close")
        assert self.process.wait(PATIENCE) == 0
        self.writing.close()
        self.reading.close()


def _stored(profile: Path) -> list[bytes]:
    with contextlib.closing(sqlite3.connect(profile / "Default" / "Cookies")) as database:
        rows = database.execute("select encrypted_value from cookies").fetchall()
    return [bytes(row[0]) for row in rows]


def _master_key(bus: PrivateBus) -> str:
    attributes = ["server", FOLDER, "user", KEY]
    return bus.run(["secret-tool", "lookup", *attributes]).stdout


@pytest.mark.parametrize("store", ["kwallet6", "kwallet5", "kwallet"])
def test_chromium_keeps_its_key_over_restarts(
    store: str, bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge
) -> None:
    """A cookie saved under the key in the wallet is read again after all three were restarted."""
    profile = bus.home / "profile"
    cookie = {"name": "taste", "value": "oat", "url": URL, "expires": 4_000_000_000}
    with Xvfb(bus) as display:
        browser = Browser.start(bus, display, store, profile)
        browser.ask("Storage.setCookies", cookies=[cookie])
        browser.close()
        saved = _stored(profile)
        assert [value[:3] for value in saved] == [FROM_THE_WALLET]
        key = _master_key(bus)
        assert len(key) == 24  # sixteen random bytes in base64
        bridge.stop()
        gnome_keyring.restart()
        bridge.start()
        browser = Browser.start(bus, display, store, profile)
        read = browser.ask("Storage.getCookies")["cookies"]
        browser.close()
    assert isinstance(read, list)
    assert [(each["name"], each["value"]) for each in read] == [("taste", "oat")]
    assert _master_key(bus) == key


def test_a_pending_wallet_keeps_chromiums_key(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge
) -> None:
    """A browser that starts before its wallet was moved makes no key, and finds the old one after."""
    assert gnome_keyring.process is not None
    assert bridge.process is not None
    old = base64.b64encode(bytes(range(16))).decode()
    place_wallet(bus.data, {FOLDER: {KEY: old}})
    cookie = {"name": "taste", "value": "oat", "url": URL, "expires": 4_000_000_000}
    with Xvfb(bus) as display:
        browser = Browser.start(bus, display, "kwallet5", bus.home / "early")
        browser.ask("Storage.setCookies", cookies=[cookie])
        browser.close()
        assert not [value for value in _stored(bus.home / "early") if value[:3] == FROM_THE_WALLET]
        assert bus.run(["secret-tool", "lookup", "user", KEY], check=False).stdout == ""
        command = [sys.executable, "-m", "kwallet_bridge", "migrate", "--password-file", "-"]
        bus.run(command, stdin=PASSWORD, env={"PYTHONPATH": str(ROOT)})
        browser = Browser.start(bus, display, "kwallet5", bus.home / "late")
        browser.ask("Storage.setCookies", cookies=[cookie])
        browser.close()
        assert [value[:3] for value in _stored(bus.home / "late")] == [FROM_THE_WALLET]
    assert _master_key(bus) == old
