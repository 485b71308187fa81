# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what is wished for with what the destination holds. Pure.

``--dry-run`` shows exactly these rows; the real run carries them out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.migrate import values
from kwallet_bridge.migrate.model import Action, Kind, Place, Plan, Policy, Snapshot, Step, Wish
from kwallet_bridge.migrate.wishes import is_migrators
from kwallet_bridge.model import Entry, FolderName, Key
from kwallet_bridge.store import codec
from kwallet_bridge.store.walletitems import Rank, wallet_item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import ItemId, ItemInfo, NewItem, Quirks

ANOTHER_VALUE = "another-value"
ALTERED_NAME = "name-altered-by-provider"
NO_LINE = "lost-by-unencrypted-keyring"
PLACEHOLDER = "placeholder-refused-by-provider"
UNFINISHED = "unfinished-write"
NO_MAP = "map-refused-by-provider"
NULLS = "null-becomes-empty"
KEPT_BESIDE = "kept-beside"

_NOT_XML = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")
"""What KeePassXC's file drops of a name, so that it is gone after a restart."""

_FOREVER_MANY = 10_000


class Destination:
    """What the destination holds, by place."""

    def __init__(self, snapshot: Snapshot, wallet: WalletName) -> None:
        self._snapshot = snapshot
        self._wallet = wallet
        self._entries: dict[tuple[str, str], list[ItemId]] = {}
        self._folders: dict[str, list[ItemId]] = {}
        self._items: dict[tuple[tuple[str, str], ...], list[ItemId]] = {}
        for item, info in preferred_first(snapshot.items.values()):
            self._sort_in(item, info)

    def _sort_in(self, item: ItemId, info: ItemInfo) -> None:
        if is_migrators(info.attributes):
            return
        own = codec.own_attributes(info.attributes)
        if codec.is_entry(own):
            self._entries.setdefault((own[codec.FOLDER], own[codec.KEY]), []).append(item)
            self._folders.setdefault(own[codec.FOLDER], []).append(item)
        elif codec.is_marker(own):
            self._folders.setdefault(own[codec.FOLDER], []).append(item)
        else:
            self._items.setdefault(values.plain_attributes(own), []).append(item)

    def find(self, place: Place) -> list[ItemId]:
        """Give the items at a place, the one that counts first."""
        if place.kind is Kind.ENTRY:
            return list(self._entries.get((place.folder, place.key), ()))
        if place.kind is Kind.FOLDER:
            return list(self._folders.get(place.folder, ()))
        found = self._items.get(place.attributes, ())
        items = self._snapshot.items
        return [item for item in found if not place.label or items[item].label == place.label]

    def info(self, item: ItemId) -> ItemInfo:
        """Give what an item shows."""
        return self._snapshot.items[item]

    def value(self, item: ItemId, kind: Kind) -> bytes:
        """Give the bytes by which an item compares."""
        info = self._snapshot.items[item]
        return values.canonical_item(kind, info.attributes, self._snapshot.secrets.get(item))


def find_candidates(
    wishes: Iterable[Wish], items: Mapping[ItemId, ItemInfo], quirks: Quirks
) -> set[ItemId]:
    """Tell which items of a collection must have their secrets read before planning."""
    wishes = list(wishes)
    if not wishes:
        return set()
    seen = Destination(Snapshot(None, items, {}, quirks), wishes[0].place.wallet)
    taken = {wish.place for wish in wishes}
    return {
        item
        for wish in wishes
        if wish.place.kind is not Kind.FOLDER
        for item in _neighbours(seen, wish.place, taken)
    }


def _neighbours(seen: Destination, place: Place, taken: set[Place]) -> list[ItemId]:
    """Give the items at a place and at those where an earlier run may have kept both."""
    found = seen.find(place)
    if place.kind is Kind.ENTRY and found:
        for number in range(2, _FOREVER_MANY):
            near = _beside(place, number)
            beside = seen.find(near)
            if not beside and near not in taken:
                break
            found += beside
    return found


def make_plan(  # noqa: PLR0913  keyword-only
    wishes: Sequence[Wish],
    snapshot: Snapshot,
    wallet: WalletName,
    *,
    decide: Callable[[Step], Policy],
    unfinished: frozenset[Place] = frozenset(),
    begun: frozenset[Place] = frozenset(),
) -> Plan:
    """Plan every wish; conflicts are settled by ``decide``.

    ``unfinished`` are places an interrupted run meant to write: where twins lie there, the write
    is done again. ``begun`` are places it meant to create: a provider that died in the middle, as
    gnome-keyring, leaves an item with an empty secret there, which goes.
    """
    seen = Destination(snapshot, wallet)
    used: set[ItemId] = set()
    taken = {wish.place for wish in wishes}
    rows = []
    for wish in (_as_given_back(wish, snapshot.quirks) for wish in wishes):
        row = _compare(wish, seen, used, snapshot)
        if row.action is Action.SAME and len(row.existing) > 1 and wish.place in unfinished:
            row = replace(row, action=Action.REPLACE, reason=UNFINISHED)
        if row.action is Action.CONFLICT and wish.place in begun and _is_hollow(row, snapshot):
            row = Step(wish, Action.CREATE, UNFINISHED, stale=row.existing)
        if row.action is Action.CONFLICT:
            row = settle(row, decide(row), seen, taken)
        if row.wish.item is not None and not row.reason:
            row = replace(row, reason=row.wish.reason)
        rows.append(row)
    return Plan(wallet, tuple(rows), snapshot.collection, snapshot.quirks)


def _as_given_back(wish: Wish, quirks: Quirks) -> Wish:
    """Wish for an entry as a provider that rewrites maps gives it back, which no null survives.

    What such a provider would turn into an empty map is not wished for at all.
    """
    if wish.item is None or wish.place.kind is not Kind.ENTRY or not quirks.rewrites_maps:
        return wish
    item = codec.as_rewritten(wish.item)
    if item is wish.item:
        return wish
    return replace(wish, item=item, reason=NO_MAP if item is None else NULLS)


def _is_hollow(row: Step, snapshot: Snapshot) -> bool:
    """Tell whether nothing but empty secrets lies in a row's place."""
    return all(not snapshot.secrets[item].value for item in row.existing)


def _compare(wish: Wish, seen: Destination, used: set[ItemId], snapshot: Snapshot) -> Step:
    if wish.item is None:
        return Step(wish, Action.UNSUPPORTED, wish.reason)
    existing = seen.find(wish.place)
    if wish.place.kind is Kind.FOLDER:
        altered = "" if existing else _refusal(wish.place.kind, wish.item, snapshot)
        action = Action.SAME if existing else Action.UNSUPPORTED if altered else Action.CREATE
        return Step(wish, action, altered, tuple(existing))
    existing = [item for item in existing if item not in used]
    equal = _find_equal(wish, wish.item, existing, seen)
    if equal is not None:
        used.add(equal)
        others = tuple(existing) if wish.place.kind is Kind.ENTRY else (equal,)
        return Step(wish, Action.SAME, existing=others)
    refused = _refusal(wish.place.kind, wish.item, snapshot)
    if refused:
        return Step(wish, Action.UNSUPPORTED, refused)
    # Items told apart by their labels have equals by nature: one more is no conflict.
    if existing and not (wish.place.kind is Kind.ITEM and wish.place.label):
        return Step(wish, Action.CONFLICT, ANOTHER_VALUE, tuple(existing))
    return Step(wish, Action.CREATE)


def _find_equal(
    wish: Wish, item: NewItem, existing: list[ItemId], seen: Destination
) -> ItemId | None:
    """Find the item that is what is wished; of several for one entry only the first counts."""
    kind = wish.place.kind
    mine = values.canonical_item(kind, item.attributes, item.secret)
    looked_at = existing[:1] if kind is Kind.ENTRY else existing
    return next((one for one in looked_at if values.same(seen.value(one, kind), mine)), None)


def _refusal(kind: Kind, item: NewItem, snapshot: Snapshot) -> str:
    """Tell why this provider would alter an item; "" if it would not."""
    names = (item.label, *item.attributes, *item.attributes.values())
    if kind is Kind.ITEM and not snapshot.keeps_lines and not values.is_line(item):
        return NO_LINE
    if kind is not Kind.ITEM and snapshot.quirks.text_is_a_line and values.begins_with_feed(names):
        return ALTERED_NAME
    if not snapshot.quirks.rewrites_text:
        return ""
    if any(_NOT_XML.search(name) for name in names):
        return ALTERED_NAME
    if b"{REF:" in item.secret.value.reveal() or any("{REF:" in name for name in names):
        return PLACEHOLDER
    return ""


def settle(row: Step, policy: Policy, seen: Destination, taken: set[Place]) -> Step:
    """Settle a conflict; ``taken`` are the places of other rows, to which this one's is added."""
    if policy is Policy.REPLACE:
        return replace(row, action=Action.REPLACE)
    if policy is Policy.KEEP_BOTH:
        beside = _keep_both(row, seen, taken)
        taken.add(beside.place)
        return beside
    if policy is Policy.ASK:  # a dry run shows the question and asks nobody
        return row
    return replace(row, action=Action.SKIP)


def _keep_both(row: Step, seen: Destination, taken: set[Place]) -> Step:
    """Move the wish to the first free key beside it, or to the one that holds it already.

    A key that another row goes to is not free, whether or not anything is there yet.
    """
    wish = row.wish
    if wish.item is None or wish.place.kind is Kind.ITEM:
        return Step(wish, Action.CREATE, KEPT_BESIDE)
    mine = values.canonical_item(wish.place.kind, wish.item.attributes, wish.item.secret)
    for number in range(2, _FOREVER_MANY):
        place = _beside(wish.place, number)
        if place in taken:
            continue
        existing = seen.find(place)
        moved = replace(wish, place=place, item=_moved(wish.item, place))
        if not existing:
            return Step(moved, Action.CREATE, KEPT_BESIDE)
        if values.same(seen.value(existing[0], place.kind), mine):
            return Step(moved, Action.SAME, KEPT_BESIDE, tuple(existing))
    return replace(row, action=Action.SKIP)


def _beside(place: Place, number: int) -> Place:
    return replace(place, key=f"{place.key} ({number})")


def _moved(item: NewItem, place: Place) -> NewItem:
    entry: Entry = codec.decode_entry(item.attributes, item.secret)
    return codec.encode_entry(FolderName(place.folder), Key(place.key), entry)


def preferred_first(infos: Iterable[ItemInfo]) -> list[tuple[ItemId, ItemInfo]]:
    """Order items so that of several for one entry the one that counts comes first."""

    def rank(info: ItemInfo) -> Rank:
        row = wallet_item_of(info)
        return row.rank if row is not None else (False, 0, 0, 0, info.id)

    return [(info.id, info) for info in sorted(infos, key=rank, reverse=True)]
