# SPDX-License-Identifier: GPL-3.0-or-later
"""Read XML exports: KWalletManager's two dialects, and KeepSecret's. Pure.

KWalletManager writes ``wallet/folder/{password,stream,map/mapentry}``; before 2009 without an XML
declaration, in the locale's encoding and with unescaped wallet and folder names. KeepSecret writes
``wallet/item/{secret,attributes/attribute}``. Types KWalletManager does not know are not in an
export at all. Documents with a DTD or entities are refused, as none of these programs writes one.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from kwallet_bridge.errors import LimitError, MalformedError
from kwallet_bridge.model import EntryType, Folder, FolderName, Key, Wallet, WalletEntry, WalletName
from kwallet_bridge.qtstream import encode_map, encode_string
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import ItemId, ItemInfo, ItemSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SIZE = 256 << 20
_DECLARED = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<\?xml")
_RAW_NAME = re.compile(r'(<(?:wallet|folder) name=")(.*)(">)$', re.MULTILINE)
_REFERENCE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9A-Fa-f]+);)")


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds: a wallet, or items, or both."""

    wallet: Wallet
    items: tuple[tuple[ItemInfo, ItemSecret], ...]

    def __repr__(self) -> str:
        return "Export(...)"


def looks_like_xml(data: bytes) -> bool:
    """Tell an export from a wallet file."""
    return data[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def read_export(data: bytes, *, fallback_name: str) -> Export:
    """Read an export.

    Raises:
        MalformedError: It is no export, is broken, or has entities of its own.
        LimitError: It is too large.
    """
    if len(data) > MAX_SIZE:
        raise LimitError(f"the export is larger than {MAX_SIZE >> 20} MiB")
    builder = _Builder(fallback_name)
    parser = expat.ParserCreate(None if _DECLARED.match(data) else "UTF-8")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data if _DECLARED.match(data) else _repair(data), True)
    except expat.ExpatError as error:
        raise MalformedError("the export is no sound XML", offset=parser.ErrorByteIndex) from error
    return builder.finish()


def _refuse(*_: object) -> None:
    raise MalformedError("the export has a DTD; no program writes one")


def _repair(data: bytes) -> bytes:
    """Give an export of the old dialect as UTF-8 XML with its names escaped."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return _RAW_NAME.sub(_escape_name, text).encode()


def _escape_name(found: re.Match[str]) -> str:
    name = _REFERENCE.sub("&amp;", found[2]).replace("<", "&lt;").replace('"', "&quot;")
    return found[1] + name + found[3]


@dataclass
class _Item:
    label: str
    content_type: str
    secret: bytes = b""
    attributes: dict[str, str] = field(default_factory=dict)


class _Builder:
    """Puts folders, entries and items together as elements end."""

    def __init__(self, fallback_name: str) -> None:
        self._name = fallback_name
        self._stack: list[tuple[str, Mapping[str, str]]] = []
        self._text: list[str] = []
        self._folders: dict[str, list[WalletEntry]] = {}
        self._folder = ""
        self._map: dict[str, str] = {}
        self._item: _Item | None = None
        self._items: list[_Item] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element; tags count without case, as KWalletManager reads them."""
        tag = tag.lower()
        if not self._stack and tag != "wallet":
            raise MalformedError("the file is no export of a wallet")
        self._stack.append((tag, attributes))
        self._text.clear()
        name = attributes.get("name", "")
        match self._path():
            case ["wallet"]:
                self._name = name or self._name
            case ["wallet", "folder"]:
                self._folder = name
                self._folders.setdefault(name, [])
            case ["wallet", "folder", "map"]:
                self._map = {}
            case ["wallet", "item"]:
                label = attributes.get("label", "")
                self._item = _Item(label, attributes.get("contentType") or "text/plain")

    def text(self, text: str) -> None:
        """Gather text."""
        self._text.append(text)

    def end(self, _tag: str) -> None:
        """End an element."""
        path, text = self._path(), "".join(self._text)
        name = self._stack[-1][1].get("name", "")
        match path:
            case ["wallet", "folder", "password"]:
                self._add(name, EntryType.PASSWORD, encode_string(text))
            case ["wallet", "folder", "stream"]:
                self._add(name, EntryType.STREAM, _decode(text))
            case ["wallet", "folder", "map"]:
                self._add(name, EntryType.MAP, encode_map(self._map))
            case ["wallet", "folder", "map", "mapentry"]:
                self._map[name] = text
            case ["wallet", "item", "secret"] if self._item:
                self._item.secret = _decode(text)
            case ["wallet", "item", "attributes", "attribute"] if self._item:
                self._item.attributes[name] = text
            case ["wallet", "item"] if self._item:
                self._items.append(self._item)
                self._item = None
        self._stack.pop()
        self._text.clear()

    def finish(self) -> Export:
        """Give what was read."""
        folders = tuple(
            Folder(FolderName(name), tuple(entries)) for name, entries in self._folders.items()
        )
        wallet = Wallet(WalletName(self._name), folders)
        items = tuple(
            (
                ItemInfo(ItemId(str(number)), one.label, one.attributes),
                ItemSecret(Secret(one.secret), one.content_type),
            )
            for number, one in enumerate(self._items)
        )
        return Export(wallet, items)

    def _path(self) -> list[str]:
        return [tag for tag, _ in self._stack]

    def _add(self, key: str, kind: EntryType, value: bytes) -> None:
        self._folders[self._folder].append(WalletEntry(Key(key), kind, Secret(value)))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("a value of the export is no base64") from error
