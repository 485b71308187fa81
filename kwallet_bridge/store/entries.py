# SPDX-License-Identifier: GPL-3.0-or-later
"""Wallets, folders and entries, in KWallet's words, over any item backend.

Names are answered from an index that grows with the questions; a question it can answer does not
suspend. Secrets are read at each call and kept nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, TypeVar

from kwallet_bridge.errors import (
    ElsewhereError,
    StoreConflictError,
    StoreDamagedError,
    StoreError,
    StoreIncompleteError,
    StoreLockedError,
    WalletNotFoundError,
)
from kwallet_bridge.model import DEFAULT_FOLDERS, FolderName, Key, WalletName
from kwallet_bridge.shared import Turn
from kwallet_bridge.store import codec
from kwallet_bridge.store.changes import Changes
from kwallet_bridge.store.directory import Directory
from kwallet_bridge.store.echoes import Echoes
from kwallet_bridge.store.index import UNSURE
from kwallet_bridge.store.jobs import Jobs, Open
from kwallet_bridge.store.port import BackendGone, BackendReturned, ItemTouched
from kwallet_bridge.store.site import Finder
from kwallet_bridge.store.walletitems import best_items
from kwallet_bridge.store.wallets import (
    FoldersTouched,
    FolderTouched,
    StoreGone,
    StoreSettings,
    WalletsChanged,
    WalletState,
)
from kwallet_bridge.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from kwallet_bridge.model import Entry, EntryType
    from kwallet_bridge.store.identity import Identity
    from kwallet_bridge.store.port import (
        BackendEvent,
        CollectionId,
        ItemBackend,
        ItemId,
        ItemSecret,
    )
    from kwallet_bridge.store.walletitems import WalletItem
    from kwallet_bridge.store.wallets import StoreEvent

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_ATTEMPTS = 3  # readings of an entry that another program replaces at the same time


class EntryStore:
    """The :class:`~kwallet_bridge.store.wallets.Store` over any item backend."""

    def __init__(self, backend: ItemBackend, settings: StoreSettings | None = None) -> None:
        """Serve what ``backend`` holds, under the names of ``settings``."""
        self._backend = backend
        self._settings = settings or StoreSettings()
        self._listeners: list[Callable[[StoreEvent], None]] = []
        self._directory = Directory(
            backend, self._settings, emit=self._emit, closed=self._close_site
        )
        self._finder = Finder(backend, doubt=self._doubt)
        self._writer = Writer(backend, self._finder)
        self._jobs = Jobs(self._finder, self._writer)
        self._sites: dict[CollectionId, Open] = {}
        self._echoes: dict[CollectionId, Echoes] = {}
        self._ready: dict[WalletName, Open] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._identity: Identity | None = None
        backend.subscribe(self._hear)

    def subscribe(self, listener: Callable[[StoreEvent], None]) -> None:
        """Have ``listener`` told of what other programs change."""
        self._listeners.append(listener)

    def identify_with(self, identity: Identity) -> None:
        """Serve a collection under a wallet's name only once it is proven to be that wallet's."""
        self._identity = identity
        identity.attach(self._backend, self._finder)
        identity.default_wallet = WalletName(self._settings.default_wallet)

    async def find_problem(self) -> str:
        """Return why every open fails although the store can be reached; "" if nothing is wrong."""
        return "" if self._identity is None else await self._identity.find_problem()

    def configure(self, settings: StoreSettings) -> None:
        """Use other settings from now on."""
        self._settings = settings
        self._ready.clear()
        if self._identity is not None:
            self._identity.default_wallet = WalletName(settings.default_wallet)
        self._directory.configure(settings)

    @property
    def destination(self) -> str:
        """Name the store as a migration's ``--to`` does."""
        return self._backend.destination

    def distrust(self) -> None:
        """Take nothing for absent that was known to be so."""
        for site in self._sites.values():
            site.index.forget_absences()

    # --- wallets --------------------------------------------------------------------------------

    async def is_reachable(self) -> bool:
        """Tell whether there is a store to serve from, without asking or starting it."""
        return await self._backend.is_reachable()

    async def list_wallets(self) -> Sequence[WalletName]:
        """List wallets, each once, the default one under its configured name."""
        return await self._directory.list_wallets()

    def canonical(self, wallet: WalletName) -> WalletName:
        """Give the name under which a wallet is listed, of several it answers to."""
        return self._directory.canonical(wallet)

    async def wallet_state(self, wallet: WalletName) -> WalletState:
        """Tell what an open would meet."""
        if wallet in self._ready:
            return WalletState.UNLOCKED
        box = await self._directory.find(wallet)
        if box is None:
            return WalletState.ABSENT
        if box.locked:
            return WalletState.LOCKED
        await self._recognise(box.id, wallet)
        return WalletState.UNLOCKED

    async def unlock(self, wallet: WalletName, *, window_id: str = "") -> None:
        """Unlock a wallet, prompting if needed."""
        box = await self._directory.find(wallet)
        if box is None:
            raise WalletNotFoundError("no wallet has this name")
        if box.locked:
            with self._directory.changing_lock(box.id, locked=False):
                await self._backend.unlock(box.id, window_id=window_id)
        await self._recognise(box.id, wallet)

    async def create_wallet(
        self, wallet: WalletName, *, window_id: str = "", made: Callable[[], None] = lambda: None
    ) -> None:
        """Make a wallet with KWallet's usual folders, prompting if needed."""
        codec.require_wallet_name(wallet, self._backend.quirks)
        if await self._directory.find(wallet) is not None:
            made()
            return
        if self._identity is not None:
            await self._identity.require_unexpected(wallet)
        with self._directory.changing_list(wallet):
            box = await self._backend.create_collection(wallet, window_id=window_id)
            await self._finish(self._furnish(box, wallet, made))

    async def _furnish(
        self, box: CollectionId, wallet: WalletName, made: Callable[[], None]
    ) -> None:
        with self._directory.changing_list(wallet):
            self._directory.touch()
            await self._directory.refresh()
            self._directory.remember(box, wallet)
        await self._jobs.make_folders(self._open_site(box), DEFAULT_FOLDERS)
        made()

    async def prepare(self, wallet: WalletName) -> bool:
        """Give an unlocked wallet that holds nothing of KWallet's its usual folders."""
        site = await self._site(wallet)
        for schema in (codec.MARKER_SCHEMA, codec.ENTRY_SCHEMA):
            if await self._finder.search_readable(site, {codec.SCHEMA: schema}):
                return False
        try:
            if await self.list_folders(wallet):
                return False
        except StoreIncompleteError:
            return False  # it holds something, if nothing that can be read
        await self._finish(self._jobs.make_folders(site, DEFAULT_FOLDERS))
        return True

    async def lock(self, wallet: WalletName) -> None:
        """Lock a wallet that is closed, unless that would take from others what they use."""
        box = await self._directory.find(wallet)
        if box is None:
            raise WalletNotFoundError("no wallet has this name")
        wanted = self._settings.lock_on_close
        if wanted is None and not box.locked:
            wanted = not await self._may_have_others(wallet)
        if not wanted:
            return
        with self._directory.changing_lock(box.id, locked=True):
            await self._backend.lock(box.id)

    async def _may_have_others(self, wallet: WalletName) -> bool:
        """Tell whether others keep items in a collection, or may: not all of it can be looked at."""
        with contextlib.suppress(StoreIncompleteError, StoreDamagedError, ElsewhereError):
            return await self._finder.has_others(await self._site(wallet))
        _log.info("a closed wallet stays unlocked: nobody can tell whether others use it too")
        return True

    async def delete_wallet(self, wallet: WalletName) -> None:
        """Delete a wallet, or, when others keep items in it too, only what is KWallet's."""
        site = await self._site(wallet)
        name = self.canonical(wallet)
        await self._finish(self._delete_wallet(site, name))
        if self._identity is not None:
            await self._identity.forget(name)

    # --- folders --------------------------------------------------------------------------------

    async def list_folders(self, wallet: WalletName) -> Sequence[FolderName]:
        """List folders, ascending by UTF-16 code unit."""
        site = self._ready.get(wallet) or await self._site(wallet)
        names = site.index.list_folders()
        if names is UNSURE:
            names = await self._finder.list_folders(site)
        site.changes.folders_told(names)
        return names

    async def has_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Tell whether a folder exists, with entries or without."""
        site = self._ready.get(wallet) or await self._site(wallet)
        found = site.index.has_folder(folder)
        return await self._finder.has_folder(site, folder) if found is UNSURE else found

    async def create_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Make a folder; False if it was there."""
        codec.require_name(folder)
        site = await self._site(wallet)
        return await self._finish(self._jobs.create_folder(site, folder))

    async def remove_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Remove a folder and its entries; False if it was not there."""
        site = await self._site(wallet)
        return await self._finish(self._jobs.remove_folder(site, folder))

    # --- entries --------------------------------------------------------------------------------

    async def list_entries(self, wallet: WalletName, folder: FolderName) -> Mapping[Key, EntryType]:
        """List keys and types, ascending by UTF-16 code unit; empty for a missing folder."""
        site = self._ready.get(wallet) or await self._site(wallet)
        found = site.index.list_entries(folder)
        if found is UNSURE:
            rows = await self._finder.find_folder(site, folder)
            found = {key: row.type for key, row in best_items(rows).items()}
        return found

    async def has_entry(self, wallet: WalletName, folder: FolderName, key: Key) -> bool:
        """Tell whether an entry exists."""
        return await self.entry_type(wallet, folder, key) is not None

    async def entry_type(
        self, wallet: WalletName, folder: FolderName, key: Key
    ) -> EntryType | None:
        """Tell an entry's type; None if it is absent."""
        site = self._ready.get(wallet) or await self._site(wallet)
        found = site.index.type_of(folder, key)
        if found is UNSURE:
            rows = await self._finder.find_key(site, folder, key)
            found = rows[0].type if rows else None
        return found

    async def might_exist(self, wallet: WalletName, folder: FolderName, key: Key | None) -> bool:
        """Tell without unlocking whether a folder (``key`` None) or entry may exist."""
        box = await self._directory.find(wallet)
        if box is None or box.locked:
            found = box is not None and await self._might_be_found(box.id, folder, key)
            if found or self._identity is None:
                return found
            place = None if box is None else box.id
            return await self._identity.might_have_held(place, self.canonical(wallet), folder, key)
        if key is None:
            return await self.has_folder(wallet, folder)
        return await self.entry_type(wallet, folder, key) is not None

    async def _might_be_found(
        self, collection: CollectionId, folder: FolderName, key: Key | None
    ) -> bool:
        """Ask a locked collection."""
        query = codec.folder_query(folder) if key is None else codec.entry_query(folder, key)
        if not all(codec.is_storable_name(name) for name in query.values()):
            return False
        try:
            found = await self._backend.search(collection, query)
        except StoreLockedError:
            return True
        return bool(found) or self._backend.quirks.hides_locked_items

    async def read(self, wallet: WalletName, folder: FolderName, key: Key) -> Entry | None:
        """Read one entry; None if it is absent."""
        site = self._ready.get(wallet) or await self._site(wallet)
        index = site.index
        row = index.best(folder, key)
        known = row is not UNSURE
        for _attempt in range(_ATTEMPTS):
            if row is UNSURE:
                rows = await self._finder.find_key(site, folder, key)
                row = rows[0] if rows else None
            if row is None:
                return None
            found = await self._writer.read_secrets(site, (row.id,))
            secret = found.get(row.id)
            doubted = bool(index.pending) and (known or row.id in index.pending)
            known = False
            if secret is not None and not doubted:
                return codec.decode_entry(row.attributes, secret)
            row = UNSURE
        raise StoreConflictError("another program keeps changing this entry")

    async def read_many(
        self,
        wallet: WalletName,
        folder: FolderName,
        wanted: Callable[[Key, EntryType], bool],
    ) -> Mapping[Key, Entry]:
        """Read every entry of a folder for which ``wanted`` says so, many at once."""
        site = self._ready.get(wallet) or await self._site(wallet)
        for _attempt in range(_ATTEMPTS):
            rows = site.index.folder_items(folder) if _attempt == 0 else None
            known = rows is not None
            if rows is None:
                rows = await self._finder.find_folder(site, folder)
            chosen = await _choose(rows, wanted)
            ids = [row.id for row in chosen.values()]
            secrets = await self._writer.read_secrets(site, ids)
            pending = site.index.pending
            if len(secrets) == len(ids) and not (known and pending) and pending.isdisjoint(ids):
                return await _decode(chosen, secrets)
            for item in ids:
                if item not in secrets:
                    site.changes.hear(item)
        raise StoreConflictError("another program keeps changing this folder")

    async def read_item(
        self, wallet: WalletName, attributes: Mapping[str, str]
    ) -> ItemSecret | None:
        """Return the secret of the oldest item with these attributes, an entry or not."""
        site = self._ready.get(wallet) or await self._site(wallet)
        hits = await self._finder.search(site, attributes)
        if not hits:
            await self._finder.prove_unlocked(site)
            return None
        infos = await self._finder.read_items(site, hits)
        secrets = await self._writer.read_secrets(site, list(infos))
        if not secrets:
            raise StoreConflictError("another program keeps changing this item")
        return secrets[min(secrets, key=lambda item: (infos[item].created, item))]

    async def write(self, wallet: WalletName, folder: FolderName, key: Key, entry: Entry) -> bool:
        """Write an entry and read it back; True if the folder is new."""
        site = await self._site(wallet)
        return await self._finish(self._jobs.write(site, folder, key, entry=entry))

    async def remove(self, wallet: WalletName, folder: FolderName, key: Key) -> bool:
        """Remove an entry, keeping its folder; False if it was absent."""
        site = await self._site(wallet)
        return await self._finish(self._jobs.remove(site, folder, key))

    async def rename(
        self, wallet: WalletName, folder: FolderName, key: Key, *, new_key: Key
    ) -> None:
        """Move an entry to another key of its folder: written and read back before removal."""
        site = await self._site(wallet)
        await self._finish(self._jobs.rename(site, folder, key, new_key=new_key))

    async def close(self) -> None:
        """Let started writes finish, then let go of what is held."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._identity is not None:
            await self._identity.flush()
        for site in list(self._sites):
            self._close_site(site)
        self._directory.cancel()
        self._listeners.clear()
        await self._backend.close()

    # --- writing --------------------------------------------------------------------------------

    async def _finish(self, job: Coroutine[object, object, _T]) -> _T:
        """Let a started write end, even if its caller is gone."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _delete_wallet(self, site: Open, wallet: WalletName) -> None:
        shared = await self._jobs.remove_all(site, keep=self._directory.is_default(site.collection))
        if shared:
            return
        with self._directory.changing_list(wallet):
            try:
                await self._backend.delete_collection(site.collection)
            except StoreError:
                # An answer that was lost may have been a yes.
                if not await self._directory.has_lost(site.collection):
                    raise
                return
            self._echoes.pop(site.collection, None)
            self._directory.touch()
            await self._directory.refresh()

    # --- events of the backend ------------------------------------------------------------------

    def _hear(self, event: BackendEvent) -> None:
        if isinstance(event, ItemTouched):
            site = self._sites.get(event.collection)
            if site is not None:
                site.changes.hear(event.item)
        elif isinstance(event, BackendGone):
            self._lose()
        elif isinstance(event, BackendReturned):
            self._ready.clear()
            self._directory.meet()
            self._emit(WalletsChanged())
        else:
            self._doubt()

    def _doubt(self) -> None:
        """Ask for locks and names afresh before the next answer."""
        self._ready.clear()
        self._directory.touch()

    def _lose(self) -> None:
        """Forget every id: the provider will give them to other things."""
        self._ready.clear()
        for site in self._sites.values():
            self._end_site(site, locked=False)
        self._sites.clear()
        self._echoes.clear()
        self._directory.forget()
        self._emit(StoreGone())

    def _close_site(self, collection: CollectionId) -> None:
        """Void what is known of a collection that was locked or is gone."""
        self._ready.clear()
        site = self._sites.pop(collection, None)
        if site is not None:
            self._end_site(site, locked=True)

    def _end_site(self, site: Open, *, locked: bool) -> None:
        if self._identity is not None:
            self._identity.leave(site)
        site.end(locked=locked)

    def _emit(self, event: StoreEvent) -> None:
        for listener in list(self._listeners):
            listener(event)

    # --- sites ----------------------------------------------------------------------------------

    async def _site(self, wallet: WalletName) -> Open:
        """Give the site of an unlocked wallet.

        Raises:
            WalletNotFoundError: There is no such wallet.
            StoreLockedError: It is locked.
        """
        box = await self._directory.find(wallet)
        if box is None:
            raise WalletNotFoundError("no wallet has this name")
        if box.locked:
            raise StoreLockedError("the wallet is locked")
        site = self._open_site(box.id)
        name = self.canonical(wallet)
        if self._identity is not None and not self._identity.is_settled(site, name):
            await self._identity.prove(site, name)
            return await self._site(wallet)  # another may have the name by now
        if self._directory.fresh:
            self._ready[wallet] = site
        return site

    async def _recognise(self, collection: CollectionId, wallet: WalletName) -> None:
        """Prove a collection's identity; what it lacks is expected of it then, and no failure."""
        site = self._open_site(collection)
        if self._identity is not None:
            with contextlib.suppress(ElsewhereError):
                await self._identity.prove(site, self.canonical(wallet))

    def _open_site(self, collection: CollectionId) -> Open:
        site = self._sites.get(collection)
        if site is None:
            site = self._sites[collection] = Open(collection)
            name = self._directory.name_of
            site.changes = Changes(
                site,
                self._finder,
                echoes=self._echoes.setdefault(collection, Echoes()),
                touched=lambda folder: self._emit(FolderTouched(name(collection), folder)),
                folders_touched=lambda: self._emit(FoldersTouched(name(collection))),
            )
            site.unsettled = site.changes.arm
        return site


async def _choose(
    rows: Iterable[WalletItem], wanted: Callable[[Key, EntryType], bool]
) -> dict[Key, WalletItem]:
    """Pick the rows of the keys that are wanted, letting others have a turn meanwhile."""
    turn = Turn()
    chosen: dict[Key, WalletItem] = {}
    for key, row in best_items(rows).items():
        if wanted(key, row.type):
            chosen[key] = row
        if turn.is_over:
            await turn.pass_on()
    return chosen


async def _decode(
    chosen: Mapping[Key, WalletItem], secrets: Mapping[ItemId, ItemSecret]
) -> Mapping[Key, Entry]:
    """Read the entries out of their items, letting others have a turn meanwhile."""
    turn = Turn()
    found: dict[Key, Entry] = {}
    for key, row in chosen.items():
        found[key] = codec.decode_entry(row.attributes, secrets[row.id])
        if turn.is_over:
            await turn.pass_on()
    return found
