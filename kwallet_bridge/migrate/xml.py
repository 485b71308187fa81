# SPDX-License-Identifier: GPL-3.0-or-later
"""Read XML exports: KWalletManager's two dialects, and KeepSecret's. Pure.

KWalletManager writes ``wallet/folder/{password,stream,map/mapentry}``; before 2009 without an XML
declaration, in the locale's encoding and with unescaped wallet and folder names. KeepSecret writes
``wallet/item/{secret,attributes/attribute}``. Types KWalletManager does not know are not in an
export at all. Documents with a DTD or entities are refused, as none of these programs writes one.

Not everything they write is XML: ``xml_mending`` makes it so first. An entry that still cannot be
read costs itself only.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from kwallet_bridge.errors import LimitError, MalformedError
from kwallet_bridge.migrate.xml_mending import Mended, NotTextError, mend, mend_strays
from kwallet_bridge.model import EntryType, Folder, FolderName, Key, Wallet, WalletEntry, WalletName
from kwallet_bridge.qtstream import encode_map, encode_string
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import ItemId, ItemInfo, ItemSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SIZE = 256 << 20
_DEEPEST = 4

NO_BASE64 = "its value is no base64"
NO_TEXT = "it has bytes that are no text in the file's encoding"
KEY_TWICE = "a key in it stands there twice, with other values"
OTHERWISE = "its value cannot be told from what stands in the file"


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry, or an item by its label, that cannot be read, and the line it begins in."""

    folder: str | None
    key: str
    line: int
    why: str

    def __repr__(self) -> str:
        return "Unread(...)"


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds: a wallet, or items, or both."""

    wallet: Wallet
    items: tuple[tuple[ItemInfo, ItemSecret], ...]
    unread: tuple[Unread, ...] = ()

    def __repr__(self) -> str:
        return "Export(...)"


def looks_like_xml(data: bytes) -> bool:
    """Tell an export from a wallet file."""
    return data[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def read_export(data: bytes, *, fallback_name: str) -> Export:
    """Read an export.

    Raises:
        MalformedError: It is no export, is broken as a whole, or has entities of its own.
        LimitError: It is too large.
    """
    if len(data) > MAX_SIZE:
        raise LimitError(f"the export is larger than {MAX_SIZE >> 20} MiB")
    mended = mend(data)
    if mended is None:
        raise MalformedError("the export uses every character of the private use area")
    try:
        return _parse(mended, fallback_name)
    except expat.ExpatError:
        mended = mend_strays(mended)
    try:
        return _parse(mended, fallback_name)
    except expat.ExpatError as error:
        line = mended.line_of(_offset(error, mended))
        raise MalformedError(f"the export is no sound XML at line {line}") from error


def _parse(mended: Mended, fallback_name: str) -> Export:
    parser = expat.ParserCreate("UTF-8")
    builder = _Builder(fallback_name, mended, parser)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.Parse(mended.data, True)
    return builder.finish()


def _offset(error: expat.ExpatError, mended: Mended) -> int:
    lines = mended.data.split(b"\n", error.lineno)[: error.lineno - 1]
    return sum(len(line) + 1 for line in lines) + error.offset


def _refuse(*_: object) -> None:
    raise MalformedError("the export has a DTD; no program writes one")


class _BadEntryError(Exception):
    """What is wrong with one entry."""


def _put_once(texts: dict[str, str], key: str, text: str) -> None:
    """Take a key's text; of two that differ nobody can tell which is meant."""
    if texts.setdefault(key, text) != text:
        raise _BadEntryError(KEY_TWICE)


@dataclass
class _Item:
    label: str
    content_type: str
    secret: bytes = b""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class _Element:
    tag: str
    attributes: Mapping[str, str]
    start: int
    why: str = ""
    """What is wrong with it or with something in it; "" where nothing is."""


class _Builder:
    """Puts folders, entries and items together as elements end."""

    def __init__(self, fallback_name: str, mended: Mended, parser: expat.XMLParserType) -> None:
        self._name = fallback_name
        self._mended = mended
        self._parser = parser
        self._stack: list[_Element] = []
        self._text: list[str] = []
        self._folders: dict[str, list[WalletEntry]] = {}
        self._folder = ""
        self._map: dict[str, str] = {}
        self._item: _Item | None = None
        self._items: list[_Item] = []
        self._unread: list[Unread] = []
        self._counted = (0, 1)
        """A place of the data, and its line: counted on from there, not from the beginning."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element; tags count without case, as KWalletManager reads them."""
        tag = tag.lower()
        if not self._stack and tag != "wallet":
            raise MalformedError("the file is no export of a wallet")
        element = _Element(tag, attributes, self._parser.CurrentByteIndex)
        self._stack.append(element)
        self._text.clear()
        try:
            element.attributes = {
                name: self._mended.restore(value) for name, value in attributes.items()
            }
        except NotTextError:
            element.attributes = {
                name: self._mended.show(value) for name, value in attributes.items()
            }
            element.why = NO_TEXT
        self._begin(element)

    def _begin(self, element: _Element) -> None:
        name = element.attributes.get("name", "")
        match self._path():
            case ["wallet"] if element.why:
                element.why = ""  # the file's name does as well
            case ["wallet"]:
                self._name = name or self._name
            case ["wallet", "folder"]:
                self._folder = name
                if not element.why:
                    self._folders.setdefault(name, [])
            case ["wallet", "folder", "map"]:
                self._map = {}
            case ["wallet", "item"]:
                label = element.attributes.get("label", "")
                self._item = _Item(label, element.attributes.get("contentType") or "text/plain")

    def text(self, text: str) -> None:
        """Gather text."""
        self._text.append(text)

    def end(self, _tag: str) -> None:
        """End an element."""
        element = self._stack[-1]
        try:
            self._take(element, element.attributes.get("name", ""))
        except _BadEntryError as error:
            element.why = element.why or str(error)
        path = self._path()
        self._stack.pop()
        self._text.clear()
        if element.why:
            self._report(path, element)

    def _take(self, element: _Element, name: str) -> None:
        match self._path():
            case ["wallet", "folder", "password"]:
                self._add(name, EntryType.PASSWORD, encode_string(self._read_text()))
            case ["wallet", "folder", "stream"]:
                self._add(name, EntryType.STREAM, self._read_bytes())
            case ["wallet", "folder", "map"]:
                self._add(name, EntryType.MAP, encode_map(self._map))
            case ["wallet", "folder", "map", "mapentry"]:
                _put_once(self._map, name, self._read_text())
            case ["wallet", "item", "secret"] if self._item:
                self._item.secret = self._read_bytes()
            case ["wallet", "item", "attributes", "attribute"] if self._item:
                _put_once(self._item.attributes, name, self._read_text())
            case ["wallet", "item"] if self._item:
                if not element.why:
                    self._items.append(self._item)
                self._item = None

    def _report(self, path: list[str], element: _Element) -> None:
        """Report an entry that cannot be read; what is wrong within one is wrong with it."""
        name = element.attributes.get("name", "")
        match path:
            case ["wallet", "folder", "password" | "stream" | "map"]:
                self._note(self._folder, name, element)
            case ["wallet", "item"]:
                self._note(None, element.attributes.get("label", ""), element)
            case ["wallet", "folder"] | ["wallet"]:
                pass  # each of its entries was reported
            case _ if self._stack:
                self._stack[-1].why = self._stack[-1].why or element.why

    def _note(self, folder: str | None, key: str, element: _Element) -> None:
        place, line = self._counted
        line += self._mended.count_lines(place, element.start)
        self._counted = (element.start, line)
        self._unread.append(Unread(folder, key, line, element.why))

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
        return Export(wallet, items, tuple(self._unread))

    def _path(self) -> list[str]:
        """Name the elements that we are in; none where we are deeper than anything that counts."""
        deep = len(self._stack) > _DEEPEST
        return [] if deep else [element.tag for element in self._stack]

    def _add(self, key: str, kind: EntryType, value: bytes) -> None:
        """Add an entry, unless something in it or around it cannot be read."""
        for element in self._stack:
            if element.why:
                raise _BadEntryError(element.why)
        self._folders[self._folder].append(WalletEntry(Key(key), kind, Secret(value)))

    def _read_text(self) -> str:
        """Give an element's text, which must be what stands in the file between its tags."""
        try:
            text = self._mended.restore("".join(self._text))
            end = self._parser.CurrentByteIndex
            source = self._mended.read_source(self._stack[-1].start, end)
        except NotTextError as error:
            raise _BadEntryError(NO_TEXT) from error
        if source is not None and source != text:
            raise _BadEntryError(OTHERWISE)
        return text

    def _read_bytes(self) -> bytes:
        try:
            return base64.b64decode("".join("".join(self._text).split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise _BadEntryError(NO_BASE64) from error
