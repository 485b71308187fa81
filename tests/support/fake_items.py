# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stand-in provider keeps, and how each quirk bends it; no bus here."""

from __future__ import annotations

import itertools
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.store.memory_items import read_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.store.port import Quirks

ROOT = "/org/freedesktop/secrets"
COLLECTIONS = f"{ROOT}/collection/"
SCHEMA = "xdg:schema"
TEXT = "text/plain"
IS_LOCKED = "org.freedesktop.Secret.Error.IsLocked"
NO_SESSION = "org.freedesktop.Secret.Error.NoSession"
NO_OBJECT = "org.freedesktop.Secret.Error.NoSuchObject"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
NOT_SUPPORTED = "org.freedesktop.DBus.Error.NotSupported"


class FakeError(Exception):
    """Answer with this D-Bus error."""


@dataclass
class FakeItem:
    """One item. ``written`` is what its file holds, where setters reach memory only."""

    path: str
    label: str
    attributes: dict[str, str]
    secret: bytes
    content_type: str = TEXT
    order: int = 0
    created: int = 0
    modified: int = 0
    locked: bool = False
    doomed: bool = False
    written: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.written = dict(self.attributes)


@dataclass
class FakeCollection:
    """One collection, in the order its items came."""

    path: str
    label: str
    locked: bool = False
    opened: bool = True
    items: dict[str, FakeItem] = field(default_factory=dict)


class FakeVault:
    """Every collection of the stand-in, with one behaviour per field of ``quirks``."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks
        self.collections: dict[str, FakeCollection] = {}
        self._order = itertools.count(1)
        self._numbers = itertools.count(1)
        self.late = quirks.collections_come_late or quirks.starts_empty
        self._looks = 0
        # Both are oo7's: no other provider replaces by equality.
        self._names_content_type = self.shows_locked = quirks.replaces_exact_only
        self.add_collection("Login")

    # --- looking ---------------------------------------------------------------------------

    def listed(self) -> list[str]:
        """Give the collections' paths; one that comes late may name them before they are there."""
        if self.late and self.quirks.starts_empty:
            return []
        self._looks += self.late
        return [] if self.late and self._looks == 1 else list(self.collections)

    def alias(self, name: str) -> str:
        """Resolve an alias; a default collection with a place of its own is named before it is."""
        if name != "default" or not self.quirks.default_alias:
            return "/"
        own = f"{COLLECTIONS}default" if self.quirks.own_default else "/"
        return next(iter(self.collections), own)

    def collection(self, path: str) -> FakeCollection:
        """Find a collection."""
        if path not in self.collections or self.late:
            raise FakeError(NO_OBJECT)
        return self.collections[path]

    def label(self, collection: FakeCollection) -> str:
        """Give a collection's label."""
        if collection.locked and self.quirks.label_is_file_when_locked:
            return collection.path.rpartition("/")[2]
        return collection.label

    def item(self, path: str) -> FakeItem:
        """Find an item that a client can see."""
        collection = self.collections.get(path.rpartition("/")[0])
        hidden = collection is not None and self.hides(collection) and not self.shows_locked
        if collection is None or path not in collection.items or hidden:
            raise FakeError(NO_OBJECT)
        return collection.items[path]

    def listed_items(self, collection: FakeCollection) -> list[str]:
        """Give the paths of the items a client is told of."""
        return [] if self.hides(collection) and not self.shows_locked else list(collection.items)

    def weigh(self, paths: list[str]) -> int:
        """Add up the secrets of items, seen or not."""
        boxes = self.collections.values()
        return sum(
            len(box.items[path].secret) for path in paths for box in boxes if path in box.items
        )

    def hides(self, collection: FakeCollection) -> bool:
        """Tell whether a collection shows no items."""
        return collection.locked and self.quirks.hides_locked_items

    def is_locked(self, item: FakeItem) -> bool:
        """Tell whether an item is locked."""
        alone = self.quirks.items_lock_singly and item.locked
        return alone or self.collections[item.path.rpartition("/")[0]].locked

    def search(self, collection: FakeCollection, wanted: Mapping[str, str]) -> list[str]:
        """Find items that have at least these attributes."""
        if self.hides(collection):
            return []
        blind = self.quirks.hides_locked_schema and not collection.opened
        if blind and SCHEMA in wanted:
            return []
        return [item.path for item in collection.items.values() if has(item, wanted)]

    def read(self, item: FakeItem) -> tuple[bytes, str]:
        """Give secret and content type."""
        if self.is_locked(item):
            if self.quirks.locked_reads_empty:
                return b"", item.content_type
            raise FakeError(IS_LOCKED)
        secret = item.secret
        if self.quirks.rewrites_text and item.content_type == TEXT:
            secret = secret.replace(b"{TITLE}", item.label.encode())
        return secret, item.content_type if self.quirks.keeps_content_type else TEXT

    # --- changing --------------------------------------------------------------------------

    def add_collection(self, label: str, *, locked: bool = False) -> FakeCollection:
        """Make a collection."""
        name = re.sub(r"\W", "_", label.lower(), flags=re.ASCII)
        path = COLLECTIONS + name
        while path in self.collections:
            path += "_"
        made = FakeCollection(path, label, locked=locked, opened=not locked)
        self.collections[path] = made
        return made

    def add_item(
        self,
        collection: FakeCollection,
        label: str,
        attributes: Mapping[str, str],
        secret: bytes,
        content_type: str = TEXT,
    ) -> FakeItem:
        """Add an item as it is, past every rule."""
        path = f"{collection.path}/{next(self._numbers)}"
        item = FakeItem(path, label, dict(attributes), secret, content_type, next(self._order))
        item.created = item.modified = int(time.time())
        collection.items[path] = item
        return item

    def store(
        self,
        collection: FakeCollection,
        label: str,
        attributes: Mapping[str, str],
        secret: bytes,
        content_type: str,
        *,
        replace: bool,
    ) -> tuple[FakeItem, FakeItem | None]:
        """Store an item by the provider's rules; gives it, and the one it pushed out."""
        refused = content_type == TEXT and not is_text(secret)
        if self.quirks.leaves_refused_items and refused:
            self.add_item(collection, label, attributes, b"", content_type)
            raise FakeError(INVALID_ARGS)
        kept = self._as_kept(attributes, secret, content_type)
        if self._names_content_type:
            attributes = {"xdg:content-type": content_type, **attributes}
        old = self._replaced(collection, attributes) if replace else None
        if old is not None and not self.quirks.replaces_exact_only:
            old.label, old.attributes, old.secret = label, dict(attributes), kept
            old.content_type, old.modified = content_type, int(time.time())
            old.order = next(self._order)
            old.written = dict(attributes)
            return old, None
        if old is not None:
            del collection.items[old.path]
        names = self._as_filed(collection, attributes) if replace else attributes
        return self.add_item(collection, label, names, kept, content_type), old

    def _replaced(
        self, collection: FakeCollection, attributes: Mapping[str, str]
    ) -> FakeItem | None:
        exact = self.quirks.replaces_exact_only
        fitting = [
            item
            for item in collection.items.values()
            if (item.attributes == attributes if exact else has(item, attributes))
        ]
        return max(fitting, key=lambda item: item.order, default=None)

    def _as_kept(self, attributes: Mapping[str, str], secret: bytes, content_type: str) -> bytes:
        if self.quirks.rewrites_maps and attributes.get("type") == "map":
            return rewrite_map(secret)
        if self.quirks.rewrites_text and content_type == TEXT:
            return secret.split(b"\0")[0].decode("utf-8", "replace").encode()
        return secret

    def _as_filed(
        self, collection: FakeCollection, attributes: Mapping[str, str]
    ) -> dict[str, str]:
        names = dict(attributes)
        if self.quirks.schemaless_twins:
            place: dict[str, str] = {key: names[key] for key in ("server", "user") if key in names}
            natives = [item for item in collection.items.values() if SCHEMA not in item.attributes]
            if len(place) == 2 and any(has(item, place) for item in natives):
                names["user"] += "__0_"
        return names

    def delete(self, item: FakeItem) -> None:
        """Delete an item."""
        collection = self.collections[item.path.rpartition("/")[0]]
        del collection.items[item.path]
        if self.quirks.delete_takes_supersets:
            for other in collection.items.values():
                other.doomed = other.doomed or has(other, item.attributes)

    def restart(self) -> None:
        """Do what a restart does to memory and files."""
        self.late = self.quirks.collections_come_late or self.quirks.starts_empty
        self._looks = 0
        for collection in list(self.collections.values()):
            if self.quirks.labels_are_paths and "/" in collection.label:
                del self.collections[collection.path]
            if self.quirks.forgets_label_case:
                collection.label = collection.label.lower().capitalize()
            for item in list(collection.items.values()):
                if item.doomed:
                    del collection.items[item.path]
                if self.quirks.setters_forgotten:
                    item.attributes = dict(item.written)
                if self.quirks.text_is_a_line:
                    item.secret = read_line(item.secret)


def has(item: FakeItem, wanted: Mapping[str, str]) -> bool:
    """Tell whether an item has at least these attributes."""
    return wanted.items() <= item.attributes.items()


def is_text(data: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def rewrite_map(secret: bytes) -> bytes:
    """Parse a map and write it as an object of strings, as ksecretd does."""
    try:
        value = json.loads(secret)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return b"{}"
    strings = {key: text if isinstance(text, str) else "" for key, text in value.items()}
    return json.dumps(strings, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
