# SPDX-License-Identifier: GPL-3.0-or-later
"""Chromium's master key survives whatever befalls the provider while the browser starts."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support.chromium import APPID, FOLDER, KEY, NEW_KEY, STEPS, Chromium, FailedError
from support.keyring_admin import KeyringAdmin

from kwallet_bridge.store.mark import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.peers import Bridge, GnomeKeyring
    from support.private_bus import PrivateBus

OLD_KEY = "the key of all logins"
Item = tuple[str, dict[str, str], bytes]


def _items(bus: PrivateBus) -> list[Item]:
    """Give every item of the default collection but its mark, unlocked if need be."""
    admin = KeyringAdmin(bus.client())
    if admin.is_locked(admin.default()):
        admin.unlock(admin.default())
    items = admin.items(admin.default()).values()
    return sorted((item for item in items if not identity_of(item[1])), key=str)


def _store_key(bus: PrivateBus) -> list[Item]:
    client = bus.client()
    handle = client.open("kdewallet", APPID)
    assert client.ask("createFolder", "iss", handle, FOLDER, APPID).value is True
    written = client.ask("writePassword", "issss", handle, FOLDER, KEY, OLD_KEY, APPID)
    assert written.value == 0
    return _items(bus)


def _start_browser(bus: PrivateBus, *, asynchronous: bool, meanwhile: Callable[[str], None]) -> str:
    try:
        browser = Chromium(bus.client(), asynchronous=asynchronous, meanwhile=meanwhile)
        return browser.master_key()
    except FailedError:
        return ""


class Trouble:
    """Strikes once, before the named step."""

    def __init__(self, bus: PrivateBus, keyring: GnomeKeyring, *, kind: str, step: str) -> None:
        self._bus = bus
        self._keyring = keyring
        self._strike = {"locks": self._lock, "crashes": self._crash, "restarts": self._restart}[
            kind
        ]
        self._step = step

    def __call__(self, step: str) -> None:
        """Strike if it is time."""
        if step == self._step:
            self._strike()
            self._step = ""

    def _lock(self) -> None:
        admin = KeyringAdmin(self._bus.client())
        admin.lock(admin.default())

    def _crash(self) -> None:
        self._keyring.kill()

    def _restart(self) -> None:
        self._keyring.kill()
        self._keyring.start()


@pytest.mark.parametrize("kind", ["locks", "crashes", "restarts"])
@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_the_key_is_never_replaced(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge, kind: str, flavour: str
) -> None:
    """Whatever step the provider fails at, the stored items are what they were."""
    before = _store_key(bus)
    asynchronous = flavour == "async"
    for step in STEPS:
        trouble = Trouble(bus, gnome_keyring, kind=kind, step=step)
        key = _start_browser(bus, asynchronous=asynchronous, meanwhile=trouble)
        assert key in {"", OLD_KEY}, f"{step}: the browser uses {key!r}"
        if gnome_keyring.process is None:
            gnome_keyring.start()
        assert _items(bus) == before, f"{step}: the items changed"
    last = _start_browser(bus, asynchronous=asynchronous, meanwhile=lambda _: None)
    assert last == OLD_KEY


@pytest.mark.parametrize("step", ["hasFolder", "hasEntry", "readPassword"])
def test_a_provider_that_dies_within_a_call_is_an_error(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge, step: str
) -> None:
    """A frozen provider that is then killed never makes an answer of absence."""
    before = _store_key(bus)
    bridge.restart()
    client = bus.client()
    handle = client.open("kdewallet", APPID)
    assert gnome_keyring.process is not None
    gnome_keyring.process.send_signal(signal.SIGSTOP)
    body = (handle, FOLDER, APPID) if step == "hasFolder" else (handle, FOLDER, KEY, APPID)
    signature = "iss" if step == "hasFolder" else "isss"
    path = client.object_path
    serial = client.send(client.service, path, "org.kde.KWallet", step, signature, body)
    gnome_keyring.kill()
    reply = client.wait_reply(serial)
    # An answer from the index is as good as an error; an answer of absence is not.
    assert reply.error or reply.body in {(True,), (OLD_KEY,)}
    gnome_keyring.start()
    assert _items(bus) == before


def test_a_browser_without_a_key_makes_one(bus: PrivateBus, bridge: Bridge) -> None:
    """On a fresh wallet the sequence ends with a stored new key, and finds it again."""
    for asynchronous in (False, True):
        key = _start_browser(bus, asynchronous=asynchronous, meanwhile=lambda _: None)
        assert key == NEW_KEY
