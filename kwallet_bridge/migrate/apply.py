# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan, journalling every row."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    BridgeError,
    CodecError,
    InvalidNameError,
    MigrationError,
    ReadBackError,
    StoreConflictError,
    StoreRefusedError,
    StoreTimeoutError,
)
from kwallet_bridge.migrate import keepsake, values
from kwallet_bridge.migrate.model import (
    WRITES,
    Action,
    Kind,
    Outcome,
    Place,
    Plan,
    Result,
    Snapshot,
    Step,
)
from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.store import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kwallet_bridge.migrate.journal import Journal, RunRecord
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemId, NewItem
    from kwallet_bridge.store.wallets import Store

_BROWSERS_FOLDER = " Keys"
_BROWSERS_KEY = " Safe Storage"

IN_FLIGHT = 8
"""Creations under way at once: enough to hide the round trips, few enough to stop soon."""

_ROWS_OWN = (
    StoreRefusedError,
    StoreConflictError,
    ReadBackError,
    CodecError,
    InvalidNameError,
    MigrationError,
)
"""Errors that concern one row; any other ends the run, which can be resumed."""

REFUSED = "refused-by-provider"
ALTERED = "altered-by-provider"
CHANGED = "changed-by-another-program"
NOT_KEPT = "cannot-be-kept"
_AT_REST = {
    Action.SAME: Outcome.SAME,
    Action.SKIP: Outcome.SKIPPED,
    Action.CONFLICT: Outcome.SKIPPED,
    Action.UNSUPPORTED: Outcome.UNSUPPORTED,
}


@dataclass(slots=True)
class Target:
    """Where a plan is carried out; ``wallet`` is the collection's name for ``store``."""

    backend: ItemBackend
    store: Store
    wallet: WalletName
    collection: CollectionId | None
    keeps_lines: Callable[[CollectionId], bool] = lambda _: True

    @property
    def place(self) -> CollectionId:
        """The collection, which exists once anything is written."""
        if self.collection is None:
            raise MigrationError("the destination has no collection yet")
        return self.collection


def intents_of(plan: Plan, cipher_key: Secret) -> list[tuple[int, str]]:
    """Give the digests of what a plan will write, by row number."""
    return [
        (number, values.digest(cipher_key, value_of(row)))
        for number, row in enumerate(plan.steps)
        if row.action in WRITES
    ]


def value_of(row: Step) -> bytes:
    """Give the bytes by which what a row writes is compared."""
    item = item_of(row)
    return values.canonical_item(row.place.kind, item.attributes, item.secret)


def item_of(row: Step) -> NewItem:
    """Give the item a row writes."""
    if row.wish.item is None:
        raise MigrationError("a row without an item cannot be written")
    return row.wish.item


def at_rest(row: Step) -> Result:
    """Give the result of a row that needs no write."""
    return Result(row, _AT_REST[row.action], row.reason)


def _in_order(plan: Plan, action: Action) -> Iterator[tuple[int, Step]]:
    """Give the rows to write with their numbers, those first without which most would be lost.

    A browser encrypts all its logins under one key, and makes a new key where it finds none; so a
    move that is cut off should have written that.
    """
    rows = [pair for pair in enumerate(plan.steps) if pair[1].action is action]
    return iter(sorted(rows, key=lambda pair: not _is_browsers(pair[1].place)))


def _is_browsers(place: Place) -> bool:
    """Tell Chromium's family by the names it has in common: "Brave Keys/Brave Safe Storage"."""
    return place.folder.endswith(_BROWSERS_FOLDER) or place.key.endswith(_BROWSERS_KEY)


class Applier:
    """Carries out one plan of a run. ``results`` fills as rows end, by row number."""

    def __init__(
        self,
        target: Target,
        snapshot: Snapshot,
        journal: Journal,
        run: RunRecord,
        tell: Callable[[Result], None] = lambda _: None,
    ) -> None:
        self._target = target
        self._snapshot = snapshot
        self._journal = journal
        self._run = run
        self._tell = tell
        self._failures: list[BridgeError] = []
        self.results: dict[int, Result] = {}

    async def write(self, plan: Plan, cipher_key: Secret) -> None:
        """Write what the plan says.

        Raises:
            StoreError: The store failed as a whole; what was written is in the journal.
            JournalError: The journal cannot be written; nothing further was.
        """
        self._journal.intend(
            self._run,
            [
                (plan.steps[number].place, plan.steps[number].action, digest)
                for number, digest in intents_of(plan, cipher_key)
            ],
        )
        waiting = _in_order(plan, Action.CREATE)
        workers = 1 if self._target.backend.quirks.rewrites_text else IN_FLIGHT
        await asyncio.gather(*(self._work(waiting) for _ in range(workers)))
        await self._work(_in_order(plan, Action.REPLACE))
        if self._failures:
            raise self._failures[0]

    def settle(self, plan: Plan) -> None:
        """Note the rows that need no write."""
        for number, row in enumerate(plan.steps):
            if row.action not in WRITES:
                self._rest(number, row)

    async def _work(self, waiting: Iterator[tuple[int, Step]]) -> None:
        """Write rows one after another until there are none or the run has failed."""
        for number, row in waiting:
            if self._failures:
                return
            try:
                await self._write(number, row)
            except BridgeError as error:
                self._failures.append(error)
                return

    async def _write(self, number: int, row: Step) -> None:
        try:
            if row.action is Action.REPLACE:
                await self._replace(row)
            else:
                await self._create(row)
        except _ROWS_OWN as error:
            self._end(number, Result(row, Outcome.FAILED, _reason(error)))
            return
        done = Outcome.REPLACED if row.action is Action.REPLACE else Outcome.CREATED
        self._end(number, Result(row, done))

    def _end(self, number: int, result: Result) -> None:
        self._journal.note(self._run, result.step.place, result.outcome)
        self.results[number] = result
        self._tell(result)

    def _rest(self, number: int, row: Step) -> None:
        """Take a row that needs no write; what an interrupted run wrote becomes its outcome."""
        intent = self._run.by_place.get(row.place)
        outcome = _AT_REST[row.action]
        if intent is not None and outcome is Outcome.SAME:
            done = Outcome.REPLACED if intent.action is Action.REPLACE else Outcome.CREATED
            if intent.outcome is not done:
                self._journal.note(self._run, row.place, done)
            outcome = done
        self.results[number] = Result(row, outcome, row.reason)

    async def _create(self, row: Step) -> None:
        """Create an item; never with ``replace``, which some providers take too widely.

        The snapshot said the place is free. Should another program fill it at this very moment,
        there are two items and nothing is lost.
        """
        target, item = self._target, item_of(row)
        await self._delete(row.stale)
        if row.place.kind is Kind.ENTRY and target.backend.quirks.rewrites_text:
            await self._write_checked(row)
            return
        if row.place.kind is not Kind.ITEM:  # another program's stays in its program's form
            item = codec.as_taken(item, target.backend.quirks)
        self._require_kept(row)
        try:
            await target.backend.create_item(target.place, item, replace=False)
        except StoreTimeoutError:
            if not await self._arrived(item, row):
                raise

    def _require_kept(self, row: Step) -> None:
        """Refuse what would spoil a collection's file; a new collection's is known only now.

        Raises:
            MigrationError: Another program's item would not be given back.
        """
        item = item_of(row)
        foreign = row.place.kind is Kind.ITEM
        if (
            foreign
            and not values.is_line(item)
            and not self._target.keeps_lines(self._target.place)
        ):
            raise MigrationError("the collection's file would not give the item back")

    async def _arrived(self, item: NewItem, row: Step) -> bool:
        """Tell whether an item was stored although the provider did not say so in time."""
        backend = self._target.backend
        found = await backend.search(self._target.place, item.attributes)
        secrets = await backend.read_secrets(found)
        wanted, kind = value_of(row), row.place.kind
        return any(
            values.same(values.canonical_item(kind, item.attributes, secret), wanted)
            for secret in secrets.values()
        )

    async def _replace(self, row: Step) -> None:
        """Keep what is there, then write over it."""
        target = self._target
        intent = self._run.by_place[row.place]
        old = await self._read_old(row.existing)
        await keepsake.keep(
            target.backend, target.place, run=self._run.id, row=intent.number, items=old
        )
        first = target.backend.quirks.delete_takes_supersets
        if first:  # their end would take the new one along
            await self._delete(row.stale)
        if row.place.kind is Kind.ENTRY:
            await self._write_checked(row)
        else:
            await self._exchange(row)
        if not first:
            await self._delete(row.stale)

    async def _write_checked(self, row: Step) -> None:
        """Write through the store, which knows each provider's ways and reads back."""
        item = item_of(row)
        entry = codec.decode_entry(item.attributes, item.secret)
        folder, key = FolderName(row.place.folder), Key(row.place.key)
        await self._target.store.write(self._target.wallet, folder, key, entry)

    async def _exchange(self, row: Step) -> None:
        """Put another program's item in the place of the old one, which goes last."""
        self._require_kept(row)
        backend, collection = self._target.backend, self._target.place
        first = backend.quirks.delete_takes_supersets
        if first:
            await self._delete(row.existing)
        await backend.create_item(collection, item_of(row), replace=False)
        if not first:
            await self._delete(row.existing)

    async def _delete(self, items: Sequence[ItemId]) -> None:
        for item in items:
            await self._target.backend.delete_item(item)

    async def _read_old(self, items: Sequence[ItemId]) -> list[keepsake.Pair]:
        """Read afresh what will be replaced: it may have changed since the plan."""
        infos = await self._target.backend.read_items(items)
        secrets = await self._target.backend.read_secrets(items)
        return [(infos[item], secrets[item]) for item in items if item in infos and item in secrets]


def _reason(error: BridgeError) -> str:
    if isinstance(error, StoreRefusedError):
        return REFUSED
    if isinstance(error, StoreConflictError):
        return CHANGED
    return ALTERED if isinstance(error, ReadBackError) else NOT_KEPT
