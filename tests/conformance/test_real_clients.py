# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as Debian ships them keep their secrets in gnome-keyring through the bridge."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import tempfile
import threading
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


class _Svnserve(socketserver.StreamRequestHandler):
    """One connection of a Subversion server, which takes the socket as its standard input."""

    repository: Path

    def handle(self) -> None:
        command = ["svnserve", "-i", "-r", str(self.repository)]
        subprocess.run(command, stdin=self.request, stdout=self.request, check=False)


@pytest.fixture
def repository(bus: PrivateBus) -> Iterator[str]:
    """Serve an empty Subversion repository that wants a password; gives its URL."""
    folder = bus.home / "repository"
    bus.run(["svnadmin", "create", str(folder)])
    general = "[general]\nanon-access = none\npassword-db = passwd\nrealm = Dragons\n"
    (folder / "conf" / "svnserve.conf").write_text(general)
    (folder / "conf" / "passwd").write_text("[users]\nkonqi = dragon fruit\n")
    handler = type("Handler", (_Svnserve,), {"repository": folder})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"svn://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_subversion_remembers_a_password(
    bus: PrivateBus, bridge: Bridge, display: Xvfb, repository: str
) -> None:
    """What Subversion was told once it finds in the wallet the next time, under its own realm."""
    (bus.home / ".subversion").mkdir()
    (bus.home / ".subversion" / "config").write_text("[auth]\npassword-stores = kwallet\n")
    log_in = ["svn", "info", repository, "--non-interactive", "--username", "konqi"]

    def ended(*words: str) -> int:
        return bus.run([*log_in, *words], env=display.env, check=False).returncode

    assert ended() == 1
    assert ended("--password", "dragon fruit") == 0
    assert ended() == 0
    assert ended("--password", "wrong") == 1
    assert ended() == 0
    key = f"konqi@<{repository}> Dragons"
    assert _secret_tool(bus, "Subversion", key) == "dragon fruit"


def test_ksshaskpass_finds_what_it_is_asked_for(
    bus: PrivateBus, bridge: Bridge, display: Xvfb
) -> None:
    """The questions of ssh-add and git are answered out of the wallet, without a window."""
    key, site = "/home/konqi/.ssh/id_ed25519", "https://konqi@example.org"
    client = bus.client()
    _write(client, "ksshaskpass", key, "fire")
    _write(client, "ksshaskpass", site, "dragon")

    def answer(question: str) -> str:
        return bus.run(["ksshaskpass", question], env=display.env).stdout

    assert answer(f"Enter passphrase for {key}: ") == "fire"
    assert answer(f"Password for '{site}': ") == "dragon"


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
