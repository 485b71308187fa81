# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wallets there are, which collection each one is, and whether it is locked."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.errors import StoreError, StoreUnavailableError
from kwallet_bridge.model import WalletName
from kwallet_bridge.store.naming import find_default, require_clear
from kwallet_bridge.store.port import DEFAULT_ALIAS, Collection, CollectionId
from kwallet_bridge.store.wallets import (
    StoreEvent,
    StoreSettings,
    WalletLocked,
    WalletsChanged,
    WalletUnlocked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kwallet_bridge.store.port import ItemBackend

_PATIENCE = 8  # listings in a row that events may void before the last one is used
_PAUSE = 1.0  # seconds before it is read again, which may be voided as well


class Directory:
    """A snapshot of the collections, named as wallets, read again whenever an event voids it.

    ``closed`` is told of every collection that was locked or is gone.
    """

    def __init__(
        self,
        backend: ItemBackend,
        settings: StoreSettings,
        *,
        emit: Callable[[StoreEvent], None],
        closed: Callable[[CollectionId], None],
    ) -> None:
        """Know nothing yet."""
        self._backend = backend
        self._settings = settings
        self._emit = emit
        self._closed = closed
        self._boxes: dict[CollectionId, Collection] = {}
        self._default: CollectionId | None = None
        self._names: dict[WalletName, Collection] = {}
        self._hidden: dict[str, WalletName] = {}
        self._listing: tuple[WalletName, ...] = ()
        self._seen = False
        self._record: dict[CollectionId, str] = {}
        self._made: set[CollectionId] = set()
        self._own_locks: dict[CollectionId, bool] = {}
        self._own_names: set[str] = set()
        self._refreshing: asyncio.Task[bool] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._epoch = 0
        self._listings = 0
        self._voided = False
        self.fresh = False

    # --- questions ------------------------------------------------------------------------------

    async def list_wallets(self) -> Sequence[WalletName]:
        """List wallets, each once, sorted without case."""
        if not self.fresh:
            await self.refresh()
        return self._listing

    async def find(self, wallet: WalletName) -> Collection | None:
        """Give a wallet's collection; before saying there is none, list them afresh.

        Raises:
            WalletUnclearError: It is the default wallet, and nothing says which collection that is.
        """
        if not self.fresh:
            await self.refresh()
        elif self._resolve(wallet) is None:
            self.fresh = False
            await self.refresh()
        found = self._resolve(wallet)
        if found is None and wallet == self._settings.default_wallet:
            require_clear(
                self._boxes, alias=self._default, quirks=self._backend.quirks, taken=self._made
            )
        return found

    def canonical(self, wallet: WalletName) -> WalletName:
        """Give the name under which a wallet is listed, as far as is known."""
        found = self._resolve(wallet)
        return self.name_of(found.id) if found is not None else wallet

    def name_of(self, collection: CollectionId) -> WalletName:
        """Give the name under which a collection is listed."""
        for name, box in self._names.items():
            if box.id == collection:
                return name
        box = self._boxes[collection]
        return WalletName(self._label(box))

    def is_default(self, collection: CollectionId) -> bool:
        """Tell whether a collection is the provider's default one."""
        return collection == self._default

    async def has_lost(self, collection: CollectionId) -> bool:
        """Tell whether a collection is certainly there no more."""
        epoch = self._epoch
        self.touch()
        with contextlib.suppress(StoreError):
            await self.refresh()
        return epoch == self._epoch and collection not in self._boxes

    # --- keeping it true ------------------------------------------------------------------------

    def configure(self, settings: StoreSettings) -> None:
        """Name the wallets by other settings."""
        self._settings = settings
        before = {box.id: name for name, box in self._names.items()}
        self._name_all()
        if self._seen:
            closed, opened = self._changes(self._boxes, before)
            events: list[StoreEvent] = [*closed, *opened]
            for event in events:
                self._emit(event)

    def touch(self) -> None:
        """Doubt the snapshot, as an event asks, and read it again soon."""
        self.fresh = False
        self._voided = True
        if self._seen and (self._refreshing is None or self._refreshing.done()):
            self._start()

    def meet(self) -> None:
        """Have a failure at the provider before this one count for nobody."""
        self._epoch += 1
        self.touch()

    def forget(self) -> None:
        """The provider is gone: keep nothing but the names to compare with."""
        self.fresh = False
        self._voided = True
        self._seen = False
        self._epoch += 1
        self._boxes.clear()
        self._names.clear()
        self._hidden.clear()
        self._record.clear()
        self._made.clear()

    def cancel(self) -> None:
        """Stop what is under way."""
        if self._later is not None:
            self._later.cancel()
        if self._refreshing is not None:
            self._refreshing.cancel()

    async def refresh(self) -> None:
        """Read the snapshot again, once for all who ask at the same time."""
        running = self._refreshing
        await asyncio.shield(self._start() if running is None or running.done() else running)

    def _start(self) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(self._refresh())
        self._refreshing = task
        task.add_done_callback(self._refreshed)
        return task

    def _refreshed(self, task: asyncio.Task[bool]) -> None:
        if self._refreshing is task:
            self._refreshing = None
        if task.cancelled() or task.exception() is not None or self.fresh:
            return
        if task.result():
            self.touch()  # an event came with the last of it
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(_PAUSE, self._look_again)

    def _look_again(self) -> None:
        self._later = None
        if not self.fresh:
            self.touch()

    async def _refresh(self) -> bool:
        """Read the snapshot; False if events void even the last of many."""
        for _attempt in range(_PATIENCE):
            epoch = self._epoch
            self._voided = False
            try:
                boxes = await self._backend.collections()
                default = await self._backend.read_alias(DEFAULT_ALIAS)
            except StoreUnavailableError:
                if epoch == self._epoch:
                    raise
                continue  # it was the last provider's; who asked since means the present one
            if not self._voided:
                break  # else an event came meanwhile, perhaps of another provider: ask again
        if epoch != self._epoch:
            raise StoreUnavailableError("providers come and go")
        self.fresh = settled = not self._voided
        self._take({box.id: box for box in boxes}, default)
        return settled

    def _take(self, boxes: dict[CollectionId, Collection], default: CollectionId | None) -> None:
        old_boxes, old_listing, seen = self._boxes, self._listing, self._seen
        old_names = {box.id: name for name, box in self._names.items()}
        self._boxes, self._default, self._seen = boxes, default, True
        self._listings += 1
        self._name_all()
        for gone in old_boxes.keys() - boxes.keys():
            self._record.pop(gone, None)
            self._made.discard(gone)
        closed, opened = self._changes(old_boxes, old_names) if seen else ([], [])
        for found, box in old_boxes.items():
            if not box.locked and (found not in boxes or boxes[found].locked):
                self._closed(found)
        events: list[StoreEvent] = list(closed)
        if seen and not (set(old_listing) ^ set(self._listing)) <= self._own_names:
            events.append(WalletsChanged())
        for event in (*events, *opened):
            self._emit(event)

    def _changes(
        self,
        old_boxes: Mapping[CollectionId, Collection],
        old_names: Mapping[CollectionId, WalletName],
    ) -> tuple[list[WalletLocked], list[WalletUnlocked]]:
        """Tell which wallets others closed and opened.

        A name that means another collection than before is closed too: who has it open would
        find what it knows absent.
        """
        new_names = {box.id: name for name, box in self._names.items()}
        closed, opened = [], []
        for found in {**old_boxes, **self._boxes}:
            before = _open_name(old_boxes.get(found), old_names)
            after = _open_name(self._boxes.get(found), new_names)
            if before == after:
                continue
            own = self._own_locks.get(found)
            if before is not None and before not in self._own_names and own is not True:
                closed.append(WalletLocked(before))
            if after is not None and after not in self._own_names and own is not False:
                opened.append(WalletUnlocked(after))
        return closed, opened

    # --- our own changes ------------------------------------------------------------------------

    @contextlib.contextmanager
    def changing_lock(self, collection: CollectionId, *, locked: bool) -> Iterator[None]:
        """Take a change of lock as ours, and note it when it is done."""
        self._own_locks[collection] = locked
        listings = self._listings
        try:
            yield
        except StoreError:
            self.touch()
            raise
        else:
            self._note_locked(collection, locked=locked)
            if self._refreshing is not None or self._listings != listings:
                # Which of the two is older nobody knows: somebody else may have locked it since.
                self.touch()
        finally:
            self._own_locks.pop(collection, None)

    @contextlib.contextmanager
    def changing_list(self, wallet: WalletName) -> Iterator[None]:
        """Take the appearance or disappearance of a wallet as ours."""
        self._own_names.add(wallet)
        try:
            yield
        finally:
            self._own_names.discard(wallet)

    def remember(self, collection: CollectionId, wallet: WalletName) -> None:
        """Keep the name a collection was made under, whatever the provider calls it."""
        box = self._boxes.get(collection)
        if wallet != self._settings.default_wallet:
            self._made.add(collection)
            self._name_all()
        if box is not None and self._resolve(wallet) is None:
            self._record[collection] = wallet
            self._boxes[collection] = replace(box, label=wallet)
            self._name_all()

    def _note_locked(self, collection: CollectionId, *, locked: bool) -> None:
        box = self._boxes.get(collection)
        if box is None:
            return
        self._boxes[collection] = replace(box, locked=locked)
        self._name_all()
        if locked:
            self._closed(collection)
        elif self._backend.quirks.label_is_file_when_locked:
            self.touch()

    # --- names ----------------------------------------------------------------------------------

    def _label(self, box: Collection) -> str:
        if self._backend.quirks.label_is_file_when_locked and box.locked:
            return self._record.get(box.id, box.label)
        return box.label

    def _name_all(self) -> None:
        """Name every collection once, the default one as kwalletrc calls it."""
        labels = {found: self._label(box) for found, box in sorted(self._boxes.items())}
        for found, box in self._boxes.items():
            if not box.locked:
                self._record[found] = box.label
        wanted = self._settings.default_wallet
        holder = find_default(
            labels, wanted, alias=self._default, quirks=self._backend.quirks, taken=self._made
        )
        self._names = {}
        self._hidden = {}
        if holder is not None:
            self._names[WalletName(wanted)] = self._boxes[holder]
            self._hidden[labels[holder]] = WalletName(wanted)
        preferred = sorted(labels, key=lambda found: (found != self._default, found))
        for found in preferred:
            if found != holder and labels[found] != wanted:
                self._names.setdefault(WalletName(labels[found]), self._boxes[found])
        self._listing = tuple(sorted(self._names, key=lambda name: (name.casefold(), name)))

    def _resolve(self, wallet: WalletName) -> Collection | None:
        """Find a wallet by its name, its collection's label, without case, or by alias."""
        found = self._names.get(wallet)
        if found is not None:
            return found
        name = self._hidden.get(wallet)
        if name is None and self._backend.quirks.forgets_label_case:
            folded = wallet.casefold()
            name = next((n for n in self._listing if n.casefold() == folded), None)
        if name is None:
            name = WalletName(self._settings.aliases.get(wallet, ""))
        return self._names.get(name)


def _open_name(
    box: Collection | None, names: Mapping[CollectionId, WalletName]
) -> WalletName | None:
    return names.get(box.id) if box is not None and not box.locked else None
