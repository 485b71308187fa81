# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell entries that other migrations left unreadable for KDE's programs, and their right form. Pure.

Three kinds are known. oo7's own migration writes ``type=password`` without a schema, which neither
kwalletd6 nor QtKeychain finds. KeepSecret's import of an XML export gives the folder as ``server``,
the key only as the label, and a map's pairs as further attributes, which many providers store in
clear; its later versions write an empty ``user`` instead of none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kwallet_bridge.migrate import values
from kwallet_bridge.migrate.model import Action, Kind, Place, Plan, Policy, Snapshot, Step, Wish
from kwallet_bridge.migrate.plan import ANOTHER_VALUE, Destination, preferred_first, settle
from kwallet_bridge.model import Entry, EntryType, FolderName, Key
from kwallet_bridge.qtstream import encode_map, encode_string
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import ItemId, ItemInfo, ItemSecret

OO7 = "left-by-oo7"
KEEPSECRET = "left-by-keepsecret"
LESSER = "lesser-of-two"
_NAMES = {EntryType.PASSWORD: "password", EntryType.STREAM: "stream", EntryType.MAP: "map"}


def find_fault(info: ItemInfo) -> str:
    """Tell which program left an item so; "" for a sound or a foreign one."""
    own = codec.own_attributes(info.attributes)
    schema = own.get(codec.SCHEMA, codec.GENERIC_SCHEMA)
    bare = schema in {"", codec.GENERIC_SCHEMA}
    if bare and own.get(codec.TYPE) == "password" and codec.is_entry(own):
        return OO7
    if codec.FOLDER not in own or own.get(codec.KEY) or not info.label:
        return ""
    if bare and codec.KEY not in own and codec.TYPE not in own:
        return KEEPSECRET
    # An entry with an empty key is labelled after its folder; KeepSecret puts the key there.
    written = schema == codec.ENTRY_SCHEMA and own.get(codec.TYPE) == "plaintext"
    shown_as = f"{own[codec.FOLDER]}/"
    return KEEPSECRET if written and own.get(codec.KEY) == "" and info.label != shown_as else ""


def mend(info: ItemInfo, secret: ItemSecret, wallet: WalletName) -> Wish:
    """Wish for the entry an item stands for."""
    own = codec.own_attributes(info.attributes)
    folder = FolderName(own[codec.FOLDER])
    key = Key(own.get(codec.KEY) or info.label)
    entry = _read(own, secret)
    place = Place(wallet, Kind.ENTRY, folder=folder, key=key)
    item = codec.encode_entry(folder, key, entry)
    return Wish(place, _NAMES[entry.type], item, source=info.id)


def _read(own: dict[str, str], secret: ItemSecret) -> Entry:
    if codec.TYPE in own:
        return codec.decode_entry(own, secret)
    pairs = {
        name: text
        for name, text in own.items()
        if name not in {codec.FOLDER, codec.KEY, codec.SCHEMA}
    }
    value = secret.value.reveal()
    if pairs and not value:
        return Entry(EntryType.MAP, Secret(encode_map(pairs)))
    try:
        return Entry(EntryType.PASSWORD, Secret(encode_string(value.decode())))
    except UnicodeDecodeError:
        return Entry(EntryType.STREAM, Secret(value))


@dataclass(frozen=True, slots=True)
class _Left:
    """Faulty items that stand for one entry with one value, the one that counts most first."""

    wish: Wish
    fault: str
    items: tuple[ItemId, ...]


def plan_repair(
    snapshot: Snapshot, wallet: WalletName, *, decide: Callable[[Step], Policy]
) -> Plan:
    """Plan to put each faulty item's right form in its place.

    A sound entry of the same name wins unless ``decide`` says otherwise: it is what KDE's programs
    have used since. So does, of several faulty items for one entry, the one that counts; whatever
    has another value is a conflict, never overwritten unasked.
    """
    seen = Destination(snapshot, wallet)
    left: dict[Place, list[_Left]] = {}
    for _, info in preferred_first(snapshot.items.values()):
        if fault := find_fault(info):
            wish = mend(info, snapshot.secrets[info.id], wallet)
            _file(left.setdefault(wish.place, []), wish, fault, info.id)
    taken = set(left)
    rows = [
        row
        for place, values_left in left.items()
        for row in _plan_place(place, values_left, seen, taken, decide)
    ]
    return Plan(wallet, tuple(rows), snapshot.collection, snapshot.quirks)


def _file(left: list[_Left], wish: Wish, fault: str, item: ItemId) -> None:
    """Put an item with those of the same value."""
    for number, known in enumerate(left):
        if _same(known.wish, _value(wish)):
            left[number] = replace(known, items=(*known.items, item))
            return
    left.append(_Left(wish, fault, (item,)))


def _plan_place(
    place: Place,
    left: list[_Left],
    seen: Destination,
    taken: set[Place],
    decide: Callable[[Step], Policy],
) -> list[Step]:
    """Plan one entry: at most one row writes at its place, and what it removes it keeps first."""
    there = seen.find(place)
    sound = [item for item in there if not find_fault(seen.info(item))]
    holder = seen.value(sound[0], Kind.ENTRY) if sound else _value(left[0].wish)
    gone = [one for one in left if _same(one.wish, holder)]
    winner = gone[0] if gone else None
    rows: list[Step] = []
    skipped: set[ItemId] = set()
    for one in left:
        if one in gone:
            continue
        conflict = Step(one.wish, Action.CONFLICT, ANOTHER_VALUE, tuple(sound or left[0].items))
        row = settle(conflict, decide(conflict), seen, taken)
        if row.action is Action.REPLACE:
            winner = one
            gone.append(one)
        elif row.place != place:
            existing = (*row.existing, *one.items)
            rows.append(Step(row.wish, Action.REPLACE, one.fault, existing, one.items))
        else:
            skipped.update(one.items)
            rows.append(replace(row, reason=ANOTHER_VALUE))
    if winner is None:
        return rows
    stale = tuple(item for one in gone for item in one.items)
    # A write at a place removes every entry there, also one that was to be left alone.
    if skipped & set(there):
        return [*rows, Step(winner.wish, Action.SKIP, LESSER, stale)]
    all_there = (*stale, *(item for item in there if item not in stale))
    return [*rows, Step(winner.wish, Action.REPLACE, winner.fault, all_there, stale)]


def _value(wish: Wish) -> bytes:
    if wish.item is None:
        raise ValueError("a mended item is always one that can be written")
    return values.canonical_item(Kind.ENTRY, wish.item.attributes, wish.item.secret)


def _same(wish: Wish, value: bytes) -> bool:
    return values.same(_value(wish), value)
