# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one collection's names: folders, keys, types; never a secret. Pure.

Knowledge is partial and grows with the questions: single keys, whole folders, the set of folders.
A positive answer rests on a row; a negative one only on a search that was complete. Rows named by
a later event are in doubt until read again.
"""

from __future__ import annotations

from enum import Enum
from itertools import count
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kwallet_bridge.qtstream import utf16_key
from kwallet_bridge.store.note import KnownKeys, KnownNames
from kwallet_bridge.store.walletitems import WalletItem, wallet_item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kwallet_bridge.model import EntryType, FolderName, Key
    from kwallet_bridge.store.port import ItemId, ItemInfo


class Unsure(Enum):
    """The type of UNSURE."""

    UNSURE = "unsure"


UNSURE: Final = Unsure.UNSURE
"""The index cannot tell; look."""

_MAX_ABSENCES = 1 << 20
"""Letters of names that were asked for and are not there, before they are forgotten."""
_ABSENCE_COST = 64
FLOOD = 64
"""Unknown items at once that are an unlocked collection, not a person's doing."""


class _Folder:
    """What is known of one folder."""

    __slots__ = ("complete", "entries", "keys", "listing", "markers")

    def __init__(self) -> None:
        self.entries: dict[Key, list[WalletItem]] = {}
        self.keys: set[Key] = set()  # searched: their rows, or none, are all there is
        self.markers: dict[ItemId, WalletItem] = {}
        self.complete = False
        self.listing: Mapping[Key, EntryType] | None = None


class Index:
    """The rows of one collection, and how much of it they are."""

    def __init__(self) -> None:
        """Know nothing."""
        self.items: dict[ItemId, WalletItem] = {}
        self.pending: set[ItemId] = set()
        self._folders: dict[FolderName, _Folder] = {}
        self._folders_complete = False
        self._folder_list: Sequence[FolderName] | None = None
        self._fills: list[set[ItemId]] = []
        self._absences = 0
        self._sights: dict[ItemId, int] = {}  # of items that are no wallet items
        self._counter = count(1)
        self.changed: Callable[[], None] | None = None
        """Called whenever more or less is known."""

    @property
    def blank(self) -> bool:
        """Nothing is known, so nothing can become wrong."""
        return not self._folders and not self._folders_complete

    # --- questions ------------------------------------------------------------------------------

    def type_of(self, folder: FolderName, key: Key) -> EntryType | Unsure | None:
        """Tell an entry's type; None if it is known to be absent."""
        row = self.best(folder, key)
        return row.type if isinstance(row, WalletItem) else row

    def best(self, folder: FolderName, key: Key) -> WalletItem | Unsure | None:
        """Give the row that stands for an entry; None if it is known to be absent."""
        if self.pending:
            return UNSURE  # whatever was announced may be a newer item of this very key
        known = self._folders.get(folder)
        if known is None:
            return None if self._folders_complete else UNSURE
        if not known.complete and key not in known.keys:
            return UNSURE
        rows = known.entries.get(key)
        return rows[0] if rows else None

    def items_of(self, folder: FolderName, key: Key) -> list[WalletItem] | None:
        """Give all rows of a key; None if they may not be all."""
        if self.pending:
            return None
        known = self._folders.get(folder)
        if known is None:
            return [] if self._folders_complete else None
        if known.complete or key in known.keys:
            return list(known.entries.get(key, ()))
        return None

    def has_folder(self, folder: FolderName) -> bool | Unsure:
        """Tell whether a folder exists."""
        known = self._folders.get(folder)
        if known is not None and (known.markers or known.entries):
            if not self.pending or any(i not in self.pending for i in known.markers):
                return True
            if any(row.id not in self.pending for rows in known.entries.values() for row in rows):
                return True
            return UNSURE
        if self.pending:
            return UNSURE
        if self._folders_complete or (known is not None and known.complete):
            return False
        return UNSURE

    def was_absent(self, folder: FolderName) -> bool:
        """Tell whether a folder was known not to exist, before what is in doubt now."""
        known = self._folders.get(folder)
        if known is None:
            return self._folders_complete
        return not known.entries and not known.markers and known.complete

    def was_without(self, folder: FolderName, key: Key | None) -> bool:
        """Tell whether a key was known not to exist, before what is in doubt now."""
        known = self._folders.get(folder)
        if key is None or known is None:
            return self.was_absent(folder)
        return key not in known.entries and (known.complete or key in known.keys)

    def list_folders(self) -> Sequence[FolderName] | Unsure:
        """List folders by UTF-16 code unit."""
        if self.pending or not self._folders_complete:
            return UNSURE
        if self._folder_list is None:
            names = (
                name for name, known in self._folders.items() if known.markers or known.entries
            )
            self._folder_list = tuple(sorted(names, key=utf16_key))
        return self._folder_list

    def list_entries(self, folder: FolderName) -> Mapping[Key, EntryType] | Unsure:
        """List keys and types by UTF-16 code unit."""
        if self.pending:
            return UNSURE
        known = self._folders.get(folder)
        if known is None:
            return MappingProxyType({}) if self._folders_complete else UNSURE
        if not known.complete:
            return UNSURE
        if known.listing is None:
            keys = sorted(known.entries, key=utf16_key)
            known.listing = MappingProxyType({key: known.entries[key][0].type for key in keys})
        return known.listing

    def folder_items(self, folder: FolderName) -> list[WalletItem] | None:
        """Give every row of a folder, markers last; None if they may not be all."""
        if self.pending:
            return None
        known = self._folders.get(folder)
        if known is None:
            return [] if self._folders_complete else None
        if not known.complete:
            return None
        return [row for rows in known.entries.values() for row in rows] + [*known.markers.values()]

    def markers_of(self, folder: FolderName) -> list[WalletItem]:
        """Give the markers known of a folder."""
        known = self._folders.get(folder)
        return list(known.markers.values()) if known else []

    def keys_of(self, folder: FolderName) -> Iterator[Key]:
        """Give the keys known of a folder, in no order."""
        known = self._folders.get(folder)
        return iter(list(known.entries) if known else ())

    def known_names(self) -> KnownNames:
        """Tell all that is known now; of what is in doubt nothing counts as absent."""
        sure = not self.pending
        folders = {
            folder: KnownKeys(
                frozenset(known.entries),
                frozenset(known.keys.difference(known.entries)) if sure else frozenset(),
                complete=known.complete and sure,
            )
            for folder, known in self._folders.items()
        }
        return KnownNames(folders, complete=self._folders_complete and sure)

    # --- learning -------------------------------------------------------------------------------

    def begin_fill(self) -> set[ItemId]:
        """Note from now on which items are touched while a search is under way."""
        touched: set[ItemId] = set()
        self._fills.append(touched)
        return touched

    def end_fill(self, touched: set[ItemId]) -> None:
        """Stop noting."""
        self._fills = [fill for fill in self._fills if fill is not touched]

    def touch(self, item: ItemId) -> None:
        """Doubt an item, as an event asks."""
        self.note(item)
        if not self.blank:
            self.pending.add(item)
            self._sight(item)

    def note(self, item: ItemId) -> None:
        """Tell the searches under way that what they found of an item may be old."""
        for fill in self._fills:
            fill.add(item)

    def learn(
        self,
        asked: Iterable[ItemId],
        infos: Mapping[ItemId, ItemInfo],
        touched: set[ItemId],
    ) -> list[WalletItem]:
        """Take in what was read of the items asked for, doubting what was touched meanwhile.

        Gives the rows among it, also when what was read is too old to be kept.
        """
        found = []
        current = self._is_current(touched)
        for item in asked:
            info = infos.get(item)
            row = wallet_item_of(info) if info is not None else None
            if row is not None:
                row.note_sight(self._sight(item))
                found.append(row)
            if not current:
                continue
            if item in touched:
                if row is not None and item not in self.items:
                    self.add(row)
                self.pending.add(item)
            elif row is None:
                self.discard(item)
            else:
                self.add(row)
        return found

    def complete_key(
        self, folder: FolderName, key: Key, found: Iterable[ItemId], touched: set[ItemId]
    ) -> None:
        """Note that a search found all of a key."""
        if not self._is_conclusive(touched):
            return
        known = self._folder(folder)
        self._drop(known.entries.get(key, ()), set(found) | touched)
        known.keys.add(key)
        if key not in known.entries:
            self._note_absence(folder, key)

    def complete_folder(
        self, folder: FolderName, found: Iterable[ItemId], touched: set[ItemId]
    ) -> None:
        """Note that a search found all of a folder, and every hit was read."""
        if not self._is_conclusive(touched):
            return
        known = self._folder(folder)
        rows = [row for rows in known.entries.values() for row in rows]
        self._drop([*rows, *known.markers.values()], set(found) | touched)
        known.complete = True
        if not known.entries and not known.markers:
            self._note_absence(folder)

    def complete_folders(self, found: Iterable[ItemId], touched: set[ItemId]) -> None:
        """Note that a search found all items, and every folder has an item, though not each item."""
        if not self._is_conclusive(touched):
            return
        self._drop(list(self.items.values()), set(found) | touched)
        for known in self._folders.values():
            if not known.entries and not known.markers:
                known.complete = True
        self._folders_complete = True
        self._folder_list = None

    def replaced(self, row: WalletItem, old: Iterable[WalletItem]) -> None:
        """Take in what a write of our own made, in place of all there was."""
        self.add(row)
        for other in old:
            if other.id != row.id:
                self.discard(other.id)
        if row.key is not None:
            self._folder(row.folder).keys.add(row.key)

    def _is_current(self, touched: set[ItemId]) -> bool:
        """Tell whether nothing was forgotten since a fill began."""
        return any(fill is touched for fill in self._fills)

    def _is_conclusive(self, touched: set[ItemId]) -> bool:
        """Doubt what was touched beside what a search found; tell whether the rest is certain.

        It may have been made after the search looked, under the very name that was asked for.
        """
        if self.changed is not None:
            self.changed()
        strangers = touched - self.items.keys()
        if not self._is_current(touched) or len(strangers) > FLOOD:
            return False
        self.pending |= strangers
        return True

    def _sight(self, item: ItemId) -> int:
        """Number an item in the order in which items were first heard of or met."""
        row = self.items.get(item)
        if row is not None and row.sight:
            return row.sight
        return self._sights.setdefault(item, next(self._counter))

    def _drop(self, rows: Iterable[WalletItem], keep: set[ItemId]) -> None:
        for row in list(rows):
            if row.id not in keep:
                self.discard(row.id)

    def add(self, row: WalletItem) -> None:
        """Add or replace a row."""
        old = self.items.get(row.id)
        folders_complete = self._folders_complete
        row.note_sight(row.sight or self._sight(row.id))
        self.discard(row.id)
        if old is not None and old.folder == row.folder:
            self._folders_complete = folders_complete  # the folder did not go away in between
        self.items[row.id] = row
        if self.changed is not None:
            self.changed()
        known = self._folder(row.folder)
        if not known.entries and not known.markers:
            self._folder_list = None
        known.listing = None
        if row.key is None:
            known.markers[row.id] = row
            return
        rows = known.entries.setdefault(row.key, [])
        rows.append(row)
        if len(rows) > 1:
            rows.sort(key=attrgetter("rank"), reverse=True)

    def discard(self, item: ItemId) -> None:
        """Remove an item that is gone or not ours; the folder's knowledge stays."""
        self.pending.discard(item)
        self._sights.pop(item, None)
        row = self.items.pop(item, None)
        if row is None:
            return
        if self.changed is not None:
            self.changed()
        known = self._folders[row.folder]
        known.listing = None
        if row.key is None:
            del known.markers[item]
        else:
            rows = [other for other in known.entries[row.key] if other is not row]
            if rows:
                known.entries[row.key] = rows
            else:
                del known.entries[row.key]
        if not known.entries and not known.markers:
            self._folder_list = None
            # The rows gone may not have been all the folder holds.
            self._folders_complete = self._folders_complete and known.complete

    def forget_key(self, folder: FolderName, key: Key) -> None:
        """Know nothing for sure of one key any more, nor that its folder does not exist."""
        known = self._folders.get(folder)
        if known is None or not (known.entries or known.markers):
            self._folders_complete = False
        if known is not None:
            known.complete = False
            known.keys.discard(key)

    def forget_absences(self) -> None:
        """Keep the rows, but trust no search made so far or under way."""
        self._fills.clear()
        self._sights.clear()
        self.pending -= {item for item in self.pending if item not in self.items}
        self._folders_complete = False
        for known in self._folders.values():
            known.complete = False
            known.keys.clear()

    def _note_absence(self, *names: str) -> None:
        """Count what is known only because somebody asked for it: asking must not fill memory."""
        self._absences += sum(map(len, names)) + _ABSENCE_COST
        if self._absences <= _MAX_ABSENCES:
            return
        self._absences = 0
        for folder, known in list(self._folders.items()):
            known.keys.intersection_update(known.entries)
            if not known.entries and not known.markers:
                del self._folders[folder]

    def reset(self) -> None:
        """Know nothing, and learn nothing from what is under way."""
        self._fills.clear()
        self.items.clear()
        self.pending.clear()
        self._folders.clear()
        self._folders_complete = False
        self._folder_list = None
        self._sights.clear()

    def _folder(self, folder: FolderName) -> _Folder:
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = _Folder()
            known.complete = self._folders_complete
        return known
