# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as Debian ships them keep their secrets in gnome-keyring through the bridge."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conformance.words import qmap
from support.accessibility import Desktop
from support.peers import Bridge, Xvfb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.client import KWalletClient
    from support.private_bus import PrivateBus

WALLET = "kdewallet"
KEYRING = """
import sys
import keyring.backends.kwallet as kwallet
backend = kwallet.DBusKeyring()
assert kwallet.DBusKeyring.priority > 0
"""


@pytest.fixture
def display(bus: PrivateBus) -> Iterator[Xvfb]:
    """A display nobody sees."""
    with Xvfb(bus) as running:
        yield running


def _write(client: KWalletClient, folder: str, key: str, text: str) -> int:
    handle = client.open(WALLET, "seed")
    written = client.ask("writePassword", "issss", handle, folder, key, text, "seed")
    assert written.value == 0
    return handle


def _secret_tool(bus: PrivateBus, folder: str, key: str) -> str:
    return bus.run(["secret-tool", "lookup", "server", folder, "user", key]).stdout


def test_kwallet_query_lists_reads_and_writes(bus: PrivateBus, bridge: Bridge) -> None:
    """kwallet-query sees folders and entries, reads both kinds, and replaces a password."""
    handle = _write(bus.client(), "Demo", "greeting", "old")
    fields = qmap(("login", "konqi"), ("password", "dragon"))
    client = bus.client()
    client.ask("writeMap", "issays", handle, "Demo", "account", fields, "seed")

    def query(*words: str, stdin: str = "") -> str:
        return bus.run(["kwallet-query", *words, WALLET], stdin=stdin).stdout

    assert query("-f", "", "-l").split("\n")[:-1] == ["Demo", "Form Data", "Passwords"]
    assert query("-f", "Demo", "-l").split() == ["account", "greeting"]
    assert query("-l") == ""
    query("-f", "Demo", "-w", "greeting", stdin="héllo\n")
    assert query("-f", "Demo", "-r", "greeting") == "héllo\n"
    assert json.loads(query("-f", "Demo", "-r", "account")) == {
        "login": "konqi",
        "password": "dragon",
    }
    assert "Failed" in query("-f", "Demo", "-r", "missing")
    assert _secret_tool(bus, "Demo", "greeting") == "héllo"


def test_kwalletcli_writes_and_reads(bus: PrivateBus, bridge: Bridge, display: Xvfb) -> None:
    """Kwalletcli reads what it wrote, and says that a missing entry is missing."""

    def cli(*words: str, stdin: str = "", check: bool = True) -> str:
        command = ["kwalletcli", "-f", "Cli", *words]
        return bus.run(command, stdin=stdin, env=display.env, check=check).stdout

    cli("-e", "short", "-p", "sekrit ü")
    assert cli("-e", "short") == "sekrit ü"
    cli("-e", "piped", "-P", stdin="from stdin")
    assert cli("-e", "piped") == "from stdin"
    assert not cli("-e", "missing", check=False)
    assert _secret_tool(bus, "Cli", "short") == "sekrit ü"


@pytest.fixture
def activatable(bus: PrivateBus, bridge: Bridge) -> Bridge:
    """Our daemon, with the activation files that python keyring wants to see."""
    for name in ("org.kde.kwalletd5", "org.kde.kwalletd"):
        bus.make_activatable(name, bridge.argv())
    return bridge


def test_python_keyring_sets_gets_and_deletes(bus: PrivateBus, activatable: Bridge) -> None:
    """Python keyring's KWallet backend works as its own documentation says."""
    script = KEYRING + (
        "backend.set_password('svc', 'user@host/é', 'pw ключ')\n"
        "print(backend.get_password('svc', 'user@host/é'))\n"
        "print(backend.get_credential('svc', None).username)\n"
        "backend.delete_password('svc', 'user@host/é')\n"
        "print(backend.get_password('svc', 'user@host/é'))\n"
    )
    done = bus.run(["/usr/bin/python3", "-c", script])
    assert done.stdout.splitlines() == ["pw ключ", "user@host/é", "None"]


def test_python_keyring_migrates_its_old_folder(bus: PrivateBus, activatable: Bridge) -> None:
    """Every password of the folder "Python" is found afterwards under its service."""
    client = bus.client()
    handle = _write(client, "Python", "alice@example.org", "one")
    _write(client, "Python", "bob@a/b", "two")
    script = KEYRING + (
        "print(backend.get_password('example.org', 'alice'))\n"
        "print(backend.get_password('a/b', 'bob'))\n"
    )
    done = bus.run(["/usr/bin/python3", "-c", script])
    assert done.stdout.splitlines() == ["one", "two"]
    folders = client.ask("folderList", "is", handle, "seed").value
    assert isinstance(folders, list)
    assert {"example.org", "a/b"} <= set(folders)
    assert "Python" not in folders


def test_secret_tool_and_kwallet_see_each_other(bus: PrivateBus, bridge: Bridge) -> None:
    """What secret-tool stores with QtKeychain's attributes is a KWallet entry, and back."""
    client = bus.client()
    handle = _write(client, "Demo", "ours", "from kwallet")
    assert _secret_tool(bus, "Demo", "ours") == "from kwallet"
    attributes = ["server", "Demo", "user", "theirs", "type", "plaintext"]
    schema = ["xdg:schema", "org.qt.keychain"]
    bus.run(["secret-tool", "store", "--label=x", *attributes, *schema], stdin="from outside")
    client.listen()
    keys = client.ask("entryList", "iss", handle, "Demo", "seed").value
    assert keys == ["ours", "theirs"]
    read = client.ask("readPassword", "isss", handle, "Demo", "theirs", "seed")
    assert read.value == "from outside"


def test_kwalletmanager_shows_wallet_folder_and_entry(
    bus: PrivateBus, bridge: Bridge, display: Xvfb
) -> None:
    """The manager's window names the wallet and its folder, and opens to the entry."""
    client = bus.client()
    _write(client, "Demo", "greeting", "hello from the bridge")
    with Desktop(bus, display) as desktop:
        desktop.start(["kwalletmanager5", "--show"], "org.kde.kwalletmanager5")
        window = ("org.kde.kwalletmanager5", "/kwalletmanager5/MainWindow_1")
        assert not client.call(*window, "org.qtproject.Qt.QWidget", "show").error
        number = client.call(*window, "org.kde.KMainWindow", "winId").value
        assert isinstance(number, int)
        desktop.resize(number, 1200, 760)
        names = desktop.wait_for_text("Demo (1)")
        assert WALLET in names
        users = client.ask("users", "s", WALLET).value
        assert isinstance(users, list)
        assert set(users) == {"kwalletmanager5", "seed"}
        desktop.click("Demo (1)", times=2)
        desktop.wait_for_text("Passwords")
        desktop.click("Passwords", times=2)
        desktop.wait_for_text("greeting")
        desktop.click("greeting")
        desktop.click("Show Contents")
        desktop.wait_for_text("hello from the bridge")
        folder = os.environ.get("KWB_SCREENSHOTS") or tempfile.gettempdir()
        display.screenshot(Path(folder) / "kwalletmanager5.png")
