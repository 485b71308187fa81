# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections and items in memory: the oracle of the contract, with a knob for each quirk.

Without quirks it behaves as gnome-keyring does; ``docs/reference/quirks.md`` tells what each quirk
changes. Nothing here suspends unless ``gate`` does.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreError,
    StoreLockedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.memory_items import (
    Box,
    Item,
    has_schemaless,
    replaced,
    rewrite_map,
    shown,
    with_value,
    within,
)
from kwallet_bridge.store.port import (
    DEFAULT_ALIAS,
    BackendEvent,
    BackendGone,
    BackendReturned,
    Collection,
    CollectionId,
    CollectionsTouched,
    ItemId,
    ItemInfo,
    ItemSecret,
    ItemTouched,
    NewItem,
    Quirks,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence


class MemoryBackend:
    """An :class:`ItemBackend` without a provider.

    ``calls`` counts calls by name. ``gate`` is awaited before each call with its name; it may
    suspend, or raise what the call shall raise. ``accept_prompts`` False dismisses every prompt.
    ``prompts`` counts them. ``prompt_at_writes`` asks before each item is made, as KeePassXC does.
    """

    def __init__(
        self, quirks: Quirks | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Hold nothing."""
        self._quirks = quirks or Quirks()
        self._clock = clock
        self._boxes: dict[CollectionId, Box] = {}
        self._aliases: dict[str, CollectionId] = {}
        self._listeners: list[Callable[[BackendEvent], None]] = []
        self._serial = 0
        self._numbers = 0
        self._up = True
        self.calls: Counter[str] = Counter()
        self.gate: Callable[[str], Awaitable[None]] | None = None
        self.spoil: Callable[[bytes], bytes] | None = None
        self.accept_prompts = True
        self.prompt_at_writes = False
        self.prompts = 0

    # --- for tests ------------------------------------------------------------------------------

    def add_collection(self, label: str, *, locked: bool = False, alias: str = "") -> CollectionId:
        """Make a collection without a prompt, as another program."""
        name = label.lower().replace(" ", "_")
        taken = sum(1 for box in self._boxes.values() if box.file == name)
        found = CollectionId(f"/collection/{name}{taken or ''}")
        self._boxes[found] = Box(label, name, locked)
        if alias:
            self._aliases[alias] = found
        self._emit(CollectionsTouched())
        return found

    def add_item(
        self,
        collection: CollectionId,
        attributes: Mapping[str, str],
        value: bytes = b"",
        *,
        label: str = "",
        content_type: str = "text/plain",
        modified: int | None = None,
    ) -> ItemId:
        """Make an item as another program, whatever is there already."""
        new = NewItem(label, dict(attributes), ItemSecret(Secret(value), content_type))
        found = self._add(collection, new, dict(attributes))
        if modified is not None:
            self._boxes[collection].items[found].modified = modified
        self._emit(ItemTouched(collection, found))
        return found

    def change_item(self, item: ItemId, value: bytes) -> None:
        """Give an item another secret, as another program."""
        collection, held = self._find(item)
        held.secret = ItemSecret(Secret(value), held.secret.content_type)
        held.modified = int(self._clock())
        self._emit(ItemTouched(collection, item))

    def drop_item(self, item: ItemId) -> None:
        """Delete an item, as another program."""
        collection, _held = self._find(item)
        del self._boxes[collection].items[item]
        self._emit(ItemTouched(collection, item))

    def lock_item(self, item: ItemId) -> None:
        """Lock a single item."""
        collection, held = self._find(item)
        held.locked = True
        self._emit(ItemTouched(collection, item))

    def set_locked(self, collection: CollectionId, *, locked: bool) -> None:
        """Lock or unlock a collection, as another program; as noisy as gnome-keyring."""
        box = self._boxes[collection]
        box.locked = locked
        self._emit(CollectionsTouched())
        for item in list(box.items):
            self._emit(ItemTouched(collection, item))

    def drop_collection(self, collection: CollectionId) -> None:
        """Delete a collection, as another program."""
        self._drop(collection)

    def set_alias(self, alias: str, collection: CollectionId) -> None:
        """Let an alias name a collection."""
        self._aliases[alias] = collection
        self._emit(CollectionsTouched())

    def dump(self, collection: CollectionId) -> list[tuple[str, dict[str, str], bytes, str]]:
        """Show every item: label, attributes, secret, content type; ordered by attributes."""
        items = self._boxes[collection].items.values()
        rows = [
            (i.label, dict(i.attributes), i.secret.value.reveal(), i.secret.content_type)
            for i in items
        ]
        return sorted(rows, key=lambda row: (sorted(row[1].items()), row[2]))

    def go(self) -> None:
        """Leave the bus."""
        self._up = False
        self._emit(BackendGone())

    def come_back(self) -> None:
        """Return with what was saved; paths may name other items now."""
        self._up = True
        for collection, box in self._boxes.items():
            self._reload(collection, box)
        self._emit(BackendReturned())

    def restart(self) -> None:
        """Leave and return."""
        self.go()
        self.come_back()

    # --- ItemBackend ----------------------------------------------------------------------------

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
        await self._enter("read_items", len(asked))
        found = {}
        for item in asked:
            box = self._home(item)
            if box is None or (box.locked and self._quirks.hides_locked_items):
                continue
            held = box.items[item]
            locked = box.locked or held.locked
            found[item] = ItemInfo(
                item, held.label, dict(held.attributes), locked, held.created, held.modified
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

    # --- inside ---------------------------------------------------------------------------------

    async def _enter(self, name: str, many: int = 1) -> None:
        self.calls[name] += 1
        if name.startswith("read_"):
            self.calls[f"{name}:items"] += many
        if self.gate is not None:
            await self.gate(name)
        if not self._up:
            raise StoreUnavailableError("the provider is gone")

    def _emit(self, event: BackendEvent) -> None:
        for listener in list(self._listeners):
            listener(event)

    def _prompt(self) -> None:
        self.prompts += 1
        if not self.accept_prompts:
            raise PromptDismissedError("a person said no")

    def _box(self, collection: CollectionId) -> Box:
        box = self._boxes.get(collection)
        if box is None:
            raise StoreError("the collection is gone")
        return box

    def _home(self, item: ItemId) -> Box | None:
        return self._boxes.get(CollectionId(item.rpartition("/")[0])) if self._has(item) else None

    def _has(self, item: ItemId) -> bool:
        box = self._boxes.get(CollectionId(item.rpartition("/")[0]))
        return box is not None and item in box.items

    def _find(self, item: ItemId) -> tuple[CollectionId, Item]:
        if not self._has(item):
            raise StoreRefusedError("the item is gone")
        collection = CollectionId(item.rpartition("/")[0])
        return collection, self._boxes[collection].items[item]

    def _label(self, box: Box) -> str:
        return box.file if box.locked and self._quirks.label_is_file_when_locked else box.label

    def _drop(self, collection: CollectionId) -> None:
        del self._boxes[collection]
        self._emit(CollectionsTouched())

    def _add(self, collection: CollectionId, item: NewItem, attributes: dict[str, str]) -> ItemId:
        self._serial += 1
        self._numbers += 1
        now = int(self._clock())
        found = ItemId(f"{collection}/{self._numbers}")
        self._boxes[collection].items[found] = Item(
            item.label, attributes, item.secret, now, now, self._serial, saved=dict(attributes)
        )
        return found

    def _rewritten(self, collection: CollectionId, item: NewItem) -> NewItem:
        """Change what is stored as the quirks say."""
        value = item.secret.value.reveal()
        if self._quirks.rewrites_text and b"{REF:" in value:
            self._add(collection, with_value(item, b""), dict(item.attributes))
            raise PromptDismissedError("the provider refused the text")
        if self._quirks.rewrites_maps and item.attributes.get("type") == "map":
            value = rewrite_map(value)
        if self.spoil is not None:
            value = self.spoil(value)
        return with_value(item, value)

    def _reload(self, collection: CollectionId, box: Box) -> None:
        if self._quirks.forgets_label_case:
            box.label = box.label.lower().capitalize()
        kept = [held for item, held in box.items.items() if item not in box.doomed]
        box.doomed.clear()
        box.items.clear()
        for held in kept:
            held.attributes = dict(held.saved)
            self._numbers += 1
            box.items[ItemId(f"{collection}/{self._numbers}")] = held
