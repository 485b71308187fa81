# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell entries that other migrations left unreadable for KDE's programs, and their right form. Pure.

Three kinds are known. oo7's own migration writes ``type=password`` without a schema, which neither
kwalletd6 nor QtKeychain finds. KeepSecret's import of an XML export gives the folder as ``server``,
the key only as the label, and a map's pairs as further attributes, which many providers store in
clear; its later versions write an empty ``user`` instead of none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.migrate import values
from kwallet_bridge.migrate.plan import ANOTHER_VALUE, Destination
from kwallet_bridge.migrate.rows import Action, Kind, Place, Plan, Policy, Row, Snapshot, Wish
from kwallet_bridge.model import Entry, EntryType, FolderName, Key
from kwallet_bridge.qtstream import encode_map, encode_string
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import ItemId, ItemInfo, ItemSecret

OO7 = "left-by-oo7"
KEEPSECRET = "left-by-keepsecret"
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


def plan_repair(snapshot: Snapshot, wallet: WalletName, *, decide: Callable[[Row], Policy]) -> Plan:
    """Plan to put each faulty item's right form in its place.

    A sound entry of the same name wins unless ``decide`` says otherwise: it is what KDE's programs
    have used since.
    """
    seen = Destination(snapshot, wallet)
    rows = []
    for info in _faulty(snapshot):
        fault = find_fault(info)
        wish = mend(info, snapshot.secrets[info.id], wallet)
        sound = _sound_items(seen, wish.place, snapshot)
        row = Row(wish, Action.REPLACE, fault, (info.id, *sound), (info.id,))
        if sound and not _equal(seen, wish, sound[0]):
            policy = decide(Row(wish, Action.CONFLICT, ANOTHER_VALUE, tuple(sound)))
            if policy is not Policy.REPLACE:
                row = replace(row, action=Action.SKIP, reason=ANOTHER_VALUE)
        rows.append(row)
    return Plan(wallet, tuple(rows), snapshot.collection, snapshot.quirks)


def _faulty(snapshot: Snapshot) -> Sequence[ItemInfo]:
    return [info for info in snapshot.items.values() if find_fault(info)]


def _sound_items(seen: Destination, place: Place, snapshot: Snapshot) -> list[ItemId]:
    return [item for item in seen.find(place) if not find_fault(snapshot.items[item])]


def _equal(seen: Destination, wish: Wish, item: ItemId) -> bool:
    if wish.item is None:
        return False
    mine = values.canonical_item(Kind.ENTRY, wish.item.attributes, wish.item.secret)
    return values.same(seen.value(item, Kind.ENTRY), mine)
