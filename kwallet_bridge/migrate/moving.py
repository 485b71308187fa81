# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a store as the source of a copy, and remove from it what has safely arrived elsewhere."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.errors import StoreLockedError, UsageError
from kwallet_bridge.migrate import values
from kwallet_bridge.migrate.apply import value_of
from kwallet_bridge.migrate.model import Kind
from kwallet_bridge.migrate.plan import preferred_first
from kwallet_bridge.migrate.run import Job, OpenStore
from kwallet_bridge.migrate.snapshot import find_collection, read_secrets_of
from kwallet_bridge.migrate.wishes import OWN_SCHEMA_PREFIX, from_items, merge
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec
from kwallet_bridge.store.port import DEFAULT_ALIAS, ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Collection as AnyCollection

    from kwallet_bridge.migrate.model import Result
    from kwallet_bridge.store.port import Collection, CollectionId, ItemBackend, ItemId, ItemInfo


PROBE_SCHEMA = OWN_SCHEMA_PREFIX + "Probe"


@dataclass(frozen=True, slots=True)
class Copied:
    """A collection of the source, and the job that copies it, others' with the same goal too."""

    label: str
    wallet: WalletName
    """Its wallet as programs know it over the source."""
    collection: CollectionId
    job: Job
    infos: Mapping[ItemId, ItemInfo]

    @property
    def arrived(self) -> list[Result]:
        """What was read back from the destination."""
        return [result for result in (self.job.joined or self.job).results if result.verified]


async def read_jobs(
    opened: OpenStore,
    wallets: AnyCollection[str],
    *,
    collection: str | None,
    only_entries: bool,
) -> list[Copied]:
    """Read every wanted collection of a store, unlocking it first.

    The source's default collection goes to the destination's default one, as wallets do.

    Raises:
        StoreLockedError: An item stays locked; nothing is copied half.
    """
    default = await opened.backend.read_alias(DEFAULT_ALIAS)
    jobs: dict[WalletName, Job] = {}
    found = []
    for seen in await opened.backend.collections():
        if wallets and seen.label not in wallets:
            continue
        own = WalletName(opened.default_wallet if seen.id == default else seen.label)
        name = WalletName(collection or own)
        items = await _read_items(opened, seen)
        job = jobs.setdefault(name, Job(name, ()))
        job.left_out += opened.count_unreadable(seen.id)
        job.wishes = merge(job.wishes, from_items(items, name, only_entries=only_entries))
        infos = {info.id: info for info, _ in items}
        found.append(Copied(seen.label, own, seen.id, job, infos))
    return found


async def ensure_apart(source: OpenStore, target: OpenStore, copied: Sequence[Copied]) -> None:
    """Refuse to move a collection onto itself: removing its "source" would remove all there is.

    A store has many spellings: links, relative paths, addresses of one bus, a provider and its
    file. So no spelling is compared; an item put into the destination must not appear in the
    source.

    Raises:
        UsageError: It did; nothing was removed.
    """
    for one in copied:
        place = await find_collection(
            target.backend, one.job.wallet, default_wallet=target.default_wallet
        )
        if place is not None and await _is_seen(source.backend, one, target.backend, place):
            raise UsageError(
                "the source and the destination are one and the same; nothing was removed"
            )


async def _is_seen(
    source: ItemBackend, one: Copied, target: ItemBackend, place: CollectionId
) -> bool:
    """Tell whether what is put into ``place`` appears in the source."""
    await _ensure_unlocked(target, place)
    attributes = {codec.SCHEMA: PROBE_SCHEMA, "probe": secrets.token_hex(16)}
    secret = ItemSecret(Secret(b"nothing to hide"))
    probe = NewItem("kwallet-bridge: is this another store?", attributes, secret)
    made = await target.create_item(place, probe, replace=False)
    try:
        await _ensure_unlocked(source, one.collection)
        return bool(await source.search(one.collection, attributes))
    finally:
        await target.delete_item(made)


async def _ensure_unlocked(backend: ItemBackend, collection: CollectionId) -> None:
    if await backend.is_locked(collection):
        await backend.unlock(collection)


async def remove_copied(
    opened: OpenStore, copied: Sequence[Copied], tell: Callable[[ItemId], None] = lambda _: None
) -> int:
    """Remove from the source every item whose copy was verified and that is still the same.

    An id that means another item by now fails that comparison. ``tell`` is told of each that is
    gone.
    """
    removed = 0
    for one in copied:
        arrived = one.arrived
        if not arrived:
            continue
        await _ensure_unlocked(opened.backend, one.collection)
        ids = await opened.backend.search(one.collection, {})
        infos = await opened.backend.read_items(ids)
        secrets = await read_secrets_of(opened.backend, infos)
        for item in _find_unchanged(one, arrived, infos, secrets):
            await opened.backend.delete_item(item)
            removed += 1
            tell(item)
        await opened.save(one.collection)
    return removed


def _find_unchanged(
    copied: Copied,
    arrived: Sequence[Result],
    infos: Mapping[ItemId, ItemInfo],
    secrets: Mapping[ItemId, ItemSecret],
) -> list[ItemId]:
    found = []
    for result in arrived:
        item = result.step.wish.source
        info = infos.get(item) if item is not None else None
        if info is None or info.id not in copied.infos:
            continue
        if not _is_that_item(copied.infos[info.id], info):
            continue
        kind = result.step.place.kind
        if kind is not Kind.FOLDER and info.id not in secrets:
            continue
        now = values.canonical_item(kind, info.attributes, secrets.get(info.id))
        if values.same(now, value_of(result.step)):
            found.append(info.id)
    return found


def _is_that_item(then: ItemInfo, now: ItemInfo) -> bool:
    first, second = (values.plain_attributes(one.attributes) for one in (then, now))
    return first == second and then.label == now.label


async def _read_items(opened: OpenStore, seen: Collection) -> list[tuple[ItemInfo, ItemSecret]]:
    await _ensure_unlocked(opened.backend, seen.id)
    infos = await opened.backend.read_items(await opened.backend.search(seen.id, {}))
    locked = [info.id for info in infos.values() if info.locked]
    if locked:
        await opened.backend.unlock_items(locked)
    secrets = await read_secrets_of(opened.backend, infos)
    if set(infos) - set(secrets):
        raise StoreLockedError("not every item of the source can be read")
    # Of several items for one entry the first counts, so it must be the one that programs get.
    return [(info, secrets[item]) for item, info in preferred_first(infos.values())]
