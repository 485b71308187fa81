# SPDX-License-Identifier: GPL-3.0-or-later
"""Read everything back through a fresh session and compare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.migrate import values
from kwallet_bridge.migrate.apply import item_of, value_of
from kwallet_bridge.migrate.model import Kind, Outcome, Result, Snapshot
from kwallet_bridge.migrate.plan import Destination
from kwallet_bridge.migrate.snapshot import read_secrets_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemId

MISSING = "missing-after-write"
DIFFERS = "differs-after-write"

_PRESENT = frozenset({Outcome.CREATED, Outcome.REPLACED, Outcome.SAME})


async def verify(
    backend: ItemBackend,
    collection: CollectionId | None,
    wallet: WalletName,
    results: Sequence[Result],
) -> list[Result]:
    """Compare each row that should be present with what the store holds now.

    Where the collection is gone, nothing is there: a provider that cannot read back its own file
    shows none of it.
    ``backend`` must be a connection of its own: what a provider keeps only for the session that
    wrote it does not count.
    """
    found = [] if collection is None else await backend.search(collection, {})
    infos = await backend.read_items(found)
    bare = Snapshot(collection, infos, {}, backend.quirks)
    seen = Destination(bare, wallet)
    wanted: set[ItemId] = set()
    for result in results:
        if result.outcome in _PRESENT and result.step.place.kind is not Kind.FOLDER:
            wanted.update(seen.find(result.step.place))
    secrets = await read_secrets_of(backend, wanted)
    full = Destination(replace(bare, secrets=secrets), wallet)
    return [_check(result, full) for result in results]


def _check(result: Result, seen: Destination) -> Result:
    if result.outcome not in _PRESENT:
        return result
    place = result.step.place
    found = seen.find(place)
    if not found:
        return replace(result, outcome=Outcome.FAILED, reason=MISSING)
    if place.kind is Kind.FOLDER:
        return replace(result, verified=True)
    # An entry is what programs are given: the item that counts. Other items may have equals.
    looked_at = found[:1] if place.kind is Kind.ENTRY else found
    mine = value_of(result.step)
    if any(_equal(seen, item, result, mine) for item in looked_at):
        return replace(result, verified=True)
    return replace(result, outcome=Outcome.FAILED, reason=DIFFERS)


def _equal(seen: Destination, item: ItemId, result: Result, mine: bytes) -> bool:
    info = seen.info(item)
    if result.step.place.kind is Kind.ITEM and result.outcome is not Outcome.SAME:
        wish = item_of(result.step)
        if info.label != wish.label:
            return False
    return values.same(seen.value(item, result.step.place.kind), mine)
