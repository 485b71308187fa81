# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections and items in memory: the oracle of the contract, with a knob for each quirk.

Without quirks it behaves as gnome-keyring does; ``docs/reference/quirks.md`` tells what each quirk
changes. Nothing here suspends unless ``gate`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    StoreLockedError,
)
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.memory_items import (
    has_schemaless,
    replaced,
    shown,
    within,
)
from kwallet_bridge.store.memory_provider import MemoryProvider
from kwallet_bridge.store.port import (
    DEFAULT_ALIAS,
    BackendEvent,
    Collection,
    CollectionId,
    ItemId,
    ItemInfo,
    ItemSecret,
    ItemTouched,
    NewItem,
    Quirks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class MemoryBackend(MemoryProvider):
    """An :class:`ItemBackend` without a provider.

    ``calls`` counts calls by name. ``gate`` is awaited before each call with its name; it may
    suspend, or raise what the call shall raise. ``accept_prompts`` False dismisses every prompt.
    ``prompts`` counts them. ``prompt_at_writes`` asks before each item is made, as KeePassXC does.
    """

    # --- ItemBackend ----------------------------------------------------------------------------

    @property
    def destination(self) -> str:
        """Name the store as a migration's ``--to`` does."""
        return "memory"

    @property
    def quirks(self) -> Quirks:
        """What this provider does its own way."""
        return self._quirks

    def subscribe(self, listener: Callable[[BackendEvent], None]) -> None:
        """Have ``listener`` told of every event from now on."""
        self._listeners.append(listener)

    async def is_reachable(self) -> bool:
        """Tell whether the backend is up."""
        return self._up

    async def collections(self) -> Sequence[Collection]:
        """List the collections."""
        await self._enter("collections")
        return [Collection(i, self._label(box), box.locked) for i, box in self._boxes.items()]

    async def read_alias(self, alias: str) -> CollectionId | None:
        """Resolve an alias."""
        await self._enter("read_alias")
        if alias == DEFAULT_ALIAS and not self._quirks.default_alias:
            return None
        found = self._aliases.get(alias)
        return found if found in self._boxes else None

    async def create_collection(self, label: str, *, window_id: str = "") -> CollectionId:
        """Make a collection."""
        await self._enter("create_collection")
        self._prompt()
        return self.add_collection(label)

    async def delete_collection(self, collection: CollectionId) -> None:
        """Delete a collection."""
        await self._enter("delete_collection")
        self._box(collection)
        self._drop(collection)

    async def is_locked(self, collection: CollectionId) -> bool:
        """Tell whether a collection is locked."""
        await self._enter("is_locked")
        return self._box(collection).locked

    async def unlock(self, collection: CollectionId, *, window_id: str = "") -> None:
        """Unlock a collection."""
        await self._enter("unlock")
        if self._box(collection).locked:
            self._prompt()
            self.set_locked(collection, locked=False)

    async def lock(self, collection: CollectionId) -> None:
        """Lock a collection."""
        await self._enter("lock")
        if not self._box(collection).locked:
            self.set_locked(collection, locked=True)

    async def search(
        self, collection: CollectionId, attributes: Mapping[str, str]
    ) -> Sequence[ItemId]:
        """Find the items that have at least these attributes."""
        await self._enter("search")
        box = self._box(collection)
        if box.locked and self._quirks.hides_locked_items:
            raise StoreLockedError("the collection is locked")
        wanted = attributes.items()
        return [i for i, held in box.items.items() if wanted <= held.attributes.items()]

    async def read_items(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemInfo]:
        """Read label, attributes, lock and times."""
        asked = list(items)
        second = int(self._clock())
        await self._enter("read_items", len(asked))
        found = {}
        for item in asked:
            box = self._home(item)
            if box is None or (box.locked and self._quirks.hides_locked_items):
                continue
            held = box.items[item]
            locked = box.locked or held.locked
            found[item] = ItemInfo(
                item, held.label, dict(held.attributes), locked, held.created, held.modified, second
            )
        return found

    async def read_secrets(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemSecret]:
        """Read secrets."""
        asked = list(items)
        await self._enter("read_secrets", len(asked))
        found = {}
        for item in asked:
            box = self._home(item)
            if box is None:
                continue
            held = box.items[item]
            if not (box.locked or held.locked):
                found[item] = shown(held, self._quirks)
            elif self._quirks.locked_reads_empty:
                found[item] = ItemSecret(Secret(b""))
            else:
                raise StoreLockedError("an item is locked")
        return found

    async def unlock_items(self, items: Iterable[ItemId], *, window_id: str = "") -> None:
        """Unlock single items."""
        asked = list(items)
        await self._enter("unlock_items", len(asked))
        self._prompt()
        for item in asked:
            self._find(item)[1].locked = False

    async def create_item(
        self, collection: CollectionId, item: NewItem, *, replace: bool
    ) -> ItemId:
        """Store an item."""
        await self._enter("create_item")
        box = self._box(collection)
        if box.locked:
            raise StoreLockedError("the collection is locked")
        if self.prompt_at_writes:
            self._prompt()
        attributes = dict(item.attributes)
        if self._quirks.replaces_exact_only:
            attributes["xdg:content-type"] = item.secret.content_type
        old = replaced(box, attributes, exact=self._quirks.replaces_exact_only) if replace else None
        if old is not None and self._quirks.replaces_exact_only:
            del box.items[old]
            self._emit(ItemTouched(collection, old))
            old = None
        item = self._rewritten(collection, item)
        if old is None:
            if self._quirks.schemaless_twins and has_schemaless(box, attributes):
                attributes["user"] = attributes.get("user", "") + "__0_"
            old = self._add(collection, item, attributes)
        else:
            held = box.items[old]
            held.label, held.attributes, held.secret = item.label, attributes, item.secret
            held.saved = dict(attributes)
            held.modified = int(self._clock())
            self._serial += 1
            held.serial = self._serial
        self._emit(ItemTouched(collection, old))
        return old

    async def set_attributes(self, item: ItemId, attributes: Mapping[str, str]) -> None:
        """Give an item other attributes."""
        await self._enter("set_attributes")
        collection, held = self._find(item)
        if self._boxes[collection].locked:
            raise StoreLockedError("the collection is locked")
        held.attributes = dict(attributes)
        if not self._quirks.setters_forgotten:
            held.saved = dict(attributes)
        self._emit(ItemTouched(collection, item))

    async def delete_item(self, item: ItemId) -> None:
        """Delete an item."""
        await self._enter("delete_item")
        box = self._home(item)
        if box is None:
            return
        if box.locked:
            raise StoreLockedError("the collection is locked")
        collection, held = self._find(item)
        del box.items[item]
        if self._quirks.delete_takes_supersets:
            # They go from the file at once and from memory at the restart; later items stay.
            lost = (
                i for i, other in box.items.items() if within(held.attributes, other.attributes)
            )
            box.doomed.update(lost)
        self._emit(ItemTouched(collection, item))

    async def close(self) -> None:
        """Let go of the listeners."""
        self._listeners.clear()
