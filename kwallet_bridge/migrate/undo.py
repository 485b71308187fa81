# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a run back: remove what it wrote where that is unchanged, put back what it replaced."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kwallet_bridge.errors import MigrationError, UsageError
from kwallet_bridge.migrate import keepsake, values
from kwallet_bridge.migrate.journal import CONFIRMED, UNDONE
from kwallet_bridge.migrate.lasting import Save, is_saved
from kwallet_bridge.migrate.model import Action, Kind, Place, Snapshot
from kwallet_bridge.migrate.plan import Destination
from kwallet_bridge.migrate.snapshot import find_collection, read_secrets_of
from kwallet_bridge.store import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kwallet_bridge.migrate.journal import Intent, Journal, RunRecord
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemId, NewItem


MOVED = "moved"
"""The state of a run whose source was removed: undoing would remove the last copy."""


class Undone(StrEnum):
    """How undoing one row ended."""

    REMOVED = "removed"
    RESTORED = "restored"
    CHANGED = "changed-since"
    ABSENT = "absent"
    UNREACHED = "not-reached"
    """Its wallet was not found, or is not the one that the run wrote to."""


@dataclass(frozen=True, slots=True)
class UndoResult:
    """A place and how undoing it ended."""

    place: Place
    outcome: Undone


def find_run(journal: Journal, name: str) -> RunRecord:
    """Find a run by its name, or the last one by ``last``.

    Raises:
        UsageError: There is no such run.
    """
    if name == "last" and journal.runs:
        return list(journal.runs.values())[-1]
    run = journal.runs.get(name)
    if run is None:
        raise UsageError("there is no such run; --runs lists them")
    return run


async def undo_run(  # noqa: PLR0913  keyword-only
    backend: ItemBackend,
    journal: Journal,
    run: RunRecord,
    *,
    default_wallet: str,
    tell: Callable[[UndoResult], None] = lambda _: None,
    save: Save = is_saved,
) -> list[UndoResult]:
    """Undo a run, finished or cut off; what somebody changed since stays as it is.

    The run has ended only if its ``state`` says so afterwards: every wallet was found with the
    run's key in it, nothing of the run is left, and that is saved. Else the same call can be
    repeated.

    Raises:
        MigrationError: The run was undone or confirmed already.
        StoreError: The destination failed; undoing can be repeated.
    """
    if run.state == MOVED:
        raise MigrationError("this run moved entries; copy them back instead of undoing it")
    _refuse_ended(run)
    reached = {
        wallet: await reach(backend, run, wallet, default_wallet=default_wallet)
        for wallet in run.wallets
    }
    if any(reached.values()) and not run.undoing:
        journal.note_undoing(run)
    results = []
    for wallet, place in reached.items():
        if wallet in run.settled:  # an earlier undo was cut off behind this wallet
            results += [UndoResult(one, Undone.ABSENT) for one in _places(run, wallet)]
            if place is not None:
                await _clear(backend, run, place)
        elif place is None:
            results += [UndoResult(one, Undone.UNREACHED) for one in _places(run, wallet)]
        else:
            undone = await _undo_wallet(backend, run, place, tell)
            results += undone.values()
            # Before the journal takes it for done: what a store has not saved comes back.
            await save(place.collection)
            _note_undone(journal, run, wallet, undone)
            if wallet in run.settled:
                await _clear(backend, run, place)
    for place in await _find_bare(backend, run, default_wallet=default_wallet):
        await _clear(backend, run, place)
    if _is_settled(run):
        await _save_all(backend, run, save, default_wallet=default_wallet)
        _end(journal, run, UNDONE)
    return results


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What confirming a run came to: kept items removed, and wallets that were not reached."""

    removed: int
    unreached: tuple[WalletName, ...]


async def confirm_run(
    backend: ItemBackend,
    journal: Journal,
    run: RunRecord,
    *,
    default_wallet: str,
    save: Save = is_saved,
) -> Confirmed:
    """Let go of what a run replaced; it cannot be undone any more.

    The run has ended only if every wallet was reached and is saved without what was let go; else
    the same call can be repeated.

    Raises:
        MigrationError: The run was undone or confirmed already.
        StoreError: The destination failed; confirming can be repeated.
    """
    _refuse_ended(run)
    removed = 0
    for wallet in run.wallets:
        place = await reach(backend, run, wallet, default_wallet=default_wallet)
        if place is not None:
            journal.note_settled(run, wallet)
            removed += await keepsake.forget(backend, place.collection, run.id)
    for place in await _find_bare(backend, run, default_wallet=default_wallet):
        await keepsake.forget(backend, place.collection, run.id)
    unreached = tuple(wallet for wallet in run.wallets if wallet not in run.settled)
    if _is_settled(run):
        await _save_all(backend, run, save, default_wallet=default_wallet)
        _end(journal, run, CONFIRMED)
    return Confirmed(removed, unreached)


@dataclass(frozen=True, slots=True)
class Reached:
    """A wallet as a run left it: the collection that holds the run's own key."""

    wallet: WalletName
    collection: CollectionId
    cipher_key: Secret


async def reach(
    backend: ItemBackend, run: RunRecord, wallet: WalletName, *, default_wallet: str
) -> Reached | None:
    """Find the collection that a run wrote to, unlocking it; None if it is not there.

    The name proves nothing, since another provider or file may have such a collection too. The
    run's key does: it was stored there before the first write, and nowhere else.
    """
    collection = await find_collection(backend, wallet, default_wallet=default_wallet)
    if collection is None:
        return None
    if await backend.is_locked(collection):
        await backend.unlock(collection)
    cipher_key = await keepsake.find_key(backend, collection, run.id)
    return None if cipher_key is None else Reached(wallet, collection, cipher_key)


async def is_at_home(backend: ItemBackend, run: RunRecord, *, default_wallet: str) -> bool:
    """Tell whether a store is the one that a run wrote to, as far as it wrote at all."""
    for wallet in run.wallets:
        if await reach(backend, run, wallet, default_wallet=default_wallet) is None:
            return False
    return True


async def _find_bare(backend: ItemBackend, run: RunRecord, *, default_wallet: str) -> list[Reached]:
    """Find where a run put its key and was cut off before it meant to write anything."""
    bare = [wallet for wallet in run.keyed if wallet not in run.wallets]
    found = [await reach(backend, run, one, default_wallet=default_wallet) for one in bare]
    return [place for place in found if place is not None]


async def _clear(backend: ItemBackend, run: RunRecord, place: Reached) -> None:
    """Remove the run's own items, and the collection if the run made it and nothing is left."""
    await keepsake.forget(backend, place.collection, run.id)
    if place.wallet in run.collections and not await backend.search(place.collection, {}):
        await backend.delete_collection(place.collection)


def _places(run: RunRecord, wallet: WalletName) -> list[Place]:
    return [one.place for one in run.intents.values() if one.place.wallet == wallet]


def _is_settled(run: RunRecord) -> bool:
    return run.settled.issuperset(run.wallets)


async def _save_all(
    backend: ItemBackend, run: RunRecord, save: Save, *, default_wallet: str
) -> None:
    """Have what a run's wallets have lost stay lost, before the journal forgets what it was.

    Also where nothing was left to remove: the process that removed it may have been killed before
    this. A wallet that is locked was not touched.
    """
    for wallet in dict.fromkeys([*run.wallets, *run.keyed]):
        collection = await find_collection(backend, wallet, default_wallet=default_wallet)
        if collection is not None and not await backend.is_locked(collection):
            await save(collection)


def _end(journal: Journal, run: RunRecord, state: str) -> None:
    journal.end(run, state)
    journal.forget_names(run)


def _refuse_ended(run: RunRecord) -> None:
    if run.state in {UNDONE, CONFIRMED}:
        raise MigrationError(f"this run is {run.state} already")


async def _undo_wallet(
    backend: ItemBackend, run: RunRecord, place: Reached, tell: Callable[[UndoResult], None]
) -> dict[int, UndoResult]:
    """Undo the rows of one wallet that no earlier undo has dealt with; gives them by number."""
    undoing = _Undoing(backend, run, place)
    await undoing.look()
    results: dict[int, UndoResult] = {}
    for intent in sorted(run.intents.values(), key=lambda one: -one.number):
        if intent.place.wallet == place.wallet and intent.number not in run.taken_back:
            results[intent.number] = await undoing.undo(intent)
            tell(results[intent.number])
    return results


def _note_undone(
    journal: Journal, run: RunRecord, wallet: WalletName, results: Mapping[int, UndoResult]
) -> None:
    done = [number for number, one in results.items() if one.outcome is not Undone.CHANGED]
    if len(done) < len(results):
        journal.note_taken_back(run, done)
    else:
        journal.note_settled(run, wallet)


class _Undoing:
    """Undoes the rows of one collection."""

    def __init__(
        self,
        backend: ItemBackend,
        run: RunRecord,
        place: Reached,
    ) -> None:
        self._backend = backend
        self._run = run
        self._wallet = place.wallet
        self._collection = place.collection
        self._key = place.cipher_key
        self._kept: dict[int, list[keepsake.Kept]] = {}

    async def look(self) -> None:
        """Read what is there now."""
        infos = await self._backend.read_items(await self._backend.search(self._collection, {}))
        self._infos = infos
        bare = Snapshot(self._collection, infos, {}, self._backend.quirks)
        seen = Destination(bare, self._wallet)
        wanted: set[ItemId] = set()
        for intent in self._run.intents.values():
            if intent.place.wallet == self._wallet and intent.place.kind is not Kind.FOLDER:
                wanted.update(seen.find(intent.place))
        secrets = await read_secrets_of(self._backend, wanted)
        self._seen = Destination(replace(bare, secrets=secrets), self._wallet)
        for kept in await keepsake.find_kept(self._backend, self._collection, self._run.id):
            self._kept.setdefault(kept.step, []).append(kept)

    async def undo(self, intent: Intent) -> UndoResult:
        """Undo one row."""
        place = intent.place
        kept = self._kept.get(intent.number, [])
        found = [item for item in self._seen.find(place) if self._is_counted(item, place)]
        written = [item for item in found if self._is_written(item, intent)]
        if intent.action is Action.REPLACE and not kept:
            # Kept before it is replaced: it was not, or else what was kept was removed since.
            return UndoResult(place, Undone.CHANGED if written else Undone.ABSENT)
        if not found and not kept:
            return UndoResult(place, Undone.ABSENT)
        if found and not written:
            return UndoResult(place, self._untouched(found, kept, place))
        if kept:
            await self._restore([one.item for one in kept], written)
            return UndoResult(place, Undone.RESTORED)
        for item in written[: 1 if place.kind is Kind.ITEM else None]:
            await self._backend.delete_item(item)
        return UndoResult(place, Undone.REMOVED)

    def _untouched(self, found: list[ItemId], kept: list[keepsake.Kept], place: Place) -> Undone:
        """Tell a replacement that never happened from a value somebody wrote since."""
        kept_values = [
            values.canonical_item(place.kind, one.item.attributes, one.item.secret) for one in kept
        ]
        now = self._seen.value(found[0], place.kind)
        same = any(values.same(now, value) for value in kept_values)
        return Undone.RESTORED if same else Undone.CHANGED

    def _is_counted(self, item: ItemId, place: Place) -> bool:
        """Tell whether an item is of the row's own kind: a folder is its marker, not its entries."""
        return place.kind is not Kind.FOLDER or codec.is_marker(self._seen.info(item).attributes)

    def _is_written(self, item: ItemId, intent: Intent) -> bool:
        now = values.digest(self._key, self._seen.value(item, intent.place.kind))
        return hmac.compare_digest(now, intent.digest)

    async def _restore(self, old: list[NewItem], written: list[ItemId]) -> None:
        """Put replaced items back in the place of what the run wrote."""
        first = self._backend.quirks.delete_takes_supersets
        leftover = list(written)
        if first:  # deleting afterwards would take the restored item along
            await self._delete_all(leftover)
            leftover = []
        for item in old:
            wanted = values.plain_attributes(item.attributes)
            if await self._is_back(item, written):
                continue
            twin = next((one for one in leftover if self._attributes(one) == wanted), None)
            made = await self._backend.create_item(self._collection, item, replace=twin is not None)
            if twin is not None:
                leftover.remove(twin)
            await self._check(made, item)
        await self._delete_all(leftover)

    async def _is_back(self, old: NewItem, written: list[ItemId]) -> bool:
        """Tell whether an earlier undo, cut off, has put an item back already."""
        wanted = values.plain_attributes(old.attributes)
        alike = [
            info.id
            for info in self._infos.values()
            if info.id not in written
            and info.label == old.label
            and values.plain_attributes(info.attributes) == wanted
        ]
        secrets = await self._backend.read_secrets(alike)
        return any(secret.value == old.secret.value for secret in secrets.values())

    def _attributes(self, item: ItemId) -> tuple[tuple[str, str], ...]:
        return values.plain_attributes(self._seen.info(item).attributes)

    async def _delete_all(self, items: list[ItemId]) -> None:
        for item in items:
            await self._backend.delete_item(item)

    async def _check(self, made: ItemId, item: NewItem) -> None:
        back = (await self._backend.read_secrets([made])).get(made)
        if back is None or back.value != item.secret.value:
            raise MigrationError("what was replaced could not be put back; it is still kept")
