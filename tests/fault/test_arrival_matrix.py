# SPDX-License-Identifier: GPL-3.0-or-later
"""Whenever the provider comes, at whichever login, whatever became of the wallet file: no new key.

The cells of a provider that is there before the daemon, comes soon, comes when its time is over,
never comes, or is another one; of a first and a later login; of no wallet file, a pending one,
GnuPG's, one half moved and one moved. Each has both of Chromium's clients and, for KDE's library,
kwallet-query, and ends with the browser's old key byte for byte, or untouched.
"""

from __future__ import annotations

import re
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from fault.test_pending_wallets import OLD_KEY, STATES, WALLET, Scene
from support.chromium import APPID, FOLDER, KEY, NEW_KEY, Chromium, FailedError
from support.client import KWALLET
from support.keepassxc import KeePassXC
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Xvfb
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.peers import Peer

LONG, SHORT = 60, 1
"""Seconds of a login: one that nobody waits for to its end, and one that is over at once."""
LOGINS = ["first", "later"]
NO_FILE, MOVED = "no wallet", "moved"
UNDECIDED = {"pending", "pending and GPG", "half moved and killed"}


def _wait_at_most(bus: PrivateBus, seconds: int) -> None:
    """Set how long an open waits for the provider."""
    wait = f"Provider Wait={seconds}\n"
    bus.write_config("kwalletrc", re.sub("Provider Wait=.*\n", wait, KWALLETRC))


def _key(state: str, login: str) -> set[str]:
    """Give the keys that a browser may get of the right provider; "" for none, and no new one."""
    if state == NO_FILE:
        return {NEW_KEY if login == "first" else OLD_KEY}
    if state == MOVED:
        return {OLD_KEY}
    return {"", OLD_KEY} if state == "half moved and killed" else {""}


def _live_before(bus: PrivateBus, state: str, login: str) -> None:
    """Bring the home, with its provider, to where this login finds it."""
    scene = Scene(bus, "secret-service")
    served_first = state in {NO_FILE, "pending and GPG"}
    if not served_first:
        STATES[state](scene)
    if login == "later":
        place = (FOLDER, KEY) if state == NO_FILE else ("Mail", "me")
        with Bridge(bus, store="auto"), bus.client() as client:
            handle = client.open(WALLET, APPID)
            written = client.ask("writePassword", "issss", handle, *place, OLD_KEY, APPID)
            assert written.value == 0
    if served_first:
        STATES[state](scene)


def _browse(
    bus: PrivateBus, *, asynchronous: bool, meanwhile: Callable[[str], None] = lambda _: None
) -> str:
    """Start a browser; its key, or "" if it gave up and changed nothing."""
    with bus.client() as client:
        try:
            return Chromium(client, asynchronous=asynchronous, meanwhile=meanwhile).master_key()
        except FailedError:
            return ""


def _judge(bus: PrivateBus, keys: set[str]) -> None:
    """See that each of the three clients gets one of these keys."""
    for asynchronous in (False, True):
        assert _browse(bus, asynchronous=asynchronous) in keys
    words = ["kwallet-query", WALLET, "-f", FOLDER, "-r", KEY]
    printed = bus.run(words, check=False).stdout.rstrip("\n")
    assert (printed if printed in {OLD_KEY, NEW_KEY} else "") in keys


def _meet_soon(bus: PrivateBus, provider: Peer, keys: set[str], *, asynchronous: bool) -> None:
    """Start a browser, and the provider once an open waits for it."""
    early = bus.client()
    starting = threading.Thread(target=provider.start)

    def meanwhile(step: str) -> None:
        if step == "open" and not starting.ident:
            early.send(early.service, early.object_path, KWALLET, "open", "sxs", [WALLET, 0, "x"])
            early.ask("networkWallet")  # by now the open is at work
            starting.start()

    assert _browse(bus, asynchronous=asynchronous, meanwhile=meanwhile) in keys
    starting.join()


def _settle(bus: PrivateBus, state: str, login: str, keys: set[str]) -> None:
    """Have a person move what waits, over the right provider: the key is the old one."""
    if state in UNDECIDED - {"pending and GPG"}:
        assert Scene(bus, "secret-service").move() == 0
        _judge(bus, {OLD_KEY})
    else:
        _judge(bus, keys if login == "first" else _key(state, login))


@contextmanager
def _gnome_keyring() -> Iterator[tuple[PrivateBus, Peer]]:
    with private_bus() as bus:
        provider = GnomeKeyring(bus)
        yield bus, provider
        provider.stop()


@contextmanager
def _keepassxc() -> Iterator[tuple[PrivateBus, Peer]]:
    with private_bus() as bus, Xvfb(bus) as display:
        provider = KeePassXC(bus, display, autosave=False)
        yield bus, provider
        provider.stop()


@pytest.mark.parametrize("state", STATES)
def test_before_at_a_later_login(state: str) -> None:
    """The provider is there first; a first login over it is in ``test_pending_wallets.py``."""
    with _gnome_keyring() as (bus, provider):
        with provider:
            _live_before(bus, state, "later")
        with provider, Bridge(bus, store="auto"):
            _judge(bus, _key(state, "later"))
            _settle(bus, state, "later", _key(state, "later"))


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("state", STATES)
def test_soon(state: str, login: str) -> None:
    """The provider comes while the first programs wait for it."""
    with _gnome_keyring() as (bus, provider):
        with provider:
            _live_before(bus, state, login)
        _wait_at_most(bus, LONG)
        keys = _key(state, login)
        with Bridge(bus, store="auto"):
            _meet_soon(bus, provider, keys, asynchronous=login == "first")
            _judge(bus, keys)
            _settle(bus, state, login, keys)


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("state", STATES)
def test_never_and_late(state: str, login: str) -> None:
    """Nobody comes in the time of a login: all fail. When somebody comes after all, all are served."""
    with _gnome_keyring() as (bus, provider):
        with provider:
            _live_before(bus, state, login)
        _wait_at_most(bus, SHORT)
        keys = _key(state, login)
        with Bridge(bus, store="auto"):
            _judge(bus, {""})
            assert not [*bus.data.glob("keyrings/default.keyring")]
            provider.start()
            _judge(bus, keys)
            _settle(bus, state, login, keys)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("login", LOGINS)
def test_another_one(state: str, login: str) -> None:
    """Another keyring is there, empty; what was served before, or moved there, is not in it."""
    with _gnome_keyring() as (bus, provider):
        with provider:
            _live_before(bus, state, login)
        folder, aside = bus.data / "keyrings", bus.data / "aside"
        folder.rename(aside)
        served_nothing = state == NO_FILE and login == "first"
        with provider, Bridge(bus, store="auto"):
            _judge(bus, {NEW_KEY} if served_nothing else {""})
        if served_nothing:
            return  # then it is not another one
        shutil.rmtree(folder)
        aside.rename(folder)
        with provider, Bridge(bus, store="auto"):
            _judge(bus, _key(state, login))
            _settle(bus, state, login, _key(state, login))


@pytest.mark.parametrize("state", ["pending", MOVED])
def test_keepassxc_comes_soon_at_a_later_login(state: str) -> None:
    """As autostart does it."""
    with _keepassxc() as (bus, provider):
        with provider:
            _live_before(bus, state, "later")
        _wait_at_most(bus, LONG)
        keys = _key(state, "later")
        with Bridge(bus, store="auto"):
            _meet_soon(bus, provider, keys, asynchronous=True)
            _judge(bus, keys)
            _settle(bus, state, "later", keys)


def test_gnome_keyring_in_keepassxcs_place() -> None:
    """Moved into one provider, where only mail was read, and the other one runs."""
    with _keepassxc() as (bus, provider):
        with provider:
            _live_before(bus, MOVED, "later")
        with GnomeKeyring(bus), Bridge(bus, store="auto"):
            _judge(bus, {""})
        with provider, Bridge(bus, store="auto"):
            _judge(bus, {OLD_KEY})
