# SPDX-License-Identifier: GPL-3.0-or-later
"""An item as an entry or a folder's marker, and which of several stands for a key. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.model import EntryType, FolderName, Key
from kwallet_bridge.qtstream import utf16_key
from kwallet_bridge.store import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kwallet_bridge.store.port import ItemId, ItemInfo

Rank = tuple[bool, int, int, int, str]


@dataclass(slots=True, eq=False)
class WalletItem:
    """One item that is an entry (``key`` set) or a folder's marker (``key`` None)."""

    id: ItemId
    folder: FolderName
    key: Key | None
    type: EntryType
    label: str
    attributes: Mapping[str, str]
    modified: int
    content_type: str = ""  # where the provider makes it one of the attributes
    asked: int = 0  # when the provider was asked for it; 0 for what we wrote ourselves
    sight: int = 0  # which in the order in which items were first heard of; 0 unknown
    rank: Rank = field(init=False)

    def __post_init__(self) -> None:
        """Rank items of one key: KDE's schema, then the newest, then the last that was made.

        Times are in seconds. Of two items of one second the one with the higher path number is
        younger; where paths are no numbers, as KeePassXC's, the one heard of later.
        """
        name = self.id.rpartition("/")[2]
        self.rank = (
            self.attributes.get(codec.SCHEMA) == codec.ENTRY_SCHEMA,
            self.modified,
            int(name[:18]) if name.isascii() and name.isdigit() else 0,
            self.sight,
            self.id,
        )

    def note_sight(self, sight: int) -> None:
        """Say which of all items it was to be heard of."""
        self.sight = sight
        schema, modified, number, _, item = self.rank
        self.rank = (schema, modified, number, sight, item)

    def __repr__(self) -> str:
        return "WalletItem(...)"


def wallet_item_of(info: ItemInfo) -> WalletItem | None:
    """Read an item as an entry or marker; None for everybody else's."""
    attributes = info.attributes
    if codec.is_entry(attributes):
        key: Key | None = Key(attributes[codec.KEY])
        kind = codec.entry_type(attributes)
    elif codec.is_marker(attributes):
        key, kind = None, EntryType.UNKNOWN
    else:
        return None
    folder = FolderName(attributes[codec.FOLDER])
    own = codec.own_attributes(attributes)
    content_type = attributes.get(codec.CONTENT_TYPE, "")
    return WalletItem(
        info.id, folder, key, kind, info.label, own, info.modified, content_type, info.asked
    )


def best_items(rows: Iterable[WalletItem]) -> dict[Key, WalletItem]:
    """Choose the item that stands for each key, keys ascending by UTF-16 code unit."""
    best: dict[Key, WalletItem] = {}
    for row in rows:
        if row.key is not None and (row.key not in best or row.rank > best[row.key].rank):
            best[row.key] = row
    return {key: best[key] for key in sorted(best, key=utf16_key)}
