# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.backends import attributes_of, make_item, store_text
from support.entries import password
from support.item_contract import ItemContract, Restart

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreLockedError,
    StoreUnavailableError,
)
from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.quirks import GNOME_KEYRING
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.port import (
    BackendGone,
    BackendReturned,
    CollectionId,
    CollectionsTouched,
    ItemId,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

W = WalletName("kdewallet")


@pytest.fixture
async def backend(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> AsyncIterator[SecretServiceBackend]:
    """Our backend over the real program."""
    connection = await BusConnection.connect(bus.address)
    made = SecretServiceBackend(connection, service_name=gnome_keyring.name)
    yield made
    await made.close()
    connection.close()


@pytest.fixture
async def collection(backend: SecretServiceBackend) -> CollectionId:
    """The login collection."""
    found = await backend.read_alias("default")
    assert found is not None
    return found


@pytest.fixture
def restart(backend: SecretServiceBackend, gnome_keyring: GnomeKeyring) -> Restart:
    """Restart the program."""

    async def again() -> CollectionId:
        gnome_keyring.restart()
        found = await backend.read_alias("default")
        assert found is not None
        await backend.unlock(found)
        return found

    return again


class TestItemsOverGnomeKeyring(ItemContract):
    """The contract over gnome-keyring."""


async def test_it_is_recognised(backend: SecretServiceBackend, collection: CollectionId) -> None:
    """The real program gets its own row, and an encrypted session."""
    await store_text(backend, collection, "k", "v")
    assert backend.quirks == GNOME_KEYRING
    assert backend.provider_kind == "gnome-keyring"
    assert backend.encrypted


async def test_what_was_stored_survives_a_restart(
    backend: SecretServiceBackend, collection: CollectionId, gnome_keyring: GnomeKeyring
) -> None:
    """Secret and attributes are the same under the next process, and old ids are refused."""
    seen: list[object] = []
    item = await store_text(backend, collection, "k", "Grüße")
    backend.subscribe(seen.append)
    gnome_keyring.restart()
    assert await backend.read_alias("default") == collection
    (again,) = await backend.search(collection, {"user": "k"})
    info = (await backend.read_items([again]))[again]
    assert attributes_of(info) == make_item("k", b"").attributes
    assert (await backend.read_secrets([again]))[again].value.reveal() == "Grüße".encode()
    assert seen[:2] == [BackendGone(), BackendReturned()]
    with pytest.raises(StoreUnavailableError):
        await backend.read_secrets([item])


async def test_a_locked_collection_is_no_empty_one(
    backend: SecretServiceBackend, collection: CollectionId
) -> None:
    """Locked: reading and writing fail as locked, searching still answers, and it is told."""
    seen: list[object] = []
    item = await store_text(backend, collection, "k", "v")
    backend.subscribe(seen.append)
    await backend.lock(collection)
    assert CollectionsTouched() in seen
    assert await backend.is_locked(collection)
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item])
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item, ItemId(item.rpartition("/")[0] + "/999")])
    with pytest.raises(StoreLockedError):
        await store_text(backend, collection, "k", "w")
    assert list(await backend.search(collection, {"user": "k"})) == [item]


async def test_nobody_to_ask_is_a_dismissal(
    backend: SecretServiceBackend, collection: CollectionId
) -> None:
    """Without a prompter on the bus, unlocking and creating end at once as dismissed."""
    await backend.lock(collection)
    with pytest.raises(PromptDismissedError):
        await backend.unlock(collection)
    with pytest.raises(PromptDismissedError):
        await backend.create_collection("another")


async def test_a_schema_is_not_searched_for_in_a_keyring_never_opened(
    backend: SecretServiceBackend, collection: CollectionId, gnome_keyring: GnomeKeyring
) -> None:
    """Freshly started and locked, "nothing with this schema" is an error, not an answer."""
    await store_text(backend, collection, "k", "v")
    gnome_keyring.password = "not this one"
    gnome_keyring.restart()
    await backend.collections()
    with pytest.raises(StoreLockedError):
        await backend.search(collection, {"user": "k", "xdg:schema": "org.qt.keychain"})
    assert len(await backend.search(collection, {"user": "k"})) == 1


async def test_no_provider_is_told_at_once(bus: PrivateBus) -> None:
    """With nobody on the bus and nothing to start, a call fails as unavailable."""
    connection = await BusConnection.connect(bus.address)
    backend = SecretServiceBackend(connection)
    with pytest.raises(StoreUnavailableError):
        await backend.collections()
    connection.close()


@pytest.mark.starts_services
async def test_an_activatable_provider_is_started(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """A call starts the provider when the bus knows how."""
    gnome_keyring.stop()
    bus.make_activatable(
        gnome_keyring.name,
        ["/usr/bin/gnome-keyring-daemon", "--start", "--foreground", "--components=secrets"],
    )
    connection = await BusConnection.connect(bus.address)
    backend = SecretServiceBackend(connection)
    await backend.collections()
    assert backend.provider_kind == "gnome-keyring"
    connection.close()


async def test_without_a_default_alias_its_only_keyring_serves(
    bus: PrivateBus, backend: SecretServiceBackend, collection: CollectionId
) -> None:
    """The bridge takes the one keyring that the real program calls nobody's default."""
    connection = await BusConnection.connect(bus.address)
    store = EntryStore(backend)
    try:
        await connection.call(
            "org.freedesktop.secrets",
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service",
            "SetAlias",
            "so",
            ["default", "/"],
        )
        assert await backend.read_alias("default") is None
        await store.write(W, FolderName("f"), Key("k"), password("x"))
        assert len(await backend.search(collection, {"user": "k"})) == 1
        assert await store.list_wallets() == (W,)
    finally:
        await store.close()
        connection.close()
