# SPDX-License-Identifier: GPL-3.0-or-later
"""``<wallet>_attributes.json``: what ksecretd keeps beside a wallet for Secret Service items.

It also tells which password entries are base64 of binary ones: kwalletd6 since 6.14 stores every
entry as an item, labelled ``<folder>/<key>`` and split at the first slash wherever that falls.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.model import (
    EntryType,
    Folder,
    FolderName,
    Key,
    ServiceItem,
    Wallet,
    WalletEntry,
)
from kwallet_bridge.qtstream import StreamError, decode_string
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    Items = Mapping[str, ServiceItem]
    Place = tuple[FolderName, Key]

SERVICE_FOLDER = FolderName("Secret Service")
MAX_ATTRIBUTES_SIZE = 64 << 20
_KWALLET_TYPES = frozenset({"plaintext", "map", "base64", "binary"})


def parse_attributes(data: bytes) -> dict[str, ServiceItem] | None:
    """Parse the file to items by ``<folder>/<key>``; None if it is not what it should be."""
    if len(data) > MAX_ATTRIBUTES_SIZE:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    return {
        label: _parse_item(item)
        for label, item in document.items()
        if isinstance(item, dict) and not label.startswith("$")
    }


def apply_attributes(wallet: Wallet, data: bytes | None) -> Wallet:
    """Give a wallet its items' attributes, true names and true binary values."""
    if data is None:
        lost = any(folder.name == SERVICE_FOLDER and folder.entries for folder in wallet.folders)
        return _warn(wallet, "attributes-missing") if lost else wallet
    items = parse_attributes(data)
    if items is None:
        return _warn(wallet, "attributes-unreadable")
    places = _read_places(wallet, items)
    folders: dict[FolderName, dict[Key, WalletEntry]] = {
        folder.name: {} for folder in wallet.folders
    }
    found: dict[Place, ServiceItem] = {}
    malformed = False
    for (name, key), (entry, item) in places.items():
        known = entry if item is None else _decode_binary(entry, item)
        malformed = malformed or known.malformed
        folders.setdefault(name, {})[key] = replace(known, key=key)
        if item is not None:
            found[name, key] = item
    return replace(
        _warn(wallet, "malformed-value") if malformed else wallet,
        folders=tuple(Folder(name, tuple(of.values())) for name, of in folders.items()),
        service_items=found,
    )


def _read_places(
    wallet: Wallet, items: Items
) -> dict[Place, tuple[WalletEntry, ServiceItem | None]]:
    """Find where each entry truly belongs; a place that is taken leaves the entry where it lies."""
    taken = {(folder.name, entry.key) for folder in wallet.folders for entry in folder.entries}
    places: dict[Place, tuple[WalletEntry, ServiceItem | None]] = {}
    for folder in wallet.folders:
        for entry in folder.entries:
            label = f"{folder.name}/{entry.key}"
            item = items.get(label)
            place = _find_true_place(label, item) if item else None
            if place is None or place in taken or place in places:
                place = (folder.name, entry.key)
            places[place] = (entry, item)
    return places


def _find_true_place(label: str, item: ServiceItem) -> Place | None:
    attributes = item.attributes
    server, user = attributes.get("server"), attributes.get("user")
    if server is None or user is None or attributes.get("type") not in _KWALLET_TYPES:
        return None
    return (FolderName(server), Key(user)) if label == f"{server}/{user}" else None


def _decode_binary(entry: WalletEntry, item: ServiceItem) -> WalletEntry:
    if entry.type_code != EntryType.PASSWORD or item.attributes.get("type") != "base64":
        return entry
    try:
        text = decode_string(entry.value.reveal()) or ""
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (StreamError, UnicodeEncodeError, binascii.Error):
        return replace(entry, malformed=True)
    return WalletEntry(entry.key, EntryType.STREAM, Secret(value))


def _parse_item(item: Mapping[str, object]) -> ServiceItem:
    attributes = item.get("attributes")
    pairs = attributes.items() if isinstance(attributes, dict) else ()
    content_type = item.get("$fdo_mime_type")
    return ServiceItem(
        {name: value for name, value in pairs if isinstance(value, str)},
        content_type if isinstance(content_type, str) else "",
        _parse_time(item.get("$fdo_created")),
        _parse_time(item.get("$fdo_modified")),
    )


def _parse_time(value: object) -> int:
    text = str(value) if isinstance(value, str | int) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _warn(wallet: Wallet, name: str) -> Wallet:
    return replace(wallet, warnings=tuple(sorted({*wallet.warnings, name})))
