# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing and removing items so that no value is ever lost between two states.

Every write is read back; twins (older items of the same folder and key) go only after the new item
was seen; a write that fails puts back what was there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    PromptDismissedError,
    ReadBackError,
    StoreError,
    StoreLockedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.model import EntryType, FolderName, Key
from kwallet_bridge.store import codec
from kwallet_bridge.store.index import UNSURE
from kwallet_bridge.store.mark import MARK_QUERY
from kwallet_bridge.store.port import ItemSecret, NewItem
from kwallet_bridge.store.walletitems import WalletItem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kwallet_bridge.model import Entry
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.store.echoes import Own
    from kwallet_bridge.store.port import ItemBackend, ItemId, ItemInfo
    from kwallet_bridge.store.site import Finder, Site

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """One write under way."""

    site: Site
    folder: FolderName
    key: Key
    entry: Entry
    item: NewItem
    old: list[WalletItem]
    mine: Own
    started: int
    held: Mapping[ItemId, ItemSecret] = field(default_factory=dict)
    made: set[ItemId] = field(default_factory=set)
    """What the provider said it made, or changed, for this job."""
    sent: list[Secret] = field(default_factory=list)
    """Values sent, one for each attempt."""
    refused: bool = False
    """The provider said no to an attempt; it may have left an empty item all the same."""

    @property
    def old_ids(self) -> set[ItemId]:
        """What stood under the key before."""
        return {row.id for row in self.old}

    def __repr__(self) -> str:
        return "_Job(...)"


class Writer:
    """Writes entries and markers as items. The caller holds the key and owns the echoes."""

    def __init__(self, backend: ItemBackend, finder: Finder) -> None:
        """Write to ``backend``."""
        self._backend = backend
        self._finder = finder

    async def write(
        self, site: Site, folder: FolderName, key: Key, *, entry: Entry, mine: Own
    ) -> bool:
        """Write an entry and read it back; True if the folder is new."""
        item = codec.encode_entry(folder, key, entry)
        new_folder, old = await self._look(site, folder, key)
        mine.update(row.id for row in old)
        item = codec.as_taken(item, self._backend.quirks)
        job = _Job(site, folder, key, entry, item, list(old), mine, int(time.time()))
        if not self._in_place(job):
            job.held = await self.read_secrets(site, [row.id for row in old])
        try:
            await self._replace(job)
        except (StoreUnavailableError, StoreLockedError):
            self._forget(job)
            raise
        except StoreError:
            if job.old and not job.held:
                self._forget(job)  # without the old value in hand nothing may be touched
            else:
                await self._put_back(job)
            raise
        return new_folder

    async def write_marker(self, site: Site, folder: FolderName, mine: Own) -> None:
        """Make a folder exist without entries."""
        item = codec.as_taken(codec.folder_marker(folder), self._backend.quirks)
        made = await self._create(site, item, mine)
        if made not in await self._finder.search_readable(site, item.attributes):
            raise ReadBackError("the store does not keep an empty folder")
        site.index.add(self._wallet_item(made, folder, None, item))

    async def delete(self, site: Site, rows: Sequence[WalletItem], mine: Own) -> None:
        """Delete items one by one."""
        for row in rows:
            site.check()
            mine.add(row.id)
            await self._backend.delete_item(row.id)
            site.index.discard(row.id)

    async def delete_marks(self, site: Site) -> None:
        """Delete what marks the collection as a wallet."""
        for item in await self._finder.search_readable(site, MARK_QUERY):
            await self._backend.delete_item(item)

    async def read_secrets(
        self, site: Site, items: Sequence[ItemId]
    ) -> Mapping[ItemId, ItemSecret]:
        """Read secrets, unlocking items that lock singly.

        Raises:
            StoreLockedError: The collection is locked.
        """
        if not items:
            return {}
        try:
            found = await self._backend.read_secrets(items)
        except StoreLockedError:
            await self._unlock_singly(site, items)
            found = await self._backend.read_secrets(items)
        site.check()
        if self._backend.quirks.locked_reads_empty and not all(s.value for s in found.values()):
            await self._prove_unlocked(site)
        return found

    async def _unlock_singly(self, site: Site, items: Sequence[ItemId]) -> None:
        await self._prove_unlocked(site)
        if not self._backend.quirks.items_lock_singly:
            raise StoreLockedError("an entry is locked")
        await self._backend.unlock_items(items)
        site.check()

    async def _prove_unlocked(self, site: Site) -> None:
        if await self._backend.is_locked(site.collection):
            self._finder.doubt()
            raise StoreLockedError("the wallet is locked")
        site.check()

    # --- the steps of a write -------------------------------------------------------------------

    async def _look(
        self, site: Site, folder: FolderName, key: Key
    ) -> tuple[bool, Sequence[WalletItem]]:
        """Tell whether the folder is new, and what the key holds."""
        index = site.index
        exists = index.has_folder(folder)
        if exists is UNSURE:
            exists = await self._finder.has_folder(site, folder)
        if exists is False:
            return True, ()
        old = index.items_of(folder, key)
        if old is None:
            old = await self._finder.find_key(site, folder, key)
        return False, old

    async def _replace(self, job: _Job) -> None:
        """Store the new item beside or over the old ones, see it, then delete the others."""
        item = job.item
        if self._in_place(job):
            made, kept, found = await self._overwrite(job)
        else:
            await self._clear_way(job)
            made = await self._make(job, item)
            kept, found = await self._read_back(job, made)
        if not kept and item.secret.content_type != codec.OCTETS:
            item = codec.as_octets(item)
            made = await self._make(job, item)
            kept, found = await self._read_back(job, made)
        if not kept:
            raise ReadBackError("the store gives back another value than was written")
        if await self._delete_twins(job, made, found):
            kept, found = await self._read_back(job, made)
            if not kept:
                raise ReadBackError("the value was lost when older copies were removed")
        self._learn(job, made, item)

    def _in_place(self, job: _Job) -> bool:
        """Tell whether the provider will put the new value into the one old item."""
        if len(job.old) != 1 or job.old[0].attributes != job.item.attributes:
            return False
        quirks = self._backend.quirks
        return not (
            quirks.replaces_exact_only
            or quirks.items_lock_singly
            or quirks.locked_reads_empty
            or quirks.schemaless_twins
            or quirks.rewrites_text
        )

    async def _overwrite(self, job: _Job) -> tuple[ItemId, bool, Sequence[ItemId]]:
        """Read the old value, write and read back, in one journey to the provider and back.

        A provider answers one connection's calls in their order. One that does not is noticed by
        the value it gives back, and asked again.
        """
        there = job.old[0].id
        held, made, checked = await asyncio.gather(
            self.read_secrets(job.site, [there]),
            self._make(job, job.item),
            self._read_back(job, there),
            return_exceptions=True,
        )
        if not isinstance(held, BaseException):
            job.held = held
        if isinstance(made, BaseException):
            raise made
        if isinstance(checked, BaseException):
            raise checked
        if made == there and checked[0]:
            return made, *checked
        return made, *await self._read_back(job, made)

    async def _clear_way(self, job: _Job) -> None:
        """Do first what two providers need before a replacing write."""
        quirks = self._backend.quirks
        wanted = job.item.attributes
        if quirks.delete_takes_supersets:
            for row in job.old:
                # Equal ones are replaced, unless they lack what the provider adds to ours.
                has = row.attributes.items()
                if has < wanted.items() or (has == wanted.items() and not row.content_type):
                    await self._delete_first(job, row)
        elif quirks.schemaless_twins and job.old and self._retyped(job) == job.old:
            # Otherwise the new value would be filed under another key.
            await self._backend.set_attributes(job.old[0].id, wanted)
            job.site.check()

    @staticmethod
    def _retyped(job: _Job) -> list[WalletItem]:
        return [row for row in job.old if row.attributes != job.item.attributes]

    async def _delete_first(self, job: _Job, row: WalletItem) -> None:
        if row.id in job.held:
            await self._backend.delete_item(row.id)
            job.site.check()

    async def _make(self, job: _Job, item: NewItem) -> ItemId:
        job.sent.append(item.secret.value)
        try:
            made = await self._create(job.site, item, job.mine)
        except (StoreRefusedError, PromptDismissedError):
            job.refused = True
            raise
        job.made.add(made)
        return made

    async def _create(self, site: Site, item: NewItem, mine: Own) -> ItemId:
        made = await self._backend.create_item(site.collection, item, replace=True)
        mine.add(made)
        site.check()
        return made

    async def _read_back(self, job: _Job, made: ItemId) -> tuple[bool, Sequence[ItemId]]:
        """Tell whether an item is found and holds the entry, and what else has its names."""
        secrets, found = await asyncio.gather(
            self.read_secrets(job.site, [made]),
            self._finder.search_readable(job.site, codec.entry_query(job.folder, job.key)),
            return_exceptions=True,  # neither may still run when the other has failed
        )
        if isinstance(secrets, BaseException):
            raise secrets
        if isinstance(found, BaseException):
            raise found
        secret = secrets.get(made)
        if secret is None or made not in found:
            return False, found
        back = codec.decode_entry(job.item.attributes, secret)
        kept = back == job.entry or self._lost_nulls(job.entry, back)
        if kept:
            job.mine.keep(made, secret)
        return kept, found

    def _lost_nulls(self, entry: Entry, back: Entry) -> bool:
        """Accept a map whose null values came back empty, where the provider knows no null."""
        if not self._backend.quirks.rewrites_maps or entry.type is not EntryType.MAP:
            return False
        same = codec.same_texts(entry, back)
        if same:
            _log.warning("the provider turned null values of a map into empty ones")
        return same

    async def _delete_twins(self, job: _Job, made: ItemId, found: Sequence[ItemId]) -> bool:
        others = [item for item in found if item != made]
        if not others:
            return False
        twins = []
        for item, info in (await self._entries_among(job, others)).items():
            if item in job.old_ids | job.made or 0 < info.modified < job.started:
                twins.append(item)
            else:
                # Another program wrote it while we did: it is as new as ours, and not ours.
                job.site.index.touch(item)
        for item in twins:
            job.mine.add(item)
            await self._backend.delete_item(item)
            job.site.check()
        return bool(twins)

    async def _entries_among(self, job: _Job, items: Sequence[ItemId]) -> Mapping[ItemId, ItemInfo]:
        """Leave out other people's items, by their attributes as they are now."""
        infos = await self._finder.read_items(job.site, items)
        return {item: info for item, info in infos.items() if codec.is_entry(info.attributes)}

    def _learn(self, job: _Job, made: ItemId, item: NewItem) -> None:
        job.site.index.replaced(self._wallet_item(made, job.folder, job.key, item), job.old)

    @staticmethod
    def _wallet_item(
        made: ItemId, folder: FolderName, key: Key | None, item: NewItem
    ) -> WalletItem:
        kind = codec.entry_type(item.attributes) if key is not None else EntryType.UNKNOWN
        now, content_type = int(time.time()), item.secret.content_type
        return WalletItem(made, folder, key, kind, item.label, item.attributes, now, content_type)

    # --- putting back ---------------------------------------------------------------------------

    async def _put_back(self, job: _Job) -> None:
        """Make the key hold again what it held before a failed write.

        What another program put there meanwhile stays. So does an item whose making was never
        answered: nobody can tell it from theirs, and it holds what was to be written.
        """
        site = job.site
        try:
            found = await self._finder.search_readable(site, codec.entry_query(job.folder, job.key))
            known = job.old_ids | job.made
            others = await self._entries_among(job, [i for i in found if i not in known])
            remains = await self._remains_among(job, others)
            theirs = [info for item, info in others.items() if item not in remains]
            keep = await self._restore(job, found, theirs)
            for item in found:
                if item in job.made | remains and item not in keep:
                    job.mine.add(item)
                    await self._backend.delete_item(item)
        except StoreError:
            _log.error(
                "an entry could not be put back after a write failed"
            )  # the error's text is the provider's, and private
            raise
        finally:
            self._forget(job)

    async def _remains_among(self, job: _Job, others: Mapping[ItemId, ItemInfo]) -> set[ItemId]:
        """Name what a refused attempt left behind: an item of our attributes without a value."""
        if not job.refused or not all(job.sent):
            return set()
        ours = [
            item
            for item, info in others.items()
            if codec.own_attributes(info.attributes) == job.item.attributes
        ]
        secrets = await self.read_secrets(job.site, ours)
        return {item for item, secret in secrets.items() if not secret.value}

    @staticmethod
    def _forget(job: _Job) -> None:
        """Look at the key afresh the next time it is asked about."""
        index = job.site.index
        index.forget_key(job.folder, job.key)
        for row in job.old:
            index.discard(row.id)

    async def _restore(
        self, job: _Job, found: Sequence[ItemId], theirs: Sequence[ItemInfo]
    ) -> set[ItemId]:
        """Write the old secrets again where this job changed or removed them."""
        if self._backend.quirks.schemaless_twins:
            for row in self._retyped(job):
                if row.id in found:
                    await self._backend.set_attributes(row.id, row.attributes)
        present = [item for item in job.held if item in found]
        now = await self.read_secrets(job.site, present)
        taken = [codec.own_attributes(info.attributes) for info in theirs]
        keep = set()
        for row in job.old:
            secret = job.held.get(row.id)
            if secret is None:
                keep.add(row.id)
                continue
            back = now.get(row.id)
            lost = not theirs if back is None else self._is_ours(job, row.id, back, secret)
            if not lost:
                keep.add(row.id)
                continue
            if row.attributes in taken:
                continue  # a replacing write would hit theirs, which came after it anyway
            item = NewItem(row.label, row.attributes, secret)
            made = await self._create(job.site, item, job.mine)
            job.mine.keep(made, secret)
            keep.add(made)
        return keep

    @staticmethod
    def _is_ours(job: _Job, item: ItemId, back: ItemSecret, old: ItemSecret) -> bool:
        """Tell whether an old item holds what this job put there."""
        if back.value == old.value:
            return False
        return item in job.made or back.value in job.sent or (job.refused and not back.value)
