# SPDX-License-Identifier: GPL-3.0-or-later
"""Another keyring in a wallet's place never has a browser make a new key, over real providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.chromium import APPID, FOLDER, KEY, NEW_KEY, Chromium, FailedError
from support.keepassxc import KeePassXC
from support.keyring_admin import KeyringAdmin
from support.keyrings import PASSWORD
from support.notifications import Notifications
from support.peers import Bridge, GnomeKeyring, Xvfb
from support.private_bus import PrivateBus, private_bus

from kwallet_bridge.store.mark import MARK_LABEL, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OLD_KEY = "the key of all logins"
WALLET = "kdewallet"
"""Of Chromium and of programs that hard-code it."""


def store_key(bus: PrivateBus, bridge: Bridge) -> None:
    """Have the old key served once, and the daemon end in order."""
    client = bus.client()
    handle = client.open(WALLET, APPID)
    written = client.ask("writePassword", "issss", handle, FOLDER, KEY, OLD_KEY, APPID)
    assert written.value == 0
    bridge.stop()


def start_browser(bus: PrivateBus, *, asynchronous: bool) -> str:
    """Give the key that a browser works with, "" for none."""
    try:
        return Chromium(
            bus.client(), asynchronous=asynchronous, meanwhile=lambda _: None
        ).master_key()
    except FailedError:
        return ""


def judge(bus: PrivateBus) -> None:
    """No browser is told that its key is absent, and none makes one; all else is served."""
    for asynchronous in (False, True):
        assert start_browser(bus, asynchronous=asynchronous) == ""
    client = bus.client()
    handle = client.open(WALLET, APPID)
    assert handle > 0
    assert client.ask("hasFolder", "iss", handle, FOLDER, APPID).value is True
    assert client.ask("hasEntry", "isss", handle, FOLDER, KEY, APPID).value is True
    assert client.ask("readPassword", "isss", handle, FOLDER, KEY, APPID).error
    assert client.ask("entryType", "isss", handle, FOLDER, KEY, APPID).error
    assert client.ask("folderList", "is", handle, APPID).error
    writing = ("writePassword", "issss", handle, FOLDER, KEY, NEW_KEY, APPID)
    assert client.ask(*writing).error
    assert client.ask("keyDoesNotExist", "sss", WALLET, FOLDER, KEY).value is False
    assert client.ask("folderDoesNotExist", "ss", WALLET, FOLDER).value is False
    assert client.ask("writePassword", "issss", handle, "Mail", "me", "x", APPID).value == 0
    assert client.ask("readPassword", "isss", handle, "Mail", "me", APPID).value == "x"


def judge_old(bus: PrivateBus) -> None:
    """The old key is there, byte for byte."""
    for asynchronous in (False, True):
        assert start_browser(bus, asynchronous=asynchronous) == OLD_KEY


@pytest.fixture
def notes(bus: PrivateBus) -> Iterator[Notifications]:
    """A desktop that shows notifications."""
    with Notifications(bus.address) as server:
        yield server


def test_a_reset_keyring(bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge) -> None:
    """login.keyring set aside as broken, a new one made: errors, until the old one is back."""
    store_key(bus, bridge)
    gnome_keyring.stop()
    file = bus.data / "keyrings/login.keyring"
    aside = file.rename(file.with_name("login.keyring.broken"))
    gnome_keyring.start()
    bridge.start()
    judge(bus)
    bridge.restart()
    judge(bus)
    gnome_keyring.stop()
    aside.rename(file)
    gnome_keyring.start()
    judge_old(bus)


def test_a_keyring_reset_under_an_open_handle(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge
) -> None:
    """The daemon lives on: the old handle is an error, a new one is behind the gate."""
    store_key(bus, bridge)
    bridge.start()
    client = bus.client()
    handle = client.open(WALLET, APPID)
    assert client.ask("readPassword", "isss", handle, FOLDER, KEY, APPID).value == OLD_KEY
    gnome_keyring.stop()
    (bus.data / "keyrings/login.keyring").unlink()
    gnome_keyring.start()
    assert client.ask("hasEntry", "isss", handle, FOLDER, KEY, APPID).error
    judge(bus)


def _move_alias(admin: KeyringAdmin) -> None:
    admin.set_default(admin.create("another"))


def _take_label(admin: KeyringAdmin) -> None:
    admin.create(WALLET)


def _replace(admin: KeyringAdmin) -> None:
    old = admin.default()
    admin.set_default(admin.create("another"))
    admin.delete(old)


@pytest.mark.parametrize("change", [_move_alias, _take_label, _replace])
@pytest.mark.parametrize("when", ["between", "while it runs"])
def test_another_collection(
    bus: PrivateBus,
    gnome_keyring: GnomeKeyring,
    bridge: Bridge,
    change: Callable[[KeyringAdmin], None],
    when: str,
) -> None:
    """The alias moved, a second collection of the label, the first one deleted."""
    store_key(bus, bridge)
    client = bus.client()
    if when != "between":
        bridge.start()
        client.listen()
        handle = client.open(WALLET, APPID)
        change(KeyringAdmin(bus.client()))
        client.wait_closed(handle)
    else:
        change(KeyringAdmin(bus.client()))
        bridge.start()
    judge(bus)


def test_another_default_wallet(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge
) -> None:
    """Default Wallet renamed in kwalletrc to a collection that lacks the browser's key."""
    store_key(bus, bridge)
    KeyringAdmin(bus.client()).create("second")
    settings = (bus.config / "kwalletrc").read_text(encoding="utf-8")
    changed = settings.replace("[Wallet]\n", "[Wallet]\nDefault Wallet=second\n")
    bus.write_config("kwalletrc", changed)
    bridge.start()
    for asynchronous in (False, True):
        assert start_browser(bus, asynchronous=asynchronous) == ""
    bus.write_config("kwalletrc", settings)
    bus.client().ask("reconfigure")
    judge_old(bus)


def test_another_provider() -> None:
    """KeePassXC in place of gnome-keyring, and gnome-keyring again."""
    with private_bus() as bus, Xvfb(bus) as display:
        bridge = Bridge(bus)
        with GnomeKeyring(bus):
            bridge.start()
            store_key(bus, bridge)
        with KeePassXC(bus, display), bridge:
            judge(bus)
        with GnomeKeyring(bus), bridge:
            judge_old(bus)


def test_another_database() -> None:
    """Another database of KeePassXC's under the same name, then the old one."""
    with private_bus() as bus, Xvfb(bus) as display:
        peer, bridge = KeePassXC(bus, display), Bridge(bus)
        with peer:
            bridge.start()
            store_key(bus, bridge)
        aside = peer.database.rename(peer.database.with_name("aside"))
        with peer, bridge:
            judge(bus)
        aside.replace(peer.database)
        with peer, bridge:
            judge_old(bus)


def test_another_file(bus: PrivateBus, tmp_path: Path) -> None:
    """A keyring file in place of another one, of the same password, and the old one again."""
    password = tmp_path / "password"
    password.write_bytes(PASSWORD.reveal() + b"\n")
    password.chmod(0o600)
    path, aside = tmp_path / "a.keyring", tmp_path / "aside"
    arguments = ("--store-password-file", str(password))
    bridge = Bridge(bus, store=f"file:{path}", arguments=arguments)
    other = Bridge(bus, store=f"file:{aside}", arguments=arguments)
    there = f"file:{aside}"
    with private_bus() as elsewhere, Bridge(elsewhere, store=there, arguments=arguments):
        client = elsewhere.client()
        handle = client.open(WALLET, APPID)
        assert client.ask("writePassword", "issss", handle, "f", "k", "x", APPID).value == 0
    bridge.start()
    store_key(bus, bridge)
    with other:
        judge(bus)
    with bridge:
        judge_old(bus)


def test_one_notification_explains(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge, notes: Notifications
) -> None:
    """However many programs ask, a person is told once, and what to do."""
    store_key(bus, bridge)
    admin = KeyringAdmin(bus.client())
    admin.set_default(admin.create("another"))
    bridge.start()
    judge(bus)
    judge(bus)
    assert "kwallet-bridge store accept" in str(notes.wait())
    bridge.stop()
    assert notes.none_came()


def test_a_mark_is_an_item_that_explains_itself(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge
) -> None:
    """One mark, no secret, seen by no KWallet program; deleted it comes back, and nobody asks."""
    store_key(bus, bridge)
    admin = KeyringAdmin(bus.client())
    found = admin.items(admin.default())
    ((path, mark),) = [(path, item) for path, item in found.items() if identity_of(item[1])]
    assert (mark[0], mark[2]) == (MARK_LABEL, b"")
    bridge.start()
    client = bus.client()
    folders = client.ask("folderList", "is", client.open(WALLET, APPID), APPID).value
    assert folders == [FOLDER, "Form Data", "Passwords"]
    bridge.stop()
    admin.delete_item(path)
    bridge.start()
    judge_old(bus)
    bridge.stop()
    again = [item[1] for item in admin.items(admin.default()).values() if identity_of(item[1])]
    assert [identity_of(attributes) for attributes in again] == [identity_of(mark[1])]
