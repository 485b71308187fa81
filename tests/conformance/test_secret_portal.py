# SPDX-License-Identifier: GPL-3.0-or-later
"""Sandboxed programs get from us, through the real portal, the secret that KDE's daemon kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from support.peers import Bridge, GnomeKeyring
from support.sandboxed import DesktopPortal

from kwallet_bridge.wire.secretportal import BUS_NAME, INTERFACE, PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.private_bus import PrivateBus

FOLDER = "xdg-desktop-portal"
OLD = bytes(range(64))
DIGEST = hashlib.sha256(OLD).hexdigest()


@pytest.fixture
def serving(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[Bridge]:
    """Our daemon as the portal's backend."""
    with Bridge(bus, arguments=("--secret-portal",)) as peer:
        bus.wait_for_name(BUS_NAME)
        yield peer


@pytest.fixture
def portal(bus: PrivateBus, serving: Bridge) -> Iterator[DesktopPortal]:
    """The real portal over it."""
    with DesktopPortal(bus) as peer:
        yield peer


def _keep(bus: PrivateBus, application: str, value: bytes) -> None:
    """Keep a secret as KDE's daemon does."""
    client = bus.client()
    handle = client.open(appid=FOLDER)
    body = (handle, FOLDER, application, value, FOLDER)
    assert client.ask("writeEntry", "issays", *body).value == 0


def _kept(bus: PrivateBus, application: str) -> bytes:
    client = bus.client()
    handle = client.open(appid="test")
    found = client.ask("readEntry", "isss", handle, FOLDER, application, "test").value
    assert isinstance(found, bytes | bytearray | list)
    return bytes(found)


def test_an_application_gets_the_secret_kde_kept_for_it(
    bus: PrivateBus, portal: DesktopPortal
) -> None:
    """A secret in the wallet is the application's, byte for byte; another has another."""
    _keep(bus, "org.example.Old", OLD)
    assert portal.secret_of("org.example.Old") == DIGEST
    assert portal.secret_of("org.example.Other") not in {DIGEST, "none"}
    assert _kept(bus, "org.example.Old") == OLD


def test_a_new_secret_is_kept_over_restarts(
    bus: PrivateBus, portal: DesktopPortal, serving: Bridge, gnome_keyring: GnomeKeyring
) -> None:
    """Where there is none one is made, once, and stays: provider and daemon come and go."""
    first = portal.secret_of("org.example.New")
    serving.stop()
    gnome_keyring.restart()
    serving.start()
    bus.wait_for_name(BUS_NAME)
    assert portal.secret_of("org.example.New") == first
    kept = _kept(bus, "org.example.New")
    assert len(kept) == 64
    assert hashlib.sha256(kept).hexdigest() == first


def test_another_backends_item_is_found(bus: PrivateBus, portal: DesktopPortal) -> None:
    """What gnome-keyring's or oo7's backend left for an application is its secret."""
    secret = "x" * 64
    command = ["secret-tool", "store", "--label=Secret Portal token", "app_id", "org.example.Gnome"]
    bus.run(command, stdin=secret)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    assert portal.secret_of("org.example.Gnome") == digest


def test_without_a_provider_nothing_is_handed_out(
    bus: PrivateBus, portal: DesktopPortal, gnome_keyring: GnomeKeyring
) -> None:
    """Nobody gets a secret that is not kept, and the old one is there afterwards."""
    _keep(bus, "org.example.Old", OLD)
    gnome_keyring.kill()
    assert portal.secret_of("org.example.Old") == "PasswordNeededError"
    gnome_keyring.start()
    assert portal.secret_of("org.example.Old") == DIGEST


def test_only_the_portal_may_ask(bus: PrivateBus, serving: Bridge) -> None:
    """Anybody else could ask in another application's name: refused, and nothing is written."""
    client = bus.client()
    reply = client.call(
        BUS_NAME, PATH, INTERFACE, "RetrieveSecret", "osha{sv}", ["/x", "org.example.A", 0, {}]
    )
    assert reply.error == "org.freedesktop.DBus.Error.AccessDenied"
    properties = client.call(
        BUS_NAME, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", [INTERFACE, "version"]
    )
    assert properties.value == ("u", 1)
