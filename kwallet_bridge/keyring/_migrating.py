# SPDX-License-Identifier: GPL-3.0-or-later
"""Move items from one store to another: written, read back, and only then deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.errors import StoreDamagedError, StoreRefusedError
from kwallet_bridge.keyring._items import delete_one, proper
from kwallet_bridge.store.port import NewItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kwallet_bridge.store.port import Collection, CollectionId, ItemBackend, ItemId


async def move_items(
    source: ItemBackend,
    destination: ItemBackend,
    home: CollectionId,
    wanted: Iterable[Mapping[str, str]],
    *,
    replaces: bool,
) -> int:
    """Move all items that match one of ``wanted`` into the collection ``home``."""
    if source is destination:
        raise StoreRefusedError("items are moved from one keyring to another")
    written: list[Mapping[str, str]] = []
    moved = 0
    for attributes in wanted:
        for collection in await source.collections():
            found = await _find(source, collection, attributes)
            shown = await source.read_items(found)
            await _require_gone(source, collection, attributes, set(found) - shown.keys())
            # Some providers delete those with more attributes together with those with fewer.
            for item in sorted(shown, key=lambda one: -len(shown[one].attributes)):
                secret = (await source.read_secrets([item])).get(item)
                if secret is None:
                    await _require_gone(source, collection, attributes, [item])
                    continue
                new = NewItem(shown[item].label, proper(shown[item].attributes), secret)
                # A twin of what was just written must not take its place.
                fresh = not replaces or new.attributes in written
                await _write(destination, home, new, beside=fresh)
                written.append(new.attributes)
                await delete_one(source, collection.id, item)
                moved += 1
    return moved


async def _find(
    source: ItemBackend, collection: Collection, attributes: Mapping[str, str]
) -> Sequence[ItemId]:
    if collection.locked and source.quirks.hides_locked_items:
        await source.unlock(collection.id)
    found = await source.search(collection.id, attributes)
    if found and await source.is_locked(collection.id):
        await source.unlock(collection.id)
    if found and source.quirks.items_lock_singly:
        await source.unlock_items(found)
    return found


async def _require_gone(
    source: ItemBackend,
    collection: Collection,
    attributes: Mapping[str, str],
    unread: Iterable[ItemId],
) -> None:
    """Refuse to pass over items that are there and could not be read.

    Raises:
        StoreDamagedError: One of them is.
    """
    left = set(unread)
    if left and left & set(await source.search(collection.id, attributes)):
        raise StoreDamagedError("an item to be moved cannot be read; it stays where it is")


async def _write(
    destination: ItemBackend, home: CollectionId, new: NewItem, *, beside: bool
) -> None:
    if beside and await _holds(destination, home, new):
        return  # an earlier move was cut short between writing and deleting
    made = await destination.create_item(home, new, replace=not beside)
    shown = (await destination.read_items([made])).get(made)
    secret = (await destination.read_secrets([made])).get(made)
    if (
        shown is None
        or secret is None
        or (shown.label, proper(shown.attributes)) != (new.label, new.attributes)
        or secret.value != new.secret.value
    ):
        raise StoreDamagedError("what was read back differs; nothing was deleted where it was")


async def _holds(destination: ItemBackend, home: CollectionId, new: NewItem) -> bool:
    found = await destination.search(home, new.attributes)
    shown = await destination.read_items(found)
    secrets = await destination.read_secrets(found)
    return any(
        proper(shown[item].attributes) == new.attributes
        and shown[item].label == new.label
        and secrets[item].value == new.secret.value
        for item in shown.keys() & secrets.keys()
    )
