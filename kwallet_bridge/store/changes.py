# SPDX-License-Identifier: GPL-3.0-or-later
"""What other programs change in a collection, told once per folder; our own echoes are not told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from kwallet_bridge.errors import BridgeError
from kwallet_bridge.store.index import FLOOD, UNSURE
from kwallet_bridge.store.rows import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kwallet_bridge.model import FolderName
    from kwallet_bridge.store.port import ItemId, ItemInfo
    from kwallet_bridge.store.rows import Row
    from kwallet_bridge.store.site import Finder, Site

_DELAY = 0.05  # seconds in which signals of one change arrive together
_ECHO = 0.25  # seconds in which a provider may still tell of our own write
_CLOCK = 2  # seconds by which a time of modification may lie before its signal
_NOISE = 3.0  # seconds after a collection is opened in which its old items may be announced


class Changes:
    """Collects events of one site and tells ``touched`` and ``folders_touched`` what they mean."""

    def __init__(
        self,
        site: Site,
        finder: Finder,
        *,
        touched: Callable[[FolderName], None],
        folders_touched: Callable[[], None],
    ) -> None:
        """Watch ``site``."""
        self._site = site
        self._finder = finder
        self._touched = touched
        self._folders_touched = folders_touched
        self._before: dict[ItemId, Row | None] = {}
        self._doubted: set[ItemId] = set()  # those of ``_before`` that no event named
        self._heard = 0.0
        self._since = int(time.time())  # who reads what is older reads it as it is
        self._quiet = asyncio.get_running_loop().time() + _NOISE
        self._recheck = False
        self._own: dict[ItemId, tuple[int, float]] = {}
        self._writing = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._told: set[FolderName] | None = None

    # --- events ---------------------------------------------------------------------------------

    def hear(self, item: ItemId | None) -> None:
        """Doubt an item, or all of them, and look soon."""
        index = self._site.index
        self._heard = time.time()
        if item is None:
            self._doubt_all()
        else:
            index.touch(item)
            self._doubted.discard(item)
            self._before.setdefault(item, index.rows.get(item))
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
        for item, row in list(index.rows.items()):
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
    def own(self) -> Iterator[set[ItemId]]:
        """Take as ours what is heard meanwhile of the items that the caller names in the set."""
        mine: set[ItemId] = set()
        self._writing += 1
        try:
            yield mine
        finally:
            self._writing -= 1
            self._disown(mine)
            self.arm()

    def _disown(self, mine: set[ItemId]) -> None:
        index = self._site.index
        now = asyncio.get_running_loop().time()
        self._own = {item: held for item, held in self._own.items() if held[1] > now}
        for item in mine:
            index.note(item)
            self._before.pop(item, None)
            self._own[item] = (int(time.time()), now + _ECHO)
            # Its row is what the write left, or it is gone: nothing to read again.
            index.pending.discard(item)

    def stopped_halfway(self, rows: Sequence[Row], mine: set[ItemId]) -> None:
        """Tell what a failed removal of ``rows`` took, and look again at what it may have taken."""
        if self._site.ended:
            return  # the wallet was told closed
        index = self._site.index
        left = [row for row in rows if row.id in index.rows]
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
        heard = self._heard
        index = self._site.index
        asked = index.pending | before.keys()
        fill = index.begin_fill()
        try:
            infos = await self._finder.read_items(self._site, asked, unlock=False)
            if len(infos) < len(asked):
                await self._finder.prove_unlocked(self._site)
            folders = {
                folder
                for item, row in before.items()
                if not (item in doubted and _is_same(row, infos.get(item)))
                for folder in self._news(row, infos.get(item), heard)
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
        rows = self._site.index.rows
        unknown = [item for item in found if item not in rows]
        if len(unknown) <= FLOOD:
            self._before.update(dict.fromkeys(unknown))

    def _news(self, row: Row | None, info: ItemInfo | None, heard: float) -> Iterator[FolderName]:
        """Name the folders that an event changed; none if it is an echo or only a lock's noise."""
        new = row_of(info) if info is not None else None
        if info is not None and self._is_echo(info):
            return
        aged = info is not None and self._is_aged(info, heard)
        if row is not None and (new is None or (new.folder, new.key) != (row.folder, row.key)):
            yield row.folder
        if new is None:
            return
        if row is None:
            listed = self._site.index.list_entries(new.folder)
            if aged and (listed is UNSURE or new.key in listed):
                return
        elif aged and new.type == row.type:
            return
        yield new.folder

    def _is_aged(self, info: ItemInfo, heard: float) -> bool:
        """Tell whether an item was announced only because its collection was unlocked."""
        if asyncio.get_running_loop().time() > self._quiet + _DELAY:
            return False
        return 0 < info.modified < max(heard - _CLOCK, self._since)

    def _is_echo(self, info: ItemInfo) -> bool:
        written, until = self._own.get(info.id, (0, 0.0))
        return asyncio.get_running_loop().time() < until and info.modified <= written

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


def _is_same(row: Row | None, info: ItemInfo | None) -> bool:
    """Tell whether an item that nobody said has changed has not."""
    new = row_of(info) if info is not None else None
    if row is None or new is None:
        return False
    place, there = (row.folder, row.key, row.type), (new.folder, new.key, new.type)
    return place == there and 0 < new.modified <= row.modified
