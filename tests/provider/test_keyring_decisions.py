# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person decides about another keyring in a wallet's place, by the real command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.keyring_admin import KeyringAdmin
from support.keyrings import PASSWORD
from support.paths import ROOT
from support.peers import Bridge

from kwallet_bridge.store.mark import identity_of

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

APP, FOLDER, KEY = "Chromium", "Chromium Keys", "Chromium Safe Storage"
OLD = "the key of all logins"
WALLET = "kdewallet"


def run(bus: PrivateBus, *words: str) -> CompletedProcess[str]:
    """Run ``kwallet-bridge store``."""
    command = [sys.executable, "-m", "kwallet_bridge", "store", *words]
    return bus.run(command, env={"PYTHONPATH": str(ROOT)}, check=False)


def serve_key(bus: PrivateBus, bridge: Bridge) -> None:
    """Have the key served by a daemon that ends."""
    client = bus.client()
    handle = client.open(WALLET, APP)
    assert client.ask("writePassword", "issss", handle, FOLDER, KEY, OLD, APP).value == 0
    bridge.stop()


def ask(bus: PrivateBus, member: str) -> object:
    """Ask the daemon about the key; gives the value, or the name of an error."""
    client = bus.client()
    handle = client.open(WALLET, APP)
    reply = client.ask(member, "isss", handle, FOLDER, KEY, APP)
    return reply.error or reply.value


@pytest.fixture
def replaced(bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge) -> KeyringAdmin:
    """Another default collection, and a daemon that has met it."""
    serve_key(bus, bridge)
    admin = KeyringAdmin(bus.client())
    admin.set_default(admin.create("another"))
    bridge.start()
    assert ask(bus, "readPassword") == "org.freedesktop.DBus.Error.Failed"
    return admin


def test_accepted_it_starts_anew(bus: PrivateBus, replaced: KeyringAdmin) -> None:
    """After "accept" the running daemon tells the truth of the present keyring, and marks it."""
    done = run(bus, "accept")
    assert done.returncode == 0, done.stderr
    assert ask(bus, "hasEntry") is False
    assert ask(bus, "readPassword") == ""
    assert run(bus, "accept").returncode == 2


def test_taken_along_the_key_is_there(
    bus: PrivateBus, replaced: KeyringAdmin, bridge: Bridge
) -> None:
    """After "copy" the browser has its old key, out of the present keyring, which is marked."""
    done = run(bus, "copy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ask(bus, "readPassword") == OLD
    bridge.stop()
    shown = replaced.items(replaced.default()).values()
    assert [item[2] for item in shown if item[1].get("user") == KEY] == [OLD.encode()]
    assert any(identity_of(item[1]) for item in shown)
    bridge.start()
    assert ask(bus, "readPassword") == OLD


def test_nothing_is_decided_without_need(bus: PrivateBus, bridge: Bridge) -> None:
    """Where nothing is missing both refuse, and change nothing."""
    serve_key(bus, bridge)
    for word in ("accept", "copy"):
        done = run(bus, word)
        assert done.returncode == 2
        assert "nothing waits" in done.stderr
    bridge.start()
    assert ask(bus, "readPassword") == OLD


def test_switching_takes_everything_along(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, tmp_path: Path
) -> None:
    """From the provider to a file: the entries are there, and that file serves from then on."""
    password, file = tmp_path / "password", tmp_path / "k.keyring"
    password.write_bytes(PASSWORD.reveal() + b"\n")
    password.chmod(0o600)
    with Bridge(bus, store="auto") as bridge:
        serve_key(bus, bridge)
    done = run(bus, "switch", f"file:{file}", "--to-password-file", str(password))
    assert done.returncode == 0, done.stdout + done.stderr
    arguments = ("--store-password-file", str(password))
    with Bridge(bus, store="auto", arguments=arguments):
        assert ask(bus, "readPassword") == OLD
        gnome_keyring.kill()
        assert ask(bus, "readPassword") == OLD
