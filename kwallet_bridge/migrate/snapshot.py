# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a destination before planning, without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.migrate.model import Snapshot
from kwallet_bridge.migrate.plan import find_candidates
from kwallet_bridge.store import codec
from kwallet_bridge.store.naming import find_default, require_clear
from kwallet_bridge.store.port import DEFAULT_ALIAS, CollectionId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kwallet_bridge.migrate.model import Wish
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import Collection, ItemBackend, ItemId, ItemSecret

_SLICE = 100
"""Secrets per call: more makes messages that a provider answers slowly."""


async def find_collection(
    backend: ItemBackend, wallet: WalletName, *, default_wallet: str
) -> CollectionId | None:
    """Find the collection of a wallet, the way the daemon does.

    Raises:
        WalletUnclearError: It is the default wallet, and nothing says which collection that is.
    """
    labels = {seen.id: seen.label for seen in sorted(await backend.collections(), key=_by_id)}
    if wallet == default_wallet:
        alias, quirks = await backend.read_alias(DEFAULT_ALIAS), backend.quirks
        found = find_default(labels, wallet, alias=alias, quirks=quirks)
        if found is None:
            require_clear(labels, alias=alias, quirks=quirks)
        return found
    exact = [found for found, label in labels.items() if label == wallet]
    if exact:
        return exact[0]
    if not backend.quirks.forgets_label_case:
        return None
    folded = wallet.casefold()
    return next((found for found, label in labels.items() if label.casefold() == folded), None)


def _by_id(collection: Collection) -> CollectionId:
    return collection.id


async def take_snapshot(
    backend: ItemBackend,
    collection: CollectionId | None,
    wishes: Sequence[Wish],
    *,
    with_folders: bool = False,
    keeps_lines: bool = True,
) -> Snapshot:
    """Read what a plan needs of a collection; it is unlocked first.

    ``with_folders`` reads the secret of every item that has a folder, as repairing needs.
    """
    if collection is None:
        return Snapshot(None, {}, {}, backend.quirks)
    if await backend.is_locked(collection):
        await backend.unlock(collection)
    found = await backend.search(collection, {})
    infos = await backend.read_items(found)
    locked = [info.id for info in infos.values() if info.locked]
    if locked and backend.quirks.items_lock_singly:
        await backend.unlock_items(locked)
    wanted = find_candidates(wishes, infos, backend.quirks)
    if with_folders:
        wanted |= {info.id for info in infos.values() if codec.FOLDER in info.attributes}
    secrets = await read_secrets_of(backend, wanted)
    return Snapshot(collection, infos, secrets, backend.quirks, keeps_lines)


async def read_secrets_of(
    backend: ItemBackend, items: Iterable[ItemId]
) -> dict[ItemId, ItemSecret]:
    """Read many secrets, a slice at a time."""
    wanted = sorted(items)
    found: dict[ItemId, ItemSecret] = {}
    for start in range(0, len(wanted), _SLICE):
        found.update(await backend.read_secrets(wanted[start : start + _SLICE]))
    return found
