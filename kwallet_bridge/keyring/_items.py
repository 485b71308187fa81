# SPDX-License-Identifier: GPL-3.0-or-later
"""Items and collections, as programs see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.keyring.errors import AbsentError, DamagedError, RefusedError, translated
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemId, ItemInfo

SCHEMA = "xdg:schema"
_NO_SCHEMA = "org.freedesktop.Secret.Generic"
_TEXT = "text/plain"
_BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ItemDetails:
    """What an item shows without its secret. Times are seconds since the epoch, 0 unknown."""

    label: str
    attributes: Mapping[str, str]
    created: int
    modified: int

    def __repr__(self) -> str:
        return "ItemDetails(...)"


class Item:
    """One secret with its label and attributes; everything is read when it is asked for."""

    __slots__ = ("_backend", "_collection", "_id")

    def __init__(self, backend: ItemBackend, collection: CollectionId, item: ItemId) -> None:
        self._backend = backend
        self._collection = collection
        self._id = item

    @property
    def id(self) -> str:
        """Name the item for as long as its keyring is open and its provider runs."""
        return self._id

    async def details(self) -> ItemDetails:
        """Return label, attributes and times, read together.

        Raises:
            AbsentError: The item is gone.
        """
        info = await self._read()
        return ItemDetails(info.label, info.attributes, info.created, info.modified)

    async def label(self) -> str:
        """Return the label."""
        return (await self._read()).label

    async def attributes(self) -> Mapping[str, str]:
        """Return the attributes; they are not secret."""
        return (await self._read()).attributes

    async def created(self) -> int:
        """Return when the item was made, in seconds since the epoch; 0 unknown."""
        return (await self._read()).created

    async def modified(self) -> int:
        """Return when the item was last changed, in seconds since the epoch; 0 unknown."""
        return (await self._read()).modified

    async def secret(self) -> bytes:
        """Return the secret's bytes.

        Raises:
            LockedError: The item is locked.
            AbsentError: The item is gone.
        """
        return (await self._read_secret()).value.reveal()

    async def secret_text(self) -> str:
        """Return the secret as text.

        Raises:
            UnicodeDecodeError: The secret is not UTF-8.
        """
        return (await self.secret()).decode()

    async def set_label(self, label: str) -> None:
        """Give the item another label.

        Raises:
            RefusedError: Another item has the same attributes, so the store could confuse them.
        """
        info, secret = await self._read(), await self._read_secret()
        await self._rewrite(NewItem(label, info.attributes, secret))

    async def set_secret(self, secret: bytes | str) -> None:
        """Give the item another secret; text is stored as UTF-8.

        Raises:
            RefusedError: Another item has the same attributes, so the store could confuse them.
        """
        info = await self._read()
        await self._rewrite(NewItem(info.label, info.attributes, sealed(secret)))

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Give the item other attributes; all former ones go."""
        with translated():
            await self._backend.set_attributes(self._id, attributes)
        if proper((await self._read()).attributes) != proper(attributes):
            raise RefusedError("the store did not take the attributes")

    async def is_locked(self) -> bool:
        """Return whether the item must be unlocked before its secret can be read."""
        return (await self._read()).locked

    async def unlock(self) -> None:
        """Unlock the item where it is locked by itself, awaiting the provider's prompt.

        Raises:
            DismissedError: A person said no.
        """
        with translated():
            await self._backend.unlock_items([self._id])

    async def delete(self) -> None:
        """Delete the item; one that is gone already is no error.

        Raises:
            RefusedError: The provider would delete other items with it.
        """
        await delete_one(self._backend, self._collection, self._id)

    async def _read(self) -> ItemInfo:
        with translated():
            found = await self._backend.read_items([self._id])
        if self._id not in found:
            raise AbsentError("the item is gone")
        return found[self._id]

    async def _read_secret(self) -> ItemSecret:
        with translated():
            found = await self._backend.read_secrets([self._id])
        if self._id not in found:
            raise AbsentError("the item is gone")
        return found[self._id]

    async def _rewrite(self, new: NewItem) -> None:
        """Replace the item in its place, if it is certain that no other one would be replaced."""
        attributes = proper(new.attributes)
        # Without the schema, more may be found than would be replaced, never less.
        query = {name: value for name, value in attributes.items() if name != SCHEMA}
        with translated():
            found = await self._backend.search(self._collection, query)
            if list(found) != [self._id]:
                raise RefusedError("other items have these attributes too, and might be replaced")
            new = NewItem(new.label, attributes, new.secret)
            made = await self._backend.create_item(self._collection, new, replace=True)
        old, self._id = self._id, made
        if (await self._read_secret()).value != new.secret.value or (
            await self._read()
        ).label != new.label:
            raise DamagedError("the store gives back something else than was written")
        if made != old:
            with translated():
                left = await self._backend.search(self._collection, query)
            if old in left:
                await delete_one(self._backend, self._collection, old)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Item):
            return NotImplemented
        return self._id == other._id and self._backend is other._backend

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return "Item(...)"


class Collection:
    """Items that are locked and unlocked together."""

    __slots__ = ("_backend", "_id")

    def __init__(self, backend: ItemBackend, collection: CollectionId) -> None:
        self._backend = backend
        self._id = collection

    @property
    def id(self) -> str:
        """Name the collection for as long as its keyring is open and its provider runs."""
        return self._id

    async def label(self) -> str:
        """Return the label.

        Raises:
            AbsentError: The collection is gone.
        """
        with translated():
            for seen in await self._backend.collections():
                if seen.id == self._id:
                    return seen.label
        raise AbsentError("the collection is gone")

    async def create_item(
        self,
        label: str,
        attributes: Mapping[str, str],
        secret: bytes | str,
        *,
        replace: bool = True,
    ) -> Item:
        """Store a secret and return its item once the store says that it is kept.

        With ``replace`` it takes the place of an item with these attributes, by the store's rule;
        without, it stands beside it. Text is stored as UTF-8.

        Raises:
            LockedError: The collection is locked.
            DismissedError: The provider asked, and a person said no.
            RefusedError: The store cannot hold it.
        """
        new = NewItem(label, dict(attributes), sealed(secret))
        with translated():
            made = await self._backend.create_item(self._id, new, replace=replace)
        item = Item(self._backend, self._id, made)
        if self._backend.quirks.rewrites_text and await item.secret() != new.secret.value.reveal():
            raise DamagedError("the provider altered the text that was stored")
        return item

    async def search_items(self, attributes: Mapping[str, str]) -> Sequence[Item]:
        """Return every item that has at least these attributes; ``{}`` finds all.

        An empty answer is proven: what cannot be searched wholly raises.

        Raises:
            LockedError: The collection is locked and hides what it holds.
            DamagedError: Something that cannot be read may be what is looked for.
        """
        with translated():
            found = await self._backend.search(self._id, dict(attributes))
        return [Item(self._backend, self._id, item) for item in found]

    async def items(self) -> Sequence[Item]:
        """Return all items."""
        return await self.search_items({})

    async def delete_items(self, attributes: Mapping[str, str]) -> int:
        """Delete every item that has at least these attributes, and return how many there were.

        Raises:
            ValueError: There are no attributes, which would delete everything.
        """
        if not attributes:
            raise ValueError("no attributes would match every item; delete them one by one")
        found = await self.search_items(attributes)
        for item in found:
            await item.delete()
        return len(found)

    async def is_locked(self) -> bool:
        """Return whether the collection is locked, as the store says now."""
        with translated():
            return await self._backend.is_locked(self._id)

    async def unlock(self) -> None:
        """Unlock the collection, awaiting the provider's prompt.

        Raises:
            DismissedError: A person said no.
        """
        with translated():
            await self._backend.unlock(self._id)

    async def lock(self) -> None:
        """Lock the collection."""
        with translated():
            await self._backend.lock(self._id)

    async def delete(self) -> None:
        """Delete the collection with all it holds; the provider may ask a person."""
        with translated():
            await self._backend.delete_collection(self._id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Collection):
            return NotImplemented
        return self._id == other._id and self._backend is other._backend

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return "Collection(...)"


def proper(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return attributes without the schema that gnome-keyring gives to items that have none.

    It does so when it saves, up to a second after the item was made: one and the same item is
    seen without it and then with it.
    """
    return {k: v for k, v in attributes.items() if (k, v) != (SCHEMA, _NO_SCHEMA)}


def sealed(secret: bytes | str) -> ItemSecret:
    """Return a secret as it is stored."""
    if isinstance(secret, str):
        return ItemSecret(Secret(secret.encode()), _TEXT)
    return ItemSecret(Secret(bytes(secret)), _BYTES)


async def delete_one(backend: ItemBackend, collection: CollectionId, item: ItemId) -> None:
    """Delete an item, unless its provider would delete others with it."""
    with translated():
        if backend.quirks.delete_takes_supersets:
            shown = await backend.read_items([item])
            if item in shown:
                found = await backend.search(collection, shown[item].attributes)
                if set(found) - {item}:
                    raise RefusedError("this provider would delete other items with this one")
        await backend.delete_item(item)


def ids_of(items: Iterable[Item]) -> list[ItemId]:
    """Return the ids of items."""
    return [item._id for item in items]  # noqa: SLF001  of this module's own class
