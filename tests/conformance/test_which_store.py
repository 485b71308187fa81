# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store serves is a decision that is kept: the real daemon, with providers that come late."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.chromium import FOLDER, KEY, Chromium, FailedError
from support.keepassxc import KeePassXC
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Xvfb

from kwallet_bridge.statefile import Decision, MadeBy, StoreKind, load, state_path, update
from kwallet_bridge.wire.store_status import STORE_INTERFACE, STORE_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.client import KWalletClient
    from support.peers import Peer
    from support.private_bus import PrivateBus

SECRETS = "org.freedesktop.secrets"
OLD_KEY = "the browser's old key ü\U0001f511"
SHORT_WAIT = KWALLETRC + "[kwallet-bridge]\nProvider Wait=1\n"
NO_WAIT = KWALLETRC + "[kwallet-bridge]\nProvider Wait=0\n"


@pytest.fixture
def display(bus: PrivateBus) -> Iterator[Xvfb]:
    """A display nobody sees."""
    with Xvfb(bus) as screen:
        yield screen


@pytest.fixture
def keyring(bus: PrivateBus) -> Iterator[GnomeKeyring]:
    """A gnome-keyring that is not running yet; ended with the test."""
    peer = GnomeKeyring(bus)
    yield peer
    peer.stop()


@pytest.fixture(params=["gnome-keyring", "keepassxc"])
def provider(bus: PrivateBus, request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A real provider that is not running yet; ended with the test."""
    peer: Peer
    if request.param == "gnome-keyring":
        peer = GnomeKeyring(bus)
    else:
        peer = KeePassXC(bus, request.getfixturevalue("display"))
    yield peer
    peer.stop()


def remember_key(bus: PrivateBus, provider: Peer) -> None:
    """Live through an earlier login: the browser's key is stored, then all end."""
    with provider, Bridge(bus, store="auto"), bus.client() as client:
        place = (client.open(appid="Chromium"), FOLDER, KEY)
        written = client.ask("writePassword", "issss", *place, OLD_KEY, "Chromium")
        assert written.value == 0


def read_key(client: KWalletClient, handle: int) -> object:
    """Read the browser's key."""
    return client.ask("readPassword", "isss", handle, FOLDER, KEY, "Chromium").value


def ask_status(client: KWalletClient) -> dict[str, Any]:
    """Ask the daemon which store serves."""
    reply = client.call(client.service, STORE_PATH, STORE_INTERFACE, "Status")
    assert not reply.error
    assert isinstance(reply.value, dict)
    return {name: variant[1] for name, variant in reply.value.items()}


def begin_open(client: KWalletClient) -> int:
    """Send an open that has to wait; it is at work when this returns."""
    serial = client.send(
        client.service, client.object_path, "org.kde.KWallet", "open", "sxs", ["kdewallet", 0, "x"]
    )
    assert ask_status(client)["state"] == "waiting"
    return serial


def read_decision(bus: PrivateBus) -> Decision:
    """Read what was decided."""
    decision = load(state_path(bus.env)).decision
    assert decision is not None
    return decision


def write_password(folder: Path) -> Path:
    """Write a keyring file's password where only we can read it."""
    path = folder / "password"
    path.write_bytes(b"correct horse\n")
    path.chmod(0o600)
    return path


def no_file_was_made(bus: PrivateBus) -> bool:
    """Tell whether there is no keyring file of ours."""
    return not [*bus.data.glob("keyrings/default.keyring"), *bus.data.glob("kwallet-bridge/*")]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("decided", [True, False], ids=["decided", "undecided"])
def test_an_open_is_served_when_the_provider_comes(
    bus: PrivateBus, provider: Peer, *, decided: bool, asynchronous: bool
) -> None:
    """A browser that starts before the provider gets its old key, and makes no new one."""
    remember_key(bus, provider)
    if not decided:
        state_path(bus.env).unlink()
    early = bus.client()
    begun: list[int] = []
    starting = threading.Thread(target=provider.start)

    def meanwhile(step: str) -> None:
        if step == "open" and not begun:
            begun.append(begin_open(early))
            starting.start()

    with Bridge(bus, store="auto"), bus.client() as client:
        browser = Chromium(client, asynchronous=asynchronous, meanwhile=meanwhile)
        assert browser.master_key() == OLD_KEY
        (serial,) = begun
        handle = early.wait_reply(serial).value
        starting.join()
        assert isinstance(handle, int)
        assert handle > 0
        status = ask_status(client)
        assert (status["kind"], status["state"]) == ("provider", "serving")
        assert status["decided_by"] == "first open"
    assert no_file_was_made(bus)
    assert read_decision(bus).served_at > 0


@pytest.mark.parametrize("decided", [True, False], ids=["decided", "undecided"])
def test_an_open_fails_in_time_when_nobody_comes(
    bus: PrivateBus, keyring: GnomeKeyring, *, decided: bool
) -> None:
    """A program without a time limit of its own is not kept, no file is made, and it is told why."""
    remember_key(bus, keyring)
    if not decided:
        state_path(bus.env).unlink()
    bus.write_config("kwalletrc", SHORT_WAIT)
    with Bridge(bus, store="auto"), bus.client() as client:
        assert client.ask("isEnabled").value is True
        serial = begin_open(client)
        assert client.wait_reply(serial).value == -1
        assert client.ask("isEnabled").value is False
        assert client.ask("folderDoesNotExist", "ss", "kdewallet", FOLDER).error
        assert client.ask("keyDoesNotExist", "sss", "kdewallet", FOLDER, KEY).error
        assert client.ask("wallets").error
        status = ask_status(client)
        assert status["state"] == "waiting"
        assert "kwallet-bridge store use" in status["problem"]
        keyring.start()
        assert client.ask("isEnabled").value is True
        assert read_key(client, client.open(appid="Chromium")) == OLD_KEY
    assert "opens wait for" in bus.printed(sys.executable)
    assert no_file_was_made(bus)


def test_a_password_does_not_make_a_file_where_a_provider_served(
    bus: PrivateBus, keyring: GnomeKeyring, tmp_path: Path
) -> None:
    """With a password at hand no file takes the place of a provider that is late."""
    remember_key(bus, keyring)
    bus.write_config("kwalletrc", NO_WAIT)
    arguments = ("--store-password-file", str(write_password(tmp_path)))
    with Bridge(bus, store="auto", arguments=arguments), bus.client() as client:
        assert client.ask("isEnabled").value is False
        assert client.ask("open", "sxs", "kdewallet", 0, "x").value == -1
        keyring.start()
        assert read_key(client, client.open(appid="Chromium")) == OLD_KEY
    assert no_file_was_made(bus)


def test_a_password_file_decides_where_no_provider_ever_served(
    bus: PrivateBus, keyring: GnomeKeyring, tmp_path: Path
) -> None:
    """An administrator's password makes a file, and the file serves when a provider comes later."""
    arguments = ("--store-password-file", str(write_password(tmp_path)))
    for comes_later in (False, True):
        if comes_later:
            keyring.start()
        with Bridge(bus, store="auto", arguments=arguments), bus.client() as client:
            place = (client.open(appid="Chromium"), FOLDER, KEY)
            if not comes_later:
                client.ask("writePassword", "issss", *place, OLD_KEY, "Chromium")
            assert read_key(client, place[0]) == OLD_KEY
            status = ask_status(client)
            assert (status["kind"], status["decided_by"]) == ("file", "administrator")
            assert status["path"] == str(bus.data / "keyrings/default.keyring")


def test_no_other_provider_is_started_in_the_place_of_the_one_that_served(
    bus: PrivateBus, display: Xvfb
) -> None:
    """Where KeePassXC served, gnome-keyring is not started, which would take its name."""
    vault = KeePassXC(bus, display)
    remember_key(bus, vault)
    bus.make_activatable(SECRETS, ["/usr/bin/gnome-keyring-daemon", "--start", "--foreground"])
    bus.write_config("kwalletrc", NO_WAIT)
    with Bridge(bus, store="auto"), bus.client() as client:
        assert client.ask("open", "sxs", "kdewallet", 0, "x").value == -1
        status = ask_status(client)
        assert (status["state"], status["program"]) == ("waiting", "keepassxc")
        assert client.name_owner(SECRETS) == ""
        with vault:
            assert read_key(client, client.open(appid="Chromium")) == OLD_KEY


@pytest.mark.parametrize("content", ["", "{", '{"version": 99}'])
def test_the_daemon_starts_over_a_state_file_it_cannot_use(
    bus: PrivateBus, keyring: GnomeKeyring, content: str
) -> None:
    """Nothing is guessed: every open fails, nothing is called absent, and status says why."""
    remember_key(bus, keyring)
    keyring.start()
    path = state_path(bus.env)
    before = path.read_text()
    path.write_text(content)
    with Bridge(bus, store="auto"), bus.client() as client:
        assert client.ask("isEnabled").value is False
        assert client.ask("open", "sxs", "kdewallet", 0, "x").value == -1
        for member, signature, *body in (
            ("folderDoesNotExist", "ss", "kdewallet", FOLDER),
            ("keyDoesNotExist", "sss", "kdewallet", FOLDER, KEY),
            ("wallets", ""),
            ("isOpen", "s", "kdewallet"),
        ):
            assert client.ask(member, signature, *body).error
        status = ask_status(client)
        assert (status["kind"], status["state"]) == ("", "unusable")
        assert str(path) in status["problem"]
        with pytest.raises(FailedError):
            Chromium(client, asynchronous=False, meanwhile=lambda _: None).master_key()
        assert path.read_text() == content
        path.write_text(before)
        assert client.ask("isEnabled").value is True
        assert read_key(client, client.open(appid="Chromium")) == OLD_KEY
        assert ask_status(client)["state"] == "serving"


@pytest.mark.parametrize("damaged", ["before the daemon", "while it runs"])
def test_a_named_store_needs_the_state_file_too(
    bus: PrivateBus, keyring: GnomeKeyring, damaged: str
) -> None:
    """No collection can be proven without it: isEnabled and status say so, until it is mended."""
    remember_key(bus, keyring)
    keyring.start()
    path = state_path(bus.env)
    before = path.read_text()
    if damaged == "before the daemon":
        path.write_text("{")
    with Bridge(bus), bus.client() as client:
        if damaged == "while it runs":
            assert client.ask("isEnabled").value is True
            path.write_text("{")
            assert client.ask("open", "sxs", "kdewallet", 0, "x").value == -1
        assert client.ask("isEnabled").value is False
        assert client.ask("open", "sxs", "kdewallet", 0, "x").value == -1
        status = ask_status(client)
        assert (status["kind"], status["state"]) == ("provider", "unusable")
        assert str(path) in status["problem"]
        path.write_text(before)
        assert client.ask("isEnabled").value is True
        assert read_key(client, client.open(appid="Chromium")) == OLD_KEY
        assert ask_status(client)["state"] == "serving"
    assert "the state file cannot be used" in bus.printed(sys.executable)


def test_a_file_that_was_chosen_serves_beside_a_provider(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, tmp_path: Path
) -> None:
    """Who decided for a file gets it, whoever else is on the bus."""
    chosen = Decision(StoreKind.FILE, MadeBy.INSTALL, 5, path=str(tmp_path / "k.keyring"))
    update(state_path(bus.env), lambda state: replace(state, decision=chosen))
    arguments = ("--store-password-file", str(write_password(tmp_path)))
    with Bridge(bus, store="auto", arguments=arguments), bus.client() as client:
        client.open()
        assert ask_status(client)["kind"] == "file"
    assert (tmp_path / "k.keyring").exists()
    assert read_decision(bus).made_by is MadeBy.INSTALL


def test_a_state_folder_that_cannot_be_written_stops_nobody(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """What cannot be kept is said, and the provider serves all the same."""
    (state_path(bus.env).parent / ".store.json.lock").mkdir(parents=True)
    with Bridge(bus, store="auto"), bus.client() as client:
        assert client.open() > 0
        assert "cannot be kept" in ask_status(client)["problem"]


@pytest.mark.parametrize("repair", ["decided anew", "moved away"])
def test_a_repaired_state_file_needs_no_new_daemon(
    bus: PrivateBus, tmp_path: Path, repair: str
) -> None:
    """Once it is decided anew, or the file is out of the way, the running daemon serves."""
    arguments = ("--store-password-file", str(write_password(tmp_path)))
    with Bridge(bus, store="auto", arguments=arguments), bus.client() as client:
        place = (client.open(appid="Chromium"), FOLDER, KEY)
        client.ask("writePassword", "issss", *place, OLD_KEY, "Chromium")
    path = state_path(bus.env)
    path.write_text("{")
    with Bridge(bus, store="auto", arguments=arguments), bus.client() as client:
        assert client.ask("open", "sxs", "kdewallet", 0, "x").value == -1
        path.rename(tmp_path / "damaged")
        if repair == "decided anew":
            decision = Decision(StoreKind.FILE, MadeBy.INSTALL, 1)
            update(path, lambda state: replace(state, decision=decision))
        assert read_key(client, client.open(appid="Chromium")) == OLD_KEY
        assert ask_status(client)["kind"] == "file"
    assert read_decision(bus).kind is StoreKind.FILE
