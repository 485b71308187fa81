# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provider in memory holds, and the hands of tests upon it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.memory_items import (
    Box,
    Item,
    read_line,
    rewrite_map,
    with_value,
)
from kwallet_bridge.store.port import (
    BackendEvent,
    BackendGone,
    BackendReturned,
    CollectionId,
    CollectionsTouched,
    ItemId,
    ItemSecret,
    ItemTouched,
    NewItem,
    Quirks,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


class MemoryProvider:
    """Collections and items, and what other programs, people and restarts do to them."""

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

    def announce(self, collection: CollectionId, item: ItemId | None) -> None:
        """Tell of an item, or of none in particular, though nothing happened."""
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
            if self._quirks.text_is_a_line:
                line = read_line(held.secret.value.reveal())
                held.secret = ItemSecret(Secret(line), held.secret.content_type)
            self._numbers += 1
            box.items[ItemId(f"{collection}/{self._numbers}")] = held
