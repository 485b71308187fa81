# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider's signals as events of the store's port; pure.

A signal is a hint to look again, never a fact. Providers send them doubled, on alias paths, and
with ``/`` for an item; all of that ends here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kwallet_bridge.secretservice import names
from kwallet_bridge.store.port import CollectionId, CollectionsTouched, ItemId, ItemTouched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kwallet_bridge.bus.port import Signal
    from kwallet_bridge.store.port import BackendEvent, Quirks

_ITEM_SIGNALS: Final = frozenset({"ItemCreated", "ItemChanged", "ItemDeleted"})
_COLLECTION_SIGNALS: Final = frozenset(
    {"CollectionCreated", "CollectionDeleted", "CollectionChanged"}
)
_TELLING: Final = frozenset({"Locked", "Label"})


def interpret(
    signal: Signal, *, aliases: Mapping[str, str], tag: str, quirks: Quirks
) -> Iterator[BackendEvent]:
    """Give the events a signal stands for, none if it says nothing of use.

    Args:
        signal: What the provider sent.
        aliases: Known aliases, by name, to the paths of their collections.
        tag: What item ids of this provider begin with.
        quirks: The provider's row.
    """
    first = signal.body[0] if signal.body else None
    if signal.interface == names.COLLECTION and signal.member in _ITEM_SIGNALS:
        yield from _item_events(signal.path, first, aliases, tag)
        if quirks.hides_locked_items and signal.member == "ItemDeleted":
            # KeePassXC says of a lock only that every item is gone.
            yield CollectionsTouched()
    elif signal.interface == names.SERVICE and signal.member in _COLLECTION_SIGNALS:
        yield CollectionsTouched()
        if quirks.hides_locked_items and isinstance(first, str):
            # ... and of an unlock only that the collection changed.
            yield from _item_events(first, None, aliases, tag)
    elif signal.interface == names.PROPERTIES and signal.member == "PropertiesChanged":
        yield from _property_events(signal, aliases, tag)


def _property_events(
    signal: Signal, aliases: Mapping[str, str], tag: str
) -> Iterator[BackendEvent]:
    interface, changed, invalidated = (*signal.body, None, None, None)[:3]
    if interface == names.SERVICE:
        yield CollectionsTouched()
    elif interface == names.ITEM:
        yield from _item_events(signal.path.rpartition("/")[0], signal.path, aliases, tag)
    elif interface == names.COLLECTION:
        told = [*_names_in(changed), *_names_in(invalidated)]
        if not _TELLING.isdisjoint(told):
            yield CollectionsTouched()


def _names_in(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        yield from (name for name in value if isinstance(name, str))


def _item_events(
    collection: str, item: object, aliases: Mapping[str, str], tag: str
) -> Iterator[BackendEvent]:
    known = resolve(collection, aliases)
    if known is None:
        # An alias nobody asked for yet: it may be any of those we know.
        yield from (ItemTouched(CollectionId(path), None) for path in set(aliases.values()))
        return
    yield ItemTouched(CollectionId(known), _item_id(item, known, tag))


def _item_id(item: object, collection: str, tag: str) -> ItemId | None:
    if not isinstance(item, str):
        return None
    parent, _, name = item.rpartition("/")
    if not parent or not name:
        return None
    return ItemId(f"{tag[:-1]}{collection}/{name}")


def resolve(path: str, aliases: Mapping[str, str]) -> str | None:
    """Give the collection's own path for a path that may be an alias's; None if unknown."""
    if not path.startswith(names.ALIAS_PREFIX):
        return path
    return aliases.get(path.removeprefix(names.ALIAS_PREFIX))
