# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a source holds to what it wants to see in the destination. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.errors import CodecError, InvalidNameError
from kwallet_bridge.migrate import values
from kwallet_bridge.migrate.model import Kind, Place, Wish
from kwallet_bridge.model import Entry, EntryType, FolderName, Key
from kwallet_bridge.qtstream import decode_string_lenient
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec
from kwallet_bridge.store.port import ItemInfo, ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kwallet_bridge.migrate.xml import Unread
    from kwallet_bridge.model import Folder, ServiceItem, Wallet, WalletEntry, WalletName

SERVICE_FOLDER = "Secret Service"
"""Where KWallet files Secret Service items whose label has no slash."""

UNKNOWN_TYPE = "unknown-type"
UNSTORABLE_NAME = "name-nul-or-surrogate"
UNSTORABLE_VALUE = "value-cannot-be-kept"
SHADOWED = "another-source-has-this-name"
TWICE = "twice-in-this-source"
UNREADABLE = "unreadable-in-source"

OWN_SCHEMA_PREFIX = "org.kwallet_bridge."
"""Items of the migrator itself: kept secrets and journal keys."""

_TYPE_NAMES = {EntryType.PASSWORD: "password", EntryType.STREAM: "stream", EntryType.MAP: "map"}
_TWIN = re.compile(r"(.+)__\d+_", re.DOTALL)


def from_wallet(wallet: Wallet, name: WalletName) -> list[Wish]:
    """Wish for everything a wallet holds, under wallet ``name``, in the wallet's order."""
    wishes: list[Wish] = []
    for folder in wallet.folders:
        wishes += _from_folder(folder, wallet, name)
    return _distinct(wishes, TWICE)


def from_items(
    items: Iterable[tuple[ItemInfo, ItemSecret]], name: WalletName, *, only_entries: bool = False
) -> list[Wish]:
    """Wish for items of another store, everybody's, just as they are."""
    wishes = [
        _from_item(info, secret, name)
        for info, secret in items
        if not is_migrators(info.attributes)
        and (codec.is_ours(info.attributes) or not only_entries)
    ]
    return _distinct(wishes, TWICE)


def from_unread(unread: Iterable[Unread], name: WalletName) -> list[Wish]:
    """Wish in vain for what a source holds and cannot be read, so that it is in the report."""
    found = []
    for one in unread:
        if one.folder is None:
            place = Place(name, Kind.ITEM, label=one.key)
        else:
            place = Place(name, Kind.ENTRY, folder=one.folder, key=one.key)
        found.append(Wish(place, "unknown", None, UNREADABLE))
    return found


def merge(first: Iterable[Wish], second: Iterable[Wish]) -> list[Wish]:
    """Join the wishes of two sources for one wallet; the first source's come first."""
    return _distinct([*first, *second], SHADOWED)


def rehome(wishes: Iterable[Wish], wallet: WalletName) -> list[Wish]:
    """Wish for the same things in another wallet."""
    return [replace(wish, place=replace(wish.place, wallet=wallet)) for wish in wishes]


def is_migrators(attributes: Mapping[str, str]) -> bool:
    """Tell whether an item is the migrator's own."""
    return attributes.get(codec.SCHEMA, "").startswith(OWN_SCHEMA_PREFIX)


def _from_folder(folder: Folder, wallet: Wallet, name: WalletName) -> Iterator[Wish]:
    keys = {entry.key for entry in folder.entries}
    shown = False
    for entry in folder.entries:
        extra = wallet.service_items.get((folder.name, entry.key))
        if extra is None:
            wish = _from_entry(folder.name, entry.key, entry, name)
        else:
            wish = _from_service_item(folder.name, entry, extra, keys, name)
        shown = shown or wish.item is not None
        yield wish
    if not shown:
        yield _folder_wish(folder.name, name)


def _folder_wish(folder: FolderName, name: WalletName) -> Wish:
    place = Place(name, Kind.FOLDER, folder=folder)
    try:
        return Wish(place, "folder", codec.folder_marker(folder))
    except InvalidNameError:
        return Wish(place, "folder", None, UNSTORABLE_NAME)


def _from_entry(folder: FolderName, key: Key, entry: WalletEntry, name: WalletName) -> Wish:
    place = Place(name, Kind.ENTRY, folder=folder, key=key)
    try:
        kind = EntryType(entry.type_code)
    except ValueError:
        kind = EntryType.UNKNOWN
    if kind is EntryType.UNKNOWN:
        return Wish(place, "unknown", None, UNKNOWN_TYPE)
    value = Entry(kind, entry.value)
    try:
        item = codec.encode_entry(folder, key, value)
    except InvalidNameError:
        return Wish(place, _TYPE_NAMES[kind], None, UNSTORABLE_NAME)
    except CodecError:
        return Wish(place, _TYPE_NAMES[kind], None, UNSTORABLE_VALUE)
    if not _survives(value, item):
        return Wish(place, _TYPE_NAMES[kind], None, UNSTORABLE_VALUE)
    return Wish(place, _TYPE_NAMES[kind], item)


def _survives(value: Entry, item: NewItem) -> bool:
    """Tell whether reading the item gives back the very value: nothing is planned on hope."""
    back = values.canonical_item(Kind.ENTRY, item.attributes, item.secret)
    return values.same(back, values.canonical_entry(value))


def _from_service_item(
    folder: FolderName, entry: WalletEntry, extra: ServiceItem, keys: set[Key], name: WalletName
) -> Wish:
    """Turn a Secret Service item kept in a wallet into that item, or into the entry it stood for.

    kwalletd6 keeps KWallet entries as such items in ksecretd; their folder and key are in the
    attributes, since the wallet splits the label at its first slash.
    """
    attributes = dict(extra.attributes)
    if codec.is_entry(attributes):
        true_folder, true_key = FolderName(attributes[codec.FOLDER]), Key(attributes[codec.KEY])
        return _from_entry(true_folder, true_key, entry, name)
    if codec.is_marker(attributes):
        return _folder_wish(FolderName(attributes[codec.FOLDER]), name)
    label = _label(folder, entry.key, keys)
    if not _storable((label, *attributes, *attributes.values())):
        return Wish(_item_place(name, label, attributes), "item", None, UNSTORABLE_NAME)
    secret = ItemSecret(_raw(entry), extra.content_type or _default_content_type(entry))
    return Wish(_item_place(name, label, attributes), "item", NewItem(label, attributes, secret))


def _storable(names: Iterable[str]) -> bool:
    return all(codec.is_storable_name(text) for text in names)


def _raw(entry: WalletEntry) -> Secret:
    """Give the secret as its program stored it: text items are QStrings in the wallet."""
    if entry.type_code != EntryType.PASSWORD or entry.malformed:
        return entry.value
    return Secret.from_text(decode_string_lenient(entry.value.reveal()))


def _default_content_type(entry: WalletEntry) -> str:
    return codec.TEXT if entry.type_code == EntryType.PASSWORD else codec.OCTETS


def _label(folder: FolderName, key: Key, keys: set[Key]) -> str:
    """Give an item's label back: KWallet split it at a slash and numbered what was taken."""
    twin = _TWIN.fullmatch(key)
    if twin and Key(twin[1]) in keys:
        key = Key(twin[1])
    return key if folder == SERVICE_FOLDER else f"{folder}/{key}"


def _from_item(info: ItemInfo, secret: ItemSecret, name: WalletName) -> Wish:
    attributes = codec.own_attributes(info.attributes)
    item = NewItem(info.label, attributes, secret)
    if codec.is_entry(attributes):
        kind = _TYPE_NAMES[codec.entry_type(attributes)]
        folder, key = attributes[codec.FOLDER], attributes[codec.KEY]
        place = Place(name, Kind.ENTRY, folder=folder, key=key)
        return Wish(place, kind, _current_form(item), source=info.id)
    if codec.is_marker(attributes):
        place = Place(name, Kind.FOLDER, folder=attributes[codec.FOLDER])
        return Wish(place, "folder", item, source=info.id)
    return Wish(_item_place(name, info.label, attributes), "item", item, source=info.id)


def _current_form(item: NewItem) -> NewItem:
    """Write an entry as we would: ksecretd's and oo7's forms are not found by every program."""
    entry = codec.decode_entry(item.attributes, item.secret)
    folder, key = item.attributes[codec.FOLDER], item.attributes[codec.KEY]
    return codec.encode_entry(FolderName(folder), Key(key), entry)


def _item_place(name: WalletName, label: str, attributes: Mapping[str, str]) -> Place:
    plain = values.plain_attributes(attributes)
    # Items without attributes are told apart by nothing but their labels.
    return Place(name, Kind.ITEM, label="" if plain else label, attributes=plain)


def _distinct(wishes: Iterable[Wish], reason: str) -> list[Wish]:
    """Give every wish a place of its own.

    Another program's items of equal attributes are told apart by label, then by number. Of entries
    under one name, as two wallets may have, the first counts; an equal one adds nothing, any other
    is reported with ``reason``.
    """
    wishes = [replace(wish, place=_bare(wish.place)) for wish in wishes]
    counts = Counter(wish.place for wish in wishes)
    seen: Counter[Place] = Counter()
    first: dict[Place, Wish] = {}
    found = []
    for wish in wishes:
        place = wish.place
        if counts[place] > 1 and place.kind is Kind.ITEM and wish.item is not None:
            place = replace(place, label=wish.item.label)
        seen[place] += 1
        if seen[place] == 1:
            first[place] = replace(wish, place=place)
            found.append(first[place])
        elif place.kind is Kind.ITEM:
            found.append(replace(wish, place=replace(place, key=str(seen[place]))))
        elif not _equal(first[place], wish):
            found.append(replace(wish, item=None, reason=wish.reason or reason))
    return found


def _bare(place: Place) -> Place:
    """Take from an item's place what told it apart from others of an earlier list."""
    if place.kind is not Kind.ITEM:
        return place
    return replace(place, key="", label="" if place.attributes else place.label)


def _equal(first: Wish, second: Wish) -> bool:
    if first.item is None or second.item is None:
        return first.item is second.item
    kind = first.place.kind
    return values.same(
        values.canonical_item(kind, first.item.attributes, first.item.secret),
        values.canonical_item(kind, second.item.attributes, second.item.secret),
    )
