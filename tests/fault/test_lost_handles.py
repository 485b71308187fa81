# SPDX-License-Identifier: GPL-3.0-or-later
"""A handle that is not open any more: an error where the store took it, else kwalletd's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.keepassxc import KeePassXC
from support.keyring_admin import KeyringAdmin
from support.keyrings import PASSWORD
from support.peers import Bridge, GnomeKeyring, Kwalletd, Xvfb
from support.private_bus import private_bus

from kwallet_bridge.wire.calls import CALLS, ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.client import KWalletClient, Reply
    from support.private_bus import PrivateBus

WALLET = "kdewallet"
APP, OTHER = "lost", "other"
FOLDER, KEY, VALUE = "Chromium Keys", "Chromium Safe Storage", "the key of all logins"
ARGUMENTS = {"folder": FOLDER, "key": KEY, "oldName": KEY, "newName": "new", "appid": APP}
BY_TYPE: dict[str, object] = {"s": "x", "ay": b"x", "i": 2}
HANDLE_CALLS = [
    row
    for row in CALLS
    if row.takes.startswith("handle:i ") and row.result and row.member != "close"
]
"""Every call on an open wallet but ``sync``, which answers nothing, and ``close``."""


def ask_all(client: KWalletClient, handle: int) -> dict[str, Reply]:
    """Make every call with a handle."""
    replies = {}
    for row in HANDLE_CALLS:
        body = [ARGUMENTS.get(each.name, BY_TYPE[each.type]) for each in row.arguments[1:]]
        reply = client.ask(row.member, row.signature, handle, *body)
        replies[f"{row.member}({row.signature})"] = reply
    return replies


def refusals() -> dict[str, object]:
    """Give the answers of kwalletd to a handle that is not open."""
    return {f"{row.member}({row.signature})": row.refused for row in HANDLE_CALLS}


def values(replies: dict[str, Reply]) -> dict[str, object]:
    """Give what was answered; an error fails the test."""
    return {name: reply.value for name, reply in replies.items()}


def store_key(client: KWalletClient) -> int:
    """Open the wallet and write the key; gives the handle."""
    handle = client.open(WALLET, APP)
    assert client.ask("writePassword", "issss", handle, FOLDER, KEY, VALUE, APP).value == 0
    return handle


def listening(bus: PrivateBus) -> KWalletClient:
    """Give a client that hears the daemon's signals."""
    client = bus.client()
    client.listen()
    return client


def judge(client: KWalletClient, handle: int) -> None:
    """Every call on a lost handle is an error; python keyring's question has it open again."""
    for name, reply in ask_all(client, handle).items():
        assert reply.error, f"{name} answered {reply.body}"
        assert "again" in str(reply.body), f"{name} does not say what to do"
    assert client.ask("isOpen", "i", handle).value is False
    assert client.ask("close", "ibs", handle, False, APP).value == -1
    assert client.ask("hasFolder", "iss", handle, FOLDER, APP).error


def judge_new(client: KWalletClient, handle: int) -> None:
    """Opened again the key is there, and the old handle stays an error."""
    new = client.open(WALLET, APP)
    assert new not in {0, -1, handle}
    assert client.ask("readPassword", "isss", new, FOLDER, KEY, APP).value == VALUE
    assert client.ask("hasEntry", "isss", handle, FOLDER, KEY, APP).error


def _kill(bus: PrivateBus, keyring: GnomeKeyring, _: Bridge) -> None:
    keyring.kill()


def _restart(bus: PrivateBus, keyring: GnomeKeyring, _: Bridge) -> None:
    keyring.restart()


def _lock(bus: PrivateBus, _keyring: GnomeKeyring, _: Bridge) -> None:
    admin = KeyringAdmin(bus.client())
    admin.lock(admin.default())


def _delete(bus: PrivateBus, _keyring: GnomeKeyring, _: Bridge) -> None:
    admin = KeyringAdmin(bus.client())
    admin.delete(admin.default())


def _move_alias(bus: PrivateBus, _keyring: GnomeKeyring, _: Bridge) -> None:
    admin = KeyringAdmin(bus.client())
    admin.set_default(admin.create("another"))


def _take_label(bus: PrivateBus, _keyring: GnomeKeyring, _: Bridge) -> None:
    KeyringAdmin(bus.client()).create(WALLET)


@pytest.mark.parametrize("end", [_kill, _restart, _lock, _delete, _move_alias, _take_label])
def test_a_handle_the_store_took_is_an_error(
    bus: PrivateBus,
    gnome_keyring: GnomeKeyring,
    bridge: Bridge,
    end: Callable[[PrivateBus, GnomeKeyring, Bridge], None],
) -> None:
    """However gnome-keyring's collection goes, no call on the old handle says "absent"."""
    client = listening(bus)
    handle = store_key(client)
    end(bus, gnome_keyring, bridge)
    client.wait_closed(handle)
    judge(client, handle)
    if gnome_keyring.process is None:
        gnome_keyring.start()
        judge_new(client, handle)


def test_a_handle_of_an_earlier_life_is_an_error(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge
) -> None:
    """A daemon that is killed and started again knows its predecessor's handles as lost."""
    client = listening(bus)
    handles = [store_key(client)]
    for _ in range(2):
        bridge.kill()
        bridge.start()
        for handle in handles:
            judge(client, handle)
        judge_new(client, handles[-1])
        handles.append(client.open(WALLET, APP))


def test_a_handle_of_keepassxc_is_an_error() -> None:
    """KeePassXC killed and started again: the old handle is an error, the key is there."""
    with private_bus() as bus, Xvfb(bus) as display, KeePassXC(bus, display) as peer, Bridge(bus):
        client = listening(bus)
        handle = store_key(client)
        peer.stop()
        client.wait_closed(handle)
        judge(client, handle)
        peer.start()
        judge_new(client, handle)


def test_a_handle_of_a_keyring_file_is_an_error(bus: PrivateBus, tmp_path: Path) -> None:
    """Over the file, too, a daemon that starts anew knows the handles of the one before."""
    password = tmp_path / "password"
    password.write_bytes(PASSWORD.reveal() + b"\n")
    password.chmod(0o600)
    with Bridge(bus, store="file", arguments=("--store-password-file", str(password))) as bridge:
        client = listening(bus)
        handle = store_key(client)
        bridge.restart()
        judge(client, handle)
        judge_new(client, handle)


def _close_own(client: KWalletClient, handle: int) -> None:
    assert client.ask("close", "ibs", handle, True, APP).value == 0


def _close_others(client: KWalletClient, handle: int) -> None:
    client.open(WALLET, OTHER)
    assert client.ask("close", "ibs", handle, True, OTHER).value == 0


def _close_name(client: KWalletClient, _: int) -> None:
    assert client.ask("close", "sb", WALLET, True).value == 0


def _close_all(client: KWalletClient, _: int) -> None:
    client.ask("closeAllWallets", "")


def _disconnect(client: KWalletClient, _: int) -> None:
    client.open(WALLET, OTHER)
    assert client.ask("disconnectApplication", "ss", WALLET, APP).value is True


@pytest.fixture(params=["bridge", "kwalletd5"])
def daemon(request: pytest.FixtureRequest, bus: PrivateBus) -> Iterator[str]:
    """Our daemon over gnome-keyring, and KDE's own."""
    if request.param == "kwalletd5":
        with Kwalletd(bus):
            yield "kwalletd5"
    else:
        with GnomeKeyring(bus), Bridge(bus):
            yield "bridge"


@pytest.mark.parametrize("end", [_close_own, _close_others, _close_name, _close_all, _disconnect])
def test_what_a_client_closed_is_refused_as_by_kwalletd(
    bus: PrivateBus, daemon: str, end: Callable[[KWalletClient, int], None]
) -> None:
    """A handle that a client closed, this one or another, is refused by both daemons alike."""
    client = listening(bus)
    handle = store_key(client)
    end(client, handle)
    assert values(ask_all(client, handle)) == refusals(), daemon
    assert ERROR not in refusals().values()


@pytest.mark.parametrize("invented", [0, -1, 1, 12345678, 2**31 - 1, -(2**31)])
def test_what_nobody_gave_out_is_refused_as_by_kwalletd(
    bus: PrivateBus, daemon: str, invented: int
) -> None:
    """A number that never was a handle is refused by both daemons alike."""
    client = listening(bus)
    store_key(client)
    assert values(ask_all(client, invented)) == refusals(), daemon
