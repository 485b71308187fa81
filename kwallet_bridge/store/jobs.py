# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that write: each holds its keys, owns its echoes, and keeps the index true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    EntryExistsError,
    EntryNotFoundError,
    StoreConflictError,
    StoreError,
)
from kwallet_bridge.store import codec
from kwallet_bridge.store.index import UNSURE
from kwallet_bridge.store.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kwallet_bridge.model import Entry, FolderName, Key
    from kwallet_bridge.store.changes import Changes
    from kwallet_bridge.store.echoes import Own
    from kwallet_bridge.store.port import ItemId
    from kwallet_bridge.store.site import Finder
    from kwallet_bridge.store.walletitems import WalletItem
    from kwallet_bridge.store.writer import Writer


class Open(Site):
    """A site and the watch over it."""

    __slots__ = ("changes",)

    changes: Changes

    def end(self, *, locked: bool) -> None:
        """Let nothing go on, and tell nothing more."""
        super().end(locked=locked)
        self.changes.stop()


class Jobs:
    """One method per writing operation of the store; none is left half done on purpose."""

    def __init__(self, finder: Finder, writer: Writer) -> None:
        """Find with ``finder``, write with ``writer``."""
        self._finder = finder
        self._writer = writer

    async def write(self, site: Open, folder: FolderName, key: Key, *, entry: Entry) -> bool:
        """Write an entry; True if the folder is new."""
        async with site.hold(folder, key):
            with site.changes.own() as mine:
                new = await self._writer.write(site, folder, key, entry=entry, mine=mine)
        if new:
            site.changes.folder_made(folder)
        return new

    async def rename(self, site: Open, folder: FolderName, key: Key, *, new_key: Key) -> None:
        """Write under the new key, see it, then remove the old one."""
        async with site.hold(folder, key, new_key):
            old = await self._items(site, folder, key)
            if not old:
                raise EntryNotFoundError("there is no entry under this key")
            if key == new_key or await self._items(site, folder, new_key):
                raise EntryExistsError("the new key is taken")
            secrets = await self._writer.read_secrets(site, [old[0].id])
            if old[0].id not in secrets:
                raise EntryNotFoundError("the entry was removed meanwhile")
            entry = codec.decode_entry(old[0].attributes, secrets[old[0].id])
            with site.changes.own() as mine:
                await self._writer.write(site, folder, new_key, entry=entry, mine=mine)
                now = await self._writer.read_secrets(site, [old[0].id])
                if old[0].id in now and now[old[0].id].value != secrets[old[0].id].value:
                    raise StoreConflictError("another program wrote under the old key meanwhile")
                await self._delete(site, old, mine)

    async def remove(self, site: Open, folder: FolderName, key: Key) -> bool:
        """Remove every item of a key; a folder left without entries gets its marker first."""
        async with site.hold(folder, None, key):
            rows = await self._items(site, folder, key)
            if not rows:
                return False
            with site.changes.own() as mine:
                if not await self._stays(site, folder, rows):
                    await self._writer.write_marker(site, folder, mine)
                await self._delete(site, rows, mine)
        return True

    async def create_folder(self, site: Open, folder: FolderName) -> bool:
        """Write a folder's marker; False if the folder was there."""
        async with site.hold(folder, None):
            exists = site.index.has_folder(folder)
            if exists is UNSURE:
                exists = await self._finder.has_folder(site, folder)
            if exists:
                return False
            with site.changes.own() as mine:
                await self._writer.write_marker(site, folder, mine)
        site.changes.folder_made(folder)
        return True

    async def make_folders(self, site: Open, folders: Iterable[FolderName]) -> None:
        """Make sure that folders exist."""
        for folder in folders:
            await self.create_folder(site, folder)

    async def remove_folder(self, site: Open, folder: FolderName) -> bool:
        """Remove every entry, then the marker; other programs' items stay.

        A failure leaves the folder with the entries it had not come to, so a second call goes on.
        """
        async with site.hold(folder, None):
            rows = site.index.folder_items(folder)
            if rows is None:
                rows = await self._finder.find_folder(site, folder)
            if not rows:
                return False
            with site.changes.own() as mine:
                await self._delete(site, rows, mine)
        site.changes.folder_gone(folder)
        return True

    async def remove_all(self, site: Open, *, keep: bool) -> bool:
        """Remove what is KWallet's if others keep items there too, or if told to keep the rest.

        True if that was done; False if nothing was, as the whole collection may go. One folder
        after the other, so that a failure leaves as many of them whole as can be.
        """
        rows, shared = await self._finder.find_all(site)
        if not shared and not keep:
            return False
        with site.changes.own() as mine:
            order = sorted(rows, key=lambda row: (row.folder, row.key is None))
            await self._delete(site, order, mine)
            await self._writer.delete_marks(site)
        for folder in {row.folder for row in rows}:
            site.changes.folder_gone(folder)
        return True

    # --- inside ---------------------------------------------------------------------------------

    async def _delete(self, site: Open, rows: Sequence[WalletItem], mine: Own) -> None:
        try:
            await self._writer.delete(site, rows, mine)
        except StoreError:
            site.changes.stopped_halfway(rows, mine)
            raise

    async def _items(self, site: Open, folder: FolderName, key: Key) -> Sequence[WalletItem]:
        rows = site.index.items_of(folder, key)
        return await self._finder.find_key(site, folder, key) if rows is None else rows

    async def _stays(self, site: Open, folder: FolderName, going: Sequence[WalletItem]) -> bool:
        """Tell whether a folder still exists when some of its entries are gone."""
        ids: set[ItemId] = {row.id for row in going}
        index = site.index
        known = index.folder_items(folder)
        if known is not None:
            return any(row.id not in ids for row in known)
        if any(row.id not in index.pending for row in index.markers_of(folder)):
            return True
        return await self._finder.has_folder(site, folder, besides=ids)
