# SPDX-License-Identifier: GPL-3.0-or-later
"""What other programs change in a collection, told once per folder; our own echoes are not told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from kwallet_bridge.errors import BridgeError, StoreLockedError, StoreRefusedError
from kwallet_bridge.store.echoes import Echoes, Own
from kwallet_bridge.store.index import FLOOD, UNSURE
from kwallet_bridge.store.walletitems import wallet_item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kwallet_bridge.model import FolderName
    from kwallet_bridge.store.port import ItemId, ItemInfo
    from kwallet_bridge.store.site import Finder, Site
    from kwallet_bridge.store.walletitems import WalletItem

_DELAY = 0.05  # seconds in which signals of one change arrive together
_PROMPT = 2  # seconds within which a provider tells of a change for the first time


class Changes:
    """Collects events of one site and tells ``touched`` and ``folders_touched`` what they mean."""

    def __init__(
        self,
        site: Site,
        finder: Finder,
        *,
        echoes: Echoes,
        touched: Callable[[FolderName], None],
        folders_touched: Callable[[], None],
    ) -> None:
        """Watch ``site``; ``echoes`` know what we wrote there, also before it was locked."""
        self._site = site
        self._finder = finder
        self._touched = touched
        self._folders_touched = folders_touched
        self._before: dict[ItemId, WalletItem | None] = {}
        self._doubted: set[ItemId] = set()  # those of ``_before`` that no event named
        self._since = int(time.time())  # who reads what is older reads it as it is
        self._recheck = False
        self._old: set[ItemId] | None = None  # what was there when all was first looked at
        self._echoes = echoes
        self._writing = 0
        self._written: set[ItemId] = set()  # by us, since the look under way began
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._told: set[FolderName] | None = None

    # --- events ---------------------------------------------------------------------------------

    def hear(self, item: ItemId | None) -> None:
        """Doubt an item, or all of them, and look soon."""
        index = self._site.index
        if item is None:
            self._doubt_all()
        else:
            index.touch(item)
            self._doubted.discard(item)
            self._before.setdefault(item, index.items.get(item))
            self._shed()
        self.arm()

    def stop(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _doubt_all(self) -> None:
        index = self._site.index
        index.forget_absences()
        self._recheck = True
        for item, row in list(index.items.items()):
            index.touch(item)
            if item not in self._before:
                self._doubted.add(item)
                self._before[item] = row

    def _shed(self) -> None:
        """Do not read a whole collection because its unlocking was announced item by item."""
        unknown = [item for item, row in self._before.items() if row is None]
        if len(unknown) <= FLOOD:
            return
        for item in unknown:
            del self._before[item]
        if not self._site.index.blank:
            self._site.index.forget_absences()

    def arm(self) -> None:
        """Look soon, if there is anything to look at and nothing of ours is under way."""
        if self._timer is not None or self._task is not None or self._writing or self._site.ended:
            return
        if self._before or self._recheck or self._site.index.pending:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_DELAY, self._start)

    def _start(self) -> None:
        self._timer = None
        if not self._site.ended:
            self._task = asyncio.get_running_loop().create_task(self._run())

    # --- our own writes -------------------------------------------------------------------------

    @contextlib.contextmanager
    def own(self) -> Iterator[Own]:
        """Take as ours what is heard meanwhile of the items that the caller names in the set."""
        mine = Own()
        self._writing += 1
        try:
            yield mine
        finally:
            self._writing -= 1
            self._disown(mine)
            self.arm()

    def _disown(self, mine: Own) -> None:
        index = self._site.index
        self._echoes.note(mine)
        self._written |= mine
        for item in mine:
            index.note(item)
            self._before.pop(item, None)
            if self._old is not None:
                self._old.add(item)
            # Its row is what the write left, or it is gone: nothing to read again.
            index.pending.discard(item)

    def stopped_halfway(self, rows: Sequence[WalletItem], mine: Own) -> None:
        """Tell what a failed removal of ``rows`` took, and look again at what it may have taken."""
        if self._site.ended:
            return  # the wallet was told closed
        index = self._site.index
        left = [row for row in rows if row.id in index.items]
        hit = {row.folder for row in rows if row not in left}
        for row in left[:1]:
            mine.discard(row.id)
            index.touch(row.id)
            if self._before.setdefault(row.id, row) is row:
                self._doubted.add(row.id)
        gone = {folder for folder in hit if all(row.folder != folder for row in left)}
        for folder in gone:
            self.folder_gone(folder)
        if gone:
            self._folders_touched()
        for folder in sorted(hit - gone):
            self._touched(folder)

    def folder_made(self, folder: FolderName) -> None:
        """Note a folder of our own making."""
        if self._told is not None:
            self._told.add(folder)

    def folder_gone(self, folder: FolderName) -> None:
        """Note a folder of our own removal."""
        if self._told is not None:
            self._told.discard(folder)

    def folders_told(self, folders: Sequence[FolderName]) -> None:
        """Note what a client was told; later changes count from there."""
        if self._told is None:
            self._told = set(folders)

    # --- looking --------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._look()
        except BridgeError:
            self._before.clear()  # locked, gone or out of order: the index is void anyway
            self._site.index.reset()
        finally:
            self._task = None
            self.arm()

    async def _look(self) -> None:
        if self._recheck:
            await self._look_around()
        if self._writing:
            return  # what is ours is known when the write ends
        before, self._before = self._before, {}
        doubted, self._doubted = self._doubted, set()
        self._written = set()
        index = self._site.index
        asked = index.pending | before.keys()
        fill = index.begin_fill()
        try:
            infos = await self._finder.read_items(self._site, asked, unlock=False)
            if len(infos) < len(asked):
                await self._finder.prove_unlocked(self._site)
            named = {item: row for item, row in before.items() if item not in doubted}
            echoes = await self._find_echoes(named, infos)
            if self._writing:
                self._look_later(before, doubted)
                return
            folders = {
                folder
                for item, row in before.items()
                if item not in self._written and item not in echoes
                if not (item in doubted and _is_same(row, infos.get(item)))
                for folder in self._news(item, row, infos.get(item))
            }
            absent = {folder for folder in folders if index.was_absent(folder)}
            self._learn(asked, infos, fill)
            absent ^= {folder for folder in folders if index.was_absent(folder)}
        finally:
            index.end_fill(fill)
        await self._tell(folders, changed=bool(absent))

    async def _look_around(self) -> None:
        """Find what came and went, after an event that named no item."""
        self._recheck = False
        found = await self._finder.search(self._site, {})
        rows, old = self._site.index.items, self._old or set()
        unknown = [item for item in found if item not in rows and item not in old]
        if self._old is None:
            self._old = set(found)
        if len(unknown) <= FLOOD:
            for item in unknown:
                self._before.setdefault(item, None)

    def _look_later(self, before: Mapping[ItemId, WalletItem | None], doubted: set[ItemId]) -> None:
        """Put back what cannot be judged in the middle of a write of ours."""
        self._doubted |= {item for item in doubted if item not in self._before}
        kept = {item: row for item, row in before.items() if item not in self._written}
        self._before |= kept

    async def _find_echoes(
        self, named: Mapping[ItemId, WalletItem | None], infos: Mapping[ItemId, ItemInfo]
    ) -> set[ItemId]:
        """Find which items hold what we wrote, asking for the secrets of those that may."""
        maybe = [
            item
            for item, row in named.items()
            if (info := infos.get(item)) is not None
            and self._echoes.may_be(info)
            and (not self._is_old(info) if row is None else self._is_doubtful(row, info))
        ]
        if not maybe:
            return set()
        try:
            secrets = await self._finder.read_secrets(self._site, maybe)
        except (StoreLockedError, StoreRefusedError):
            # What is locked now was changed by somebody, if it is not the whole collection.
            await self._finder.prove_unlocked(self._site)
            return set()
        return {item for item in maybe if self._echoes.is_one(item, secrets.get(item))}

    def _news(
        self, item: ItemId, row: WalletItem | None, info: ItemInfo | None
    ) -> Iterator[FolderName]:
        """Name the folders that an event changed; none if it was only announced once more."""
        new = wallet_item_of(info) if info is not None else None
        if row is not None and info is not None and _is_placed(row, info):
            if not self._is_settled(row, info):
                self._echoes.forget(item)
                yield row.folder
            return
        self._echoes.forget(item)
        if row is not None:
            yield row.folder
        if new is None or info is None:
            if self._old is not None:
                self._old.discard(item)
        elif row is not None or self._is_new(info, new):
            yield new.folder

    def _is_new(self, info: ItemInfo, new: WalletItem) -> bool:
        """Tell whether an item that was never read is news, not one of old announced again.

        Its time alone does not tell: an item may be moved or imported with the time it had.
        """
        if not self._is_old(info):
            return True
        old, index = self._old, self._site.index
        if index.was_without(new.folder, new.key):
            return True
        return old is not None and info.id not in old

    def _is_doubtful(self, row: WalletItem, info: ItemInfo) -> bool:
        return _is_placed(row, info) and not self._is_settled(row, info)

    def _is_old(self, info: ItemInfo) -> bool:
        """Tell whether an item was last changed before its collection was opened."""
        return 0 < info.modified < self._since

    def _is_settled(self, row: WalletItem, info: ItemInfo) -> bool:
        """Tell whether an item in its place is as it was read, and nobody need be told of it.

        It has the time of modification that it had when it was read, and it was read too late to
        be changed once more within that second, or before the change itself was announced.
        A marker says nothing but that its folder exists.
        """
        if row.key is None:
            return True
        if info.modified != row.modified:
            return False
        return self._is_old(info) or 0 < info.modified < row.asked - _PROMPT

    def _learn(
        self,
        asked: Iterable[ItemId],
        infos: Mapping[ItemId, ItemInfo],
        fill: set[ItemId],
    ) -> None:
        index = self._site.index
        if not index.blank or index.pending:
            index.learn(asked, infos, fill)

    async def _tell(self, folders: set[FolderName], *, changed: bool) -> None:
        if self._told is not None and folders:
            names = self._site.index.list_folders()
            if names is UNSURE:
                names = await self._finder.list_folders(self._site)
            changed, self._told = set(names) != self._told, set(names)
        if self._site.ended:
            return
        if changed:
            self._folders_touched()
        for folder in sorted(folders):
            self._touched(folder)


def _is_placed(row: WalletItem, info: ItemInfo) -> bool:
    """Tell whether an item still stands for the same entry, of the same type, or the same folder."""
    new = wallet_item_of(info)
    return new is not None and (row.folder, row.key, row.type) == (new.folder, new.key, new.type)


def _is_same(row: WalletItem | None, info: ItemInfo | None) -> bool:
    """Tell whether an item that nobody said has changed has not."""
    if row is None or info is None:
        return False
    return _is_placed(row, info) and 0 < info.modified <= row.modified
