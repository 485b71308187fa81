# SPDX-License-Identifier: GPL-3.0-or-later
"""A wallet as JSON values: ``inspect --json`` and the test vectors share this shape.

Without ``reveal`` no value is in it; a map's keys count as values.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from kwallet_bridge.model import EntryType
from kwallet_bridge.qtstream import decode_pairs, decode_string

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kwallet_bridge.model import Folder, WalletEntry

TYPE_NAMES: dict[int, str] = {
    EntryType.PASSWORD: "password",
    EntryType.STREAM: "stream",
    EntryType.MAP: "map",
}
"""By type number; any other number is ``unknown``."""


def describe_folders(folders: Iterable[Folder], *, reveal: bool) -> list[dict[str, object]]:
    """Describe folders and their entries, in file order."""
    return [
        {
            "name": folder.name,
            "entries": [describe_entry(entry, reveal=reveal) for entry in folder.entries],
        }
        for folder in folders
    ]


def describe_entry(entry: WalletEntry, *, reveal: bool) -> dict[str, object]:
    """Describe one entry."""
    described: dict[str, object] = {"key": entry.key, "type": type_name(entry.type_code)}
    if entry.type_code not in TYPE_NAMES:
        described["type_code"] = entry.type_code
    if entry.malformed:
        described["malformed"] = True
    return {**described, **describe_value(entry)} if reveal else described


def describe_value(entry: WalletEntry) -> dict[str, object]:
    """Give the value: text, null, or pairs under ``value``; other bytes under ``value_b64``."""
    value = entry.value.reveal()
    if not entry.malformed and entry.type_code == EntryType.PASSWORD:
        return {"value": decode_string(value) if value else None}
    if not entry.malformed and entry.type_code == EntryType.MAP:
        return {"value": dict(decode_pairs(value)) if value else {}}
    return {"value_b64": base64.b64encode(value).decode()}


def type_name(type_code: int) -> str:
    """Name an entry type by its number."""
    return TYPE_NAMES.get(type_code, "unknown")
