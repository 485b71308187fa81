# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.backends import attributes_of, make_item, store_text
from support.keepassxc import KeePassXC
from support.peers import Xvfb

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import StoreError, StoreLockedError
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.quirks import KEEPASSXC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.private_bus import PrivateBus

    from kwallet_bridge.store.port import CollectionId


@pytest.fixture
def keepassxc(bus: PrivateBus) -> Iterator[KeePassXC]:
    """The real program, its database open."""
    with Xvfb(bus) as display, KeePassXC(bus, display) as peer:
        yield peer


@pytest.fixture
async def backend(bus: PrivateBus, keepassxc: KeePassXC) -> AsyncIterator[SecretServiceBackend]:
    """Our backend over it."""
    connection = await BusConnection.connect(bus.address)
    made = SecretServiceBackend(connection, service_name=keepassxc.name)
    yield made
    await made.close()
    connection.close()


@pytest.fixture
async def collection(backend: SecretServiceBackend) -> CollectionId:
    """Its exposed database."""
    return await opened(backend)


async def opened(backend: SecretServiceBackend) -> CollectionId:
    """Wait until it has opened its database, which it shows locked before."""
    told = asyncio.Event()
    backend.subscribe(lambda _: told.set())
    async with asyncio.timeout(30):
        while True:
            told.clear()
            found = [known for known in await backend.collections() if not known.locked]
            if found:
                assert found[0].label == "kdewallet"
                return found[0].id
            await told.wait()


async def test_items_come_back(backend: SecretServiceBackend, collection: CollectionId) -> None:
    """Writing asks through a prompt and returns the item; text, bytes and names come back."""
    names = ("plain", "", "a/b", "Ключ 😀", "x" * 5000)
    values = {name: f"value of {name} Grüße".encode() for name in names}
    items = {
        name: await backend.create_item(collection, make_item(name, value), replace=True)
        for name, value in values.items()
    }
    assert backend.quirks == KEEPASSXC
    assert backend.encrypted
    secrets = await backend.read_secrets(items.values())
    assert {name: secrets[item].value.reveal() for name, item in items.items()} == values
    infos = await backend.read_items(items.values())
    for name, item in items.items():
        assert list(await backend.search(collection, {"user": name})) == [item]
        assert attributes_of(infos[item]) == make_item(name, b"").attributes
    data = bytes(range(256))
    raw = make_item("raw", data, content_type="application/octet-stream")
    item = await backend.create_item(collection, raw, replace=True)
    assert (await backend.read_secrets([item]))[item].value.reveal() == data


async def test_replacing_and_deleting(
    backend: SecretServiceBackend, collection: CollectionId
) -> None:
    """A second write replaces; a deleted item is left out, and deleting it again is no error."""
    item = await store_text(backend, collection, "k", "old")
    other = await store_text(backend, collection, "other", "o")
    assert await store_text(backend, collection, "k", "new") == item
    assert (await backend.read_secrets([item]))[item].value.reveal() == b"new"
    await backend.delete_item(item)
    await backend.delete_item(item)
    assert list(await backend.read_secrets([item, other])) == [other]
    assert await backend.read_secrets([item]) == {}
    assert list(await backend.search(collection, {"server": "F"})) == [other]
    assert list(await backend.search(collection, {})) == [other]


async def test_what_it_refuses_leaves_nothing(
    backend: SecretServiceBackend, collection: CollectionId
) -> None:
    """A reference in a secret is refused, and the item begun for it is gone."""
    with pytest.raises(StoreError):
        await store_text(backend, collection, "k", "{REF:P@I:46C9B1FFBD4ABC4BBB260C6190BAD20C}")
    assert list(await backend.search(collection, {})) == []


async def test_locked_is_not_empty(backend: SecretServiceBackend, collection: CollectionId) -> None:
    """Locked, every question is an error, though KeePassXC itself answers "nothing"."""
    item = await store_text(backend, collection, "k", "v")
    await backend.lock(collection)
    assert await backend.is_locked(collection)
    with pytest.raises(StoreLockedError):
        await backend.search(collection, {"user": "k"})
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item])
    with pytest.raises(StoreLockedError):
        await backend.read_items([item])
    with pytest.raises(StoreLockedError):
        await backend.delete_item(item)
    with pytest.raises(StoreLockedError):
        await store_text(backend, collection, "k", "w")
    assert [known.locked for known in await backend.collections()] == [True]


async def test_it_survives_a_restart(
    backend: SecretServiceBackend, collection: CollectionId, keepassxc: KeePassXC
) -> None:
    """What was stored is there under the next process."""
    await store_text(backend, collection, "k", "Grüße")
    keepassxc.restart()
    found = await opened(backend)
    (item,) = await backend.search(found, {"user": "k"})
    assert (await backend.read_secrets([item]))[item].value.reveal() == "Grüße".encode()
