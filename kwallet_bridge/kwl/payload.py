# SPDX-License-Identifier: GPL-3.0-or-later
"""The decrypted payload: folders and entries, every bound checked before it is used.

A value that is not what its type promises is that entry's matter: it is marked, its bytes are
kept, and the others are still good. A slip in the structure ends the reading: a list that ends
early would look like a whole one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn

from kwallet_bridge.errors import LimitError, MalformedError
from kwallet_bridge.kwl.formats import MAX_ENTRIES, MAX_FOLDERS
from kwallet_bridge.kwl.values import find_value_warnings
from kwallet_bridge.model import Folder, FolderName, Key, WalletEntry
from kwallet_bridge.secret import Secret

_NULL = 0xFFFFFFFF
_U32 = struct.Struct(">I")
_I32 = struct.Struct(">i")
_SMALLEST_ENTRY = 12
_NOTHING = Secret(b"")


@dataclass(frozen=True, slots=True)
class Payload:
    """Folders in file order, how many were in the file, and what was unusual."""

    folders: tuple[Folder, ...]
    folder_count: int
    warnings: frozenset[str]


def parse_payload(data: bytes, *, base: int = 0) -> Payload:
    """Parse a payload to its end; ``base`` is its offset in the file, for messages.

    Raises:
        MalformedError: The structure is broken, though the digest verified.
        LimitError: More folders or entries than the reader holds.
    """
    return _Parser(data, base).parse()


class _Parser:
    """Walks the payload once."""

    def __init__(self, data: bytes, base: int) -> None:
        self._data, self._end, self._base = data, len(data), base
        self._offset = 0
        self._entry_count = 0
        self._warnings: set[str] = set()

    def parse(self) -> Payload:
        folders: dict[FolderName, Folder] = {}
        count = 0
        while self._offset < self._end:
            folder = self._read_folder()
            count += 1
            if count > MAX_FOLDERS:
                raise LimitError(f"the wallet has more than {MAX_FOLDERS} folders")
            if folder.name in folders:
                self._warnings.add("duplicate-folder")
            folders[folder.name] = folder
        return Payload(tuple(folders.values()), count, frozenset(self._warnings))

    def _read_folder(self) -> Folder:
        name = FolderName(self._read_name())
        start = self._offset
        if self._end - start < 4:
            self._refuse("a folder has no entry count", start)
        (count,) = _U32.unpack_from(self._data, start)
        self._offset += 4
        if count * _SMALLEST_ENTRY > self._end - self._offset:
            self._refuse("an entry count reaches past the end", start)
        self._entry_count += count
        if self._entry_count > MAX_ENTRIES:
            raise LimitError(f"the wallet has more than {MAX_ENTRIES} entries")
        entries: dict[Key, WalletEntry] = {}
        for _ in range(count):
            entry = self._read_entry()
            entries[entry.key] = entry
        if len(entries) < count:
            self._warnings.add("duplicate-entry")
        return Folder(name, tuple(entries.values()))

    def _read_entry(self) -> WalletEntry:
        key = Key(self._read_name())
        start = self._offset
        if self._end - start < 4:
            self._refuse("an entry has no type", start)
        (type_code,) = _I32.unpack_from(self._data, start)
        self._offset += 4
        value = self._read_bytes()
        warnings = find_value_warnings(type_code, value)
        if warnings:
            self._warnings |= warnings
        secret = Secret(value) if value else _NOTHING
        return WalletEntry(key, type_code, secret, "malformed-value" in warnings)

    def _read_name(self) -> str:
        start = self._offset
        raw = self._read_bytes()
        if len(raw) % 2:
            self._refuse("a name has an odd length", start)
        try:
            return raw.decode("utf-16-be")
        except UnicodeDecodeError:
            self._warnings.add("unpaired-surrogate")
            return raw.decode("utf-16-be", "surrogatepass")

    def _read_bytes(self) -> bytes:
        """Read a QByteArray or a QString's bytes; null is the same as empty to KDE."""
        start = self._offset
        following = start + 4
        if following > self._end:
            self._refuse("a length is cut off", start)
        (length,) = _U32.unpack_from(self._data, start)
        if length == _NULL:
            self._offset = following
            return b""
        if length > self._end - following:
            self._refuse("a length reaches past the end", start)
        self._offset = following + length
        return self._data[following : self._offset]

    def _refuse(self, message: str, offset: int) -> NoReturn:
        raise MalformedError(message, offset=self._base + offset)
