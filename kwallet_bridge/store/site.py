# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of one open collection, and how its names are found."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    StoreError,
    StoreIncompleteError,
    StoreLockedError,
    StoreUnavailableError,
)
from kwallet_bridge.qtstream import utf16_key
from kwallet_bridge.shared import Locks
from kwallet_bridge.store import codec
from kwallet_bridge.store.index import UNSURE, Index
from kwallet_bridge.store.mark import MARK_QUERY, MARK_SCHEMA
from kwallet_bridge.store.port import ItemId
from kwallet_bridge.store.walletitems import wallet_item_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from kwallet_bridge.model import FolderName, Key
    from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemInfo, ItemSecret
    from kwallet_bridge.store.walletitems import WalletItem

_FEW = 64
"""Items that are read one by one rather than told apart by searches."""
_SAMPLE = 16


class Site:
    """One unlocked collection: its index, its locks, and whether its ids still mean anything."""

    __slots__ = ("_end", "_locks", "collection", "index", "proven", "unsettled")

    def __init__(self, collection: CollectionId) -> None:
        """Know nothing of it."""
        self.collection = collection
        self.index = Index()
        self.proven: set[str] = set()
        """What wallets the collection was proven to be, or known not to be."""
        self.unsettled: Callable[[], None] = lambda: None
        self._end: StoreError | None = None
        self._locks: Locks[tuple[FolderName, Key | None]] = Locks()

    def end(self, *, locked: bool) -> None:
        """Let nothing go on that began before the collection was locked or lost."""
        if locked:
            self._end = StoreLockedError("the wallet was locked in the middle of a call")
        else:
            self._end = StoreUnavailableError("the store went away in the middle of a call")

    @property
    def ended(self) -> bool:
        """Whether what is known here is void."""
        return self._end is not None

    def check(self) -> None:
        """Refuse to go on with what is void.

        Raises:
            StoreUnavailableError: The provider or the collection went away meanwhile.
            StoreLockedError: The collection was locked meanwhile.
        """
        if self._end is not None:
            raise self._end

    @contextlib.asynccontextmanager
    async def hold(self, folder: FolderName, *keys: Key | None) -> AsyncIterator[None]:
        """Let nobody else write these keys; None stands for the folder itself."""
        async with contextlib.AsyncExitStack() as stack:
            for key in sorted(set(keys), key=lambda key: (key is not None, key or "")):
                await stack.enter_async_context(self._locks.hold((folder, key)))
            yield


class Finder:
    """Answers what the index cannot, and teaches it.

    Answers come from a search begun after the question, so they hold whatever events say of it
    meanwhile. An empty answer is given only by a collection that is unlocked.
    """

    def __init__(self, backend: ItemBackend, *, doubt: Callable[[], None]) -> None:
        """Call ``doubt`` when a collection turns out to be locked."""
        self._backend = backend
        self.doubt = doubt

    async def find_key(self, site: Site, folder: FolderName, key: Key) -> list[WalletItem]:
        """Find every entry item of a key, the one that stands for it first."""
        if not (codec.is_storable_name(folder) and codec.is_storable_name(key)):
            return []
        with self._fill(site) as touched:
            hits, gap = await self._search(site, codec.entry_query(folder, key))
            rows = await self._read(site, hits, touched)
            rows = [row for row in rows if row.folder == folder and row.key == key]
            if not rows:
                _raise(gap)
                await self.prove_unlocked(site)
            if gap is None:
                site.index.complete_key(folder, key, hits, touched)
        return sorted(rows, key=lambda row: row.rank, reverse=True)

    async def has_folder(
        self, site: Site, folder: FolderName, *, besides: Iterable[ItemId] = ()
    ) -> bool:
        """Tell whether a folder has an entry or marker, not counting ``besides``."""
        if not codec.is_storable_name(folder):
            return False
        besides = set(besides)
        with self._fill(site) as touched:
            hits, gap = await self._search(site, codec.folder_query(folder))
            index = site.index
            left = [item for item in hits if item not in besides]
            if any(self._known(site, item, folder) for item in left):
                return True
            step = 1
            while left:
                part, left = left[:step], left[step:]
                rows = await self._read(site, part, touched)
                if any(row.folder == folder for row in rows):
                    return True
                step *= 8
            if not besides:
                _raise(gap)
                await self.prove_unlocked(site)
                index.complete_folder(folder, hits, touched)
        return False

    async def find_folder(self, site: Site, folder: FolderName) -> list[WalletItem]:
        """Find every entry and marker of a folder, markers last."""
        if not codec.is_storable_name(folder):
            return []
        with self._fill(site) as touched:
            hits = await self.search(site, codec.folder_query(folder))
            rows = await self._read(site, hits, touched)
            rows = [row for row in rows if row.folder == folder]
            if not rows:
                await self.prove_unlocked(site)
            site.index.complete_folder(folder, hits, touched)
        return sorted(rows, key=lambda row: row.key is None)

    async def list_folders(self, site: Site) -> Sequence[FolderName]:
        """List every folder, reading as few items as will do."""
        with self._fill(site) as touched:
            hits, gap = await self._search(site, {})
            if gap is not None and gap.may_hold(codec.FOLDER):
                raise gap
            if not hits:
                await self.prove_unlocked(site)
            names = await self._folder_names(site, hits, touched)
            site.index.complete_folders(hits, touched)
        known = site.index.list_folders()
        return tuple(sorted(names, key=utf16_key)) if known is UNSURE else known

    async def find_all(self, site: Site) -> tuple[list[WalletItem], bool]:
        """Find everything of KWallet's, and tell whether others keep items there too."""
        with self._fill(site) as touched:
            hits, gap = await self._search(site, {})
            if not hits:
                await self.prove_unlocked(site)
            rows = await self._read(site, hits, touched)
        if gap is not None or len(rows) == len(hits):
            return rows, gap is not None
        return rows, len(rows) + len(await self.search(site, MARK_QUERY)) < len(hits)

    async def search_readable(self, site: Site, attributes: Mapping[str, str]) -> Sequence[ItemId]:
        """Search the collection for what can be read; no proof that there is no more."""
        return (await self._search(site, attributes))[0]

    async def _search(
        self, site: Site, attributes: Mapping[str, str]
    ) -> tuple[Sequence[ItemId], StoreIncompleteError | None]:
        """Give what was found, and, where that may not be all, the error that says so.

        What was found is there all the same; only nobody may be told that there is no more.
        """
        try:
            return await self.search(site, attributes), None
        except StoreIncompleteError as error:
            site.check()
            return [ItemId(found) for found in error.found], error

    async def has_others(self, site: Site) -> bool:
        """Return whether anybody but KWallet's programs keeps an item in the collection.

        True too where single items are locked, for which nobody is asked.

        Raises:
            StoreIncompleteError: That cannot be told, because something there cannot be read.
        """
        hits = dict.fromkeys(await self.search(site, {}))
        ours = (codec.ENTRY_SCHEMA, codec.MARKER_SCHEMA, MARK_SCHEMA)
        await self._search_away(site, hits, [{codec.SCHEMA: schema} for schema in ours])
        try:
            infos = await self.read_items(site, hits, unlock=False)
        except StoreLockedError:
            # An item with a lock of its own; nobody is asked to open it so that it can be locked.
            site.check()
            return True
        return any(wallet_item_of(info) is None for info in infos.values())

    async def search(self, site: Site, attributes: Mapping[str, str]) -> Sequence[ItemId]:
        """Search the collection.

        Raises:
            StoreLockedError: The provider hides what a locked collection holds.
            StoreIncompleteError: Not everything can be read.
        """
        try:
            hits = await self._backend.search(site.collection, attributes)
        except StoreLockedError:
            self.doubt()
            raise
        site.check()
        return hits

    async def read_items(
        self, site: Site, items: Iterable[ItemId], *, unlock: bool = True
    ) -> Mapping[ItemId, ItemInfo]:
        """Read items, none if none are asked for; those that lock singly are unlocked.

        Raises:
            StoreLockedError: One is locked, and what it is cannot be told.
        """
        wanted = list(items)
        if not wanted:
            return {}
        try:
            infos = await self._backend.read_items(wanted)
        except StoreLockedError:
            await self.prove_unlocked(site)
            if not unlock or not self._backend.quirks.items_lock_singly:
                raise
            await self._backend.unlock_items(wanted)
            infos = await self._backend.read_items(wanted)
        site.check()
        return infos

    async def read_secrets(
        self, site: Site, items: Sequence[ItemId]
    ) -> Mapping[ItemId, ItemSecret]:
        """Read secrets of what can be read without a person.

        Raises:
            StoreLockedError: One of them is locked.
        """
        secrets = await self._backend.read_secrets(items)
        site.check()
        return secrets

    async def prove_unlocked(self, site: Site) -> None:
        """Take nothing found as proof only where locked collections show their items.

        Raises:
            StoreLockedError: The collection is locked, so nothing found means nothing.
        """
        if not self._backend.quirks.hides_locked_items:
            return
        if await self._backend.is_locked(site.collection):
            self.doubt()
            raise StoreLockedError("the wallet was locked in the middle of a call")

    # --- inside ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _fill(self, site: Site) -> Iterator[set[ItemId]]:
        touched = site.index.begin_fill()
        try:
            yield touched
        finally:
            site.index.end_fill(touched)
            if site.index.pending:
                site.unsettled()

    @staticmethod
    def _known(site: Site, item: ItemId, folder: FolderName) -> bool:
        row = site.index.items.get(item)
        return row is not None and row.folder == folder and item not in site.index.pending

    async def _read(
        self, site: Site, items: Sequence[ItemId], touched: set[ItemId]
    ) -> list[WalletItem]:
        """Give the rows among items, reading those that are not known or in doubt."""
        index = site.index
        rows = []
        unknown = []
        for item in items:
            row = index.items.get(item)
            if row is None or item in index.pending:
                unknown.append(item)
            else:
                rows.append(row)
        if not unknown:
            return rows
        infos = await self.read_items(site, unknown)
        return rows + index.learn(unknown, infos, touched)

    async def _folder_names(
        self, site: Site, hits: Sequence[ItemId], touched: set[ItemId]
    ) -> set[FolderName]:
        """Name the folders of items: read samples, and search away what is like them.

        No provider tells the attributes of many items at once, but each finds all of a folder
        quickly; so a thousand entries of ten folders cost some twenty calls.
        """
        index = site.index
        names = {index.items[i].folder for i in hits if i in index.items and i not in index.pending}
        rest = dict.fromkeys(i for i in hits if i not in index.items or i in index.pending)
        if len(rest) > _FEW:
            await self._search_away(site, rest, [codec.folder_query(name) for name in names])
        worth = True
        while rest:
            many = len(rest) > _FEW and worth
            part = list(rest)[:: max(1, len(rest) // _SAMPLE)] if many else list(rest)
            infos = await self.read_items(site, part)
            for item in part:
                del rest[item]
            found = {row.folder for row in index.learn(part, infos, touched)} - names
            names |= found
            if not rest:
                break
            queries = [codec.folder_query(name) for name in found]
            queries += [{codec.SCHEMA: schema} for schema in _foreign_schemas(infos.values())]
            worth = await self._search_away(site, rest, queries) >= 2 * len(queries)
        return names

    async def _search_away(
        self, site: Site, rest: dict[ItemId, None], queries: Sequence[Mapping[str, str]]
    ) -> int:
        before = len(rest)
        for query in queries:
            for item in await self.search_readable(site, query):
                rest.pop(item, None)
        return before - len(rest)


def _raise(gap: StoreIncompleteError | None) -> None:
    if gap is not None:
        raise gap


def _foreign_schemas(infos: Iterable[ItemInfo]) -> set[str]:
    """Name the schemas no entry can have."""
    schemas = {info.attributes.get(codec.SCHEMA, "") for info in infos}
    return schemas - {"", codec.ENTRY_SCHEMA, codec.MARKER_SCHEMA, codec.GENERIC_SCHEMA}
