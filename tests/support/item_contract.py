# SPDX-License-Identifier: GPL-3.0-or-later
"""What every item backend must do; test classes inherit it and provide two fixtures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from kwallet_bridge.errors import StoreRefusedError
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec
from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemSecret, ItemTouched
from support.backends import TEXT, attributes_of, make_item, store_text
from support.entries import NASTY

VALUES = {
    "empty": b"",
    "one byte": b"x",
    "a block": b"0123456789abcdef",
    "unicode": "Grüße, 世界 😀".encode(),
    "long": b"z" * (1 << 20),
}
NAMES = ("plain", "", "a/b", "Ключ", "שלום", "π😀", "new\nline", "{TITLE}", "x" * 5000)


Restart = Callable[[], Awaitable[CollectionId]]
"""Ends the provider, starts it again, and gives the collection, unlocked."""


class ItemContract:
    """Fixtures needed: ``backend``, ``collection``, an unlocked empty one's id, and ``restart``.

    What is written is read after the provider's restart: a running one may show from memory what
    its file has lost.
    """

    @pytest.mark.parametrize("name", VALUES)
    async def test_a_secret_comes_back(
        self, backend: ItemBackend, collection: CollectionId, restart: Restart, name: str
    ) -> None:
        """What is stored is what is read, byte for byte, at once and after a restart."""
        item = await backend.create_item(collection, make_item("k", VALUES[name]), replace=True)
        found = await backend.read_secrets([item])
        assert found[item].value.reveal() == VALUES[name]
        (item,) = await backend.search(await restart(), {"user": "k"})
        found = await backend.read_secrets([item])
        assert found[item].value.reveal() == VALUES[name]

    async def test_bytes_come_back(
        self, backend: ItemBackend, collection: CollectionId, restart: Restart
    ) -> None:
        """Any bytes survive as an octet stream."""
        data = bytes(range(256)) * 3
        new = make_item("k", data, content_type=codec.OCTETS)
        await backend.create_item(collection, new, replace=True)
        (item,) = await backend.search(await restart(), {"user": "k"})
        assert (await backend.read_secrets([item]))[item].value.reveal() == data

    async def test_nasty_texts_come_back(
        self, backend: ItemBackend, collection: CollectionId, restart: Restart
    ) -> None:
        """Texts that formats stumble over survive, but those a quirk says are lost as text."""
        lines = backend.quirks.text_is_a_line
        texts = [text for text in NASTY if not lines or codec.is_line(text.encode())]
        for number, text in enumerate(texts):
            new = make_item(str(number), text.encode(), content_type=codec.OCTETS)
            await backend.create_item(collection, new, replace=True)
        found = await backend.search(await restart(), {})
        infos, secrets = await backend.read_items(found), await backend.read_secrets(found)
        back = {int(infos[item].attributes["user"]): secrets[item] for item in found}
        assert [back[n].value.reveal().decode() for n in range(len(texts))] == texts

    @pytest.mark.parametrize("key", NAMES)
    async def test_names_come_back_and_are_found(
        self, backend: ItemBackend, collection: CollectionId, restart: Restart, key: str
    ) -> None:
        """Any text is an attribute's value that search finds, alone, after a restart too."""
        await store_text(backend, collection, "other", "o")
        item = await store_text(backend, collection, key, "v")
        assert list(await backend.search(collection, {"user": key})) == [item]
        (item,) = await backend.search(await restart(), {"user": key})
        info = (await backend.read_items([item]))[item]
        assert attributes_of(info) == make_item(key, b"").attributes
        assert info.label == f"F/{key}"
        assert not info.locked

    async def test_search_takes_subsets(
        self, backend: ItemBackend, collection: CollectionId
    ) -> None:
        """A search finds what has at least the attributes, all for none, nothing for a stranger."""
        items = {await store_text(backend, collection, f"k{n}", "v") for n in range(5)}
        assert set(await backend.search(collection, {})) == items
        assert set(await backend.search(collection, {"server": "F"})) == items
        assert list(await backend.search(collection, {"server": "F", "user": "none"})) == []

    async def test_replacing_leaves_one(
        self, backend: ItemBackend, collection: CollectionId, restart: Restart
    ) -> None:
        """Writing the same attributes again leaves one item, with the later secret."""
        await store_text(backend, collection, "k", "old")
        item = await store_text(backend, collection, "k", "new")
        assert list(await backend.search(collection, {"user": "k"})) == [item]
        (item,) = await backend.search(await restart(), {"user": "k"})
        assert (await backend.read_secrets([item]))[item].value.reveal() == b"new"

    async def test_adding_makes_twins(self, backend: ItemBackend, collection: CollectionId) -> None:
        """Without ``replace`` an equal item is a second one."""
        new = make_item("k", b"v")
        first = await backend.create_item(collection, new, replace=False)
        second = await backend.create_item(collection, new, replace=False)
        assert set(await backend.search(collection, {"user": "k"})) == {first, second}

    async def test_many_secrets_at_once(
        self, backend: ItemBackend, collection: CollectionId
    ) -> None:
        """More items than a slice holds come back each with its own secret."""
        items = {
            await store_text(backend, collection, f"k{n}", f"v{n}"): f"v{n}" for n in range(130)
        }
        secrets = await backend.read_secrets(items)
        assert {item: s.value.reveal().decode() for item, s in secrets.items()} == items
        assert set(await backend.read_items(items)) == set(items)

    async def test_vanished_items_are_left_out(
        self, backend: ItemBackend, collection: CollectionId
    ) -> None:
        """Deleted items are missing from every answer, and deleting them again is no error."""
        gone = await store_text(backend, collection, "gone", "v")
        stays = await store_text(backend, collection, "stays", "w")
        await backend.delete_item(gone)
        await backend.delete_item(gone)
        assert list(await backend.read_items([gone, stays])) == [stays]
        assert list(await backend.read_secrets([gone, stays])) == [stays]
        assert await backend.read_secrets([gone]) == {}
        assert list(await backend.search(collection, {"server": "F"})) == [stays]

    async def test_nothing_asked_nothing_answered(self, backend: ItemBackend) -> None:
        """Empty lists of items have empty answers."""
        assert await backend.read_items([]) == {}
        assert await backend.read_secrets([]) == {}

    async def test_changes_are_told(self, backend: ItemBackend, collection: CollectionId) -> None:
        """Making, replacing and deleting an item each touch it."""
        seen: list[object] = []
        backend.subscribe(seen.append)
        item = await store_text(backend, collection, "k", "v")
        await backend.is_locked(collection)
        assert ItemTouched(collection, item) in seen
        seen.clear()
        again = await store_text(backend, collection, "k", "w")
        await backend.is_locked(collection)
        assert ItemTouched(collection, again) in seen
        seen.clear()
        await backend.delete_item(again)
        await backend.is_locked(collection)
        assert ItemTouched(collection, again) in seen

    async def test_the_collection_is_listed(
        self, backend: ItemBackend, collection: CollectionId
    ) -> None:
        """The collection is listed once, unlocked and with its label."""
        found = [known for known in await backend.collections() if known.id == collection]
        assert [(known.label, known.locked) for known in found] == [("Login", False)]
        assert not await backend.is_locked(collection)
        await backend.unlock(collection)

    @pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
    async def test_text_the_bus_cannot_carry(
        self, backend: ItemBackend, collection: CollectionId, bad: str
    ) -> None:
        """NUL and lone surrogates in a name are refused, and nothing else breaks."""
        with pytest.raises(StoreRefusedError):
            await store_text(backend, collection, bad, "v")
        with pytest.raises(StoreRefusedError):
            await backend.search(collection, {"user": bad})
        item = await store_text(backend, collection, "k", "v")
        assert (await backend.read_secrets([item]))[item] == ItemSecret(Secret(b"v"), TEXT)
