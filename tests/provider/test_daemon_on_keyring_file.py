# SPDX-License-Identifier: GPL-3.0-or-later
"""Our daemon where nobody provides the Secret Service."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from support.keyrings import PASSWORD
from support.peers import Bridge

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.daemon.filestore import key_source
from kwallet_bridge.daemon.stores import FileOptions, open_store
from kwallet_bridge.errors import PasswordNeededError, PromptDismissedError, UsageError
from kwallet_bridge.keyringfile.folder import default_path
from kwallet_bridge.keyringfile.format import is_keyring
from kwallet_bridge.keyringfile.portal import PortalPassword
from kwallet_bridge.keyringfile.sources import FilePassword, KeyRequest
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.private_bus import PrivateBus

PORTAL = "org.freedesktop.portal.Desktop"
WALLET = WalletName("kdewallet")


def password_file(folder: Path) -> Path:
    """Write the password where only we can read it."""
    path = folder / "password"
    path.write_bytes(PASSWORD.reveal() + b"\n")
    path.chmod(0o600)
    return path


def test_entries_outlive_the_daemon(bus: PrivateBus, tmp_path: Path) -> None:
    """With no provider at all, what one daemon stored another reads, and the file is encrypted."""
    arguments = ("--store-password-file", str(password_file(tmp_path)))
    for first in (True, False):
        with Bridge(bus, store="auto", arguments=arguments), bus.client() as client:
            handle = client.open(WALLET, "test")
            if first:
                written = client.ask("writePassword", "issss", handle, "F", "K", "geheim", "test")
                assert written.body == (0,)
            read = client.ask("readPassword", "isss", handle, "F", "K", "test")
            assert read.body == ("geheim",)
            folders = client.ask("folderList", "is", handle, "test")
            assert folders.body == (["F", "Form Data", "Passwords"],)
    data = (bus.data / "keyrings" / "default.keyring").read_bytes()
    assert is_keyring(data)
    assert b"geheim" not in data


class StandInPortal:
    """A Secret portal that answers as it is told."""

    def __init__(self, answer: int, data: bytes) -> None:
        """Answer with this response and these bytes."""
        self.answer = answer
        self.data = data
        self.bus: MessageBus

    async def start(self, address: str) -> None:
        """Own the portal's name."""
        self.bus = await MessageBus(address, negotiate_unix_fd=True).connect()
        self.bus.add_message_handler(self.receive)
        await self.bus.request_name(PORTAL)

    def receive(self, message: Message) -> bool:
        """Answer RetrieveSecret: write into the pipe, close it, tell the request's end."""
        if message.member != "RetrieveSecret":
            return False
        place, options = message.body
        with os.fdopen(message.unix_fds[place], "wb") as pipe:
            pipe.write(self.data)
        sender = (message.sender or "").removeprefix(":").replace(".", "_")
        token = options["handle_token"].value
        path = f"/org/freedesktop/portal/desktop/request/{sender}/{token}"
        self.bus.send(Message.new_method_return(message, "o", [path]))
        body: list[object] = [self.answer, {"x": Variant("s", "y")}]
        self.bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface="org.freedesktop.portal.Request",
                member="Response",
                signature="ua{sv}",
                body=body,
                destination=message.sender,
            )
        )
        return True


@pytest.fixture
async def portal(bus: PrivateBus) -> AsyncIterator[StandInPortal]:
    """Run a portal that gives 64 bytes."""
    running = StandInPortal(0, bytes(range(64)))
    await running.start(bus.address)
    yield running
    running.bus.disconnect()


def portal_password(bus: PrivateBus) -> PortalPassword:
    """Ask the portal on the private bus."""
    return PortalPassword(lambda: BusConnection.connect(bus.address, unix_fds=True))


async def test_portal_gives_its_bytes(bus: PrivateBus, portal: StandInPortal) -> None:
    """The portal's 64 bytes are the password, as they are."""
    async with asyncio.timeout(20):
        assert await portal_password(bus).read_password(KeyRequest("x")) == Secret(portal.data)


async def test_portal_says_no(bus: PrivateBus, portal: StandInPortal) -> None:
    """A dismissed request is a person's no; a failure or a short answer is none."""
    async with asyncio.timeout(20):
        portal.answer = 1
        assert await portal_password(bus).read_password(KeyRequest("x")) is None
        portal.answer = 2
        with pytest.raises(PasswordNeededError):
            await portal_password(bus).read_password(KeyRequest("x"))
        portal.answer, portal.data = 0, b"short"
        with pytest.raises(PasswordNeededError):
            await portal_password(bus).read_password(KeyRequest("x"))


async def test_sandbox_uses_the_portal(
    bus: PrivateBus, portal: StandInPortal, tmp_path: Path
) -> None:
    """In a Flatpak ``auto`` is the file under the portal's secret, even beside a provider."""
    (tmp_path / ".flatpak-info").touch()
    environ = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    options = FileOptions(root=tmp_path, bus_address=bus.address)
    connection = await BusConnection.connect(bus.address)
    serving = await open_store("auto", bus=connection, environ=environ, options=options)
    store = serving.store
    async with asyncio.timeout(20):
        await store.create_wallet(WALLET)
    assert is_keyring((tmp_path / "keyrings" / "default.keyring").read_bytes())
    await store.close()
    connection.close()


async def test_person_who_says_no(bus: PrivateBus, tmp_path: Path) -> None:
    """Where a person answers no, the wallet is not made and the error says who said so."""
    connection = await BusConnection.connect(bus.address)
    options = FileOptions(ask=lambda _request, _withdrawal: None)
    spec = f"file:{tmp_path / 'x.keyring'}"
    environ = {"HOME": str(tmp_path)}
    store = (await open_store(spec, bus=connection, environ=environ, options=options)).store
    with pytest.raises(PromptDismissedError):
        await store.create_wallet(WALLET)
    assert not (tmp_path / "x.keyring").exists()
    with pytest.raises(UsageError):
        await open_store("nowhere", bus=connection, environ=environ)
    await store.close()
    connection.close()


def test_password_file_comes_first(tmp_path: Path) -> None:
    """A password file named on the command line goes before systemd's credential."""
    path = tmp_path / "kwallet-bridge.keyring-password"
    path.touch()
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    chosen = key_source(environ, FileOptions(password_file=tmp_path / "other"))
    assert isinstance(chosen, FilePassword)
    assert chosen.path == tmp_path / "other"
    found = key_source(environ, FileOptions())
    assert isinstance(found, FilePassword)
    assert found.path == path


def test_default_path_keeps_away_from_gnome_keyring(tmp_path: Path) -> None:
    """The default file is libsecret's, but not among gnome-keyring's, and then stays."""
    environ = {"XDG_DATA_HOME": str(tmp_path)}
    shared = tmp_path / "keyrings" / "default.keyring"
    own = tmp_path / "kwallet-bridge" / "default.keyring"
    assert default_path(environ) == shared
    shared.parent.mkdir()
    (shared.parent / "login.keyring").write_bytes(b"GnomeKeyring\n\r\0\n\0\0\0\0")
    assert default_path(environ) == own
    shared.write_bytes(b"GnomeKeyring\n\r\0\n\1\0")
    assert default_path(environ) == shared
    own.parent.mkdir()
    own.touch()
    assert default_path(environ) == own
    assert default_path({"HOME": "/home/x"}).parts[:4] == ("/", "home", "x", ".local")
