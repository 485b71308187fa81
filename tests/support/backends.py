# SPDX-License-Identifier: GPL-3.0-or-later
"""Short words for tests of item backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import ItemSecret, NewItem

if TYPE_CHECKING:
    from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemId, ItemInfo

TEXT = "text/plain"
# Providers add these by themselves.
PROVIDERS_OWN = ("xdg:content-type", "gkr:", "Title", "UserName", "URL", "Notes", "Uuid", "Path")


def make_item(key: str, value: bytes, *, folder: str = "F", content_type: str = TEXT) -> NewItem:
    """Make a KWallet password's item."""
    attributes = {
        "server": folder,
        "user": key,
        "type": "plaintext",
        "xdg:schema": "org.qt.keychain",
    }
    return NewItem(f"{folder}/{key}", attributes, ItemSecret(Secret(value), content_type))


async def store_text(backend: ItemBackend, collection: CollectionId, key: str, text: str) -> ItemId:
    """Store a password, replacing."""
    return await backend.create_item(collection, make_item(key, text.encode()), replace=True)


def attributes_of(info: ItemInfo) -> dict[str, str]:
    """Give an item's attributes without what the provider adds."""
    return {
        name: value for name, value in info.attributes.items() if not name.startswith(PROVIDERS_OWN)
    }
