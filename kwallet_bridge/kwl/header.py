# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wallet file shows without a password: its format and the table of digests."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    LimitError,
    MalformedError,
    NotAWalletError,
    UnsupportedFormatError,
)
from kwallet_bridge.kwl.formats import (
    FORMATS,
    HEADER_SIZE,
    MAGIC,
    MAX_ENTRIES,
    MAX_FOLDERS,
    MAX_SIZE,
    SMALLEST_WALLET,
    Format,
    KeyScheme,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kwallet_bridge.model import Folder

DIGEST_SIZE = 16
_BLOCK = 8
_FRAME = 32
_U32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class DigestTable:
    """MD5 digests of every folder name and entry key, in clear; ``raw`` is the table itself."""

    raw: bytes
    folder_count: int
    entry_count: int

    def __repr__(self) -> str:
        return f"DigestTable({self.folder_count} folders, {self.entry_count} entries)"

    @property
    def first_folder(self) -> bytes:
        """The digest of the first folder's name; empty if there is none."""
        return self.raw[4 : 4 + DIGEST_SIZE]

    def names(self) -> Mapping[bytes, set[bytes]]:
        """Give the digests of each folder's keys by the digest of its name.

        Of a folder listed twice the last counts, as in the payload.
        """
        return _digest_sets(self.raw)

    def matches(self, folders: Sequence[Folder]) -> bool:
        """Tell whether the table lists exactly these folders and entries.

        KDE writes it in the order of the payload, and duplicates, which only others write, may
        stand in it as often as they like.
        """
        return self._lists(folders) or self._holds_sets_of(folders)

    def _lists(self, folders: Sequence[Folder]) -> bool:
        raw, offset = self.raw, 4
        if len(folders) != self.folder_count:
            return False
        for folder in folders:
            size = 4 + DIGEST_SIZE * (1 + len(folder.entries))
            if raw[offset : offset + size] != _encode_digests(folder):
                return False
            offset += size
        return offset == len(raw)

    def _holds_sets_of(self, folders: Sequence[Folder]) -> bool:
        names = sum(1 + len(folder.entries) for folder in folders)
        if names > self.folder_count + self.entry_count:
            return False
        return self.names() == {
            digest_name(folder.name): {digest_name(entry.key) for entry in folder.entries}
            for folder in folders
        }


@dataclass(frozen=True, slots=True)
class Header:
    """A wallet's format, and its table unless that is encrypted too (GPG)."""

    version: tuple[int, int]
    cipher: int
    hash: int
    format: Format
    table: DigestTable | None
    body_offset: int

    @property
    def needs_password(self) -> bool:
        """Whether a password opens it; otherwise GnuPG does."""
        return self.format.keys is not KeyScheme.GPG

    @property
    def needs_salt(self) -> bool:
        """Whether the key comes from the salt file too."""
        return self.format.keys is KeyScheme.PBKDF2


def read_header(data: bytes) -> Header:
    """Read what shows without a password; every structural defect outside the body is told here.

    Raises:
        NotAWalletError: It does not begin like a wallet.
        UnsupportedFormatError: The combination of version, cipher and hash has no reader.
        MalformedError: It is cut off, or its parts do not fit each other.
        LimitError: It is larger than the reader accepts.
    """
    if not data.startswith(MAGIC):
        raise NotAWalletError("this is not a KWallet file", offset=0)
    if len(data) < HEADER_SIZE:
        raise MalformedError("the file ends inside its header", offset=len(data))
    major, minor, cipher, digest = data[len(MAGIC) : HEADER_SIZE]
    found = FORMATS.get((minor, cipher, digest)) if major == 0 else None
    if found is None:
        message = f"no reader for version {major}.{minor}, cipher {cipher}, hash {digest}"
        raise UnsupportedFormatError(message, offset=len(MAGIC))
    if len(data) < SMALLEST_WALLET:
        raise MalformedError("the file is shorter than any wallet", offset=len(data))
    if len(data) > MAX_SIZE:
        raise LimitError(f"the file is larger than {MAX_SIZE >> 20} MiB")
    if found.keys is KeyScheme.GPG:
        return Header((major, minor), cipher, digest, found, None, HEADER_SIZE)
    table, body_offset = parse_table(data, HEADER_SIZE)
    _check_body(len(data) - body_offset, table, body_offset)
    return Header((major, minor), cipher, digest, found, table, body_offset)


def parse_table(data: bytes, start: int) -> tuple[DigestTable, int]:
    """Parse the digest table at ``start``; gives it and the offset of what follows.

    Raises:
        MalformedError: A count or digest does not fit the bytes that are left.
        LimitError: More entries than the reader holds.
    """
    end = len(data)
    folder_count = _read_count(data, start)
    if folder_count > MAX_FOLDERS:
        raise MalformedError("the table counts more folders than KDE allows", offset=start)
    offset, entry_count = start + 4, 0
    for _ in range(folder_count):
        count = _read_count(data, offset + DIGEST_SIZE)
        following = offset + DIGEST_SIZE + 4 + count * DIGEST_SIZE
        if following > end:
            raise MalformedError("the table reaches past the end of the file", offset=offset)
        offset, entry_count = following, entry_count + count
    if entry_count > MAX_ENTRIES:
        raise LimitError(f"the wallet has more than {MAX_ENTRIES} entries")
    return DigestTable(data[start:offset], folder_count, entry_count), offset


def digest_name(name: str) -> bytes:
    """Digest a name as KDE does: MD5 of Qt's UTF-8, where an unpaired surrogate becomes ``?``."""
    return hashlib.md5(name.encode("utf-8", "replace"), usedforsecurity=False).digest()


def _encode_digests(folder: Folder) -> bytes:
    keys = b"".join(digest_name(entry.key) for entry in folder.entries)
    return digest_name(folder.name) + _U32.pack(len(folder.entries)) + keys


def _read_count(data: bytes, offset: int) -> int:
    if offset + 4 > len(data):
        raise MalformedError("the table is cut off", offset=offset)
    (count,) = _U32.unpack_from(data, offset)
    return int(count)


def _check_body(size: int, table: DigestTable, offset: int) -> None:
    if size % _BLOCK:
        raise MalformedError("the encrypted part is not a whole number of blocks", offset=offset)
    if size < _FRAME + _BLOCK:
        raise MalformedError("the encrypted part is missing or cut off", offset=offset)
    if size < _FRAME + 8 * table.folder_count + 12 * table.entry_count:
        raise MalformedError("the encrypted part is too small for its entries", offset=offset)


def encode_names(names: Mapping[bytes, Collection[bytes]]) -> bytes:
    """Give the table that lists these digests of keys by the digest of their folder's name."""
    parts = [_U32.pack(len(names))]
    for folder, keys in sorted(names.items()):
        parts += [folder, _U32.pack(len(keys)), *sorted(keys)]
    return b"".join(parts)


def _digest_sets(raw: bytes) -> dict[bytes, set[bytes]]:
    """Take a checked table apart."""
    sets: dict[bytes, set[bytes]] = {}
    offset = 4
    while offset < len(raw):
        name = raw[offset : offset + DIGEST_SIZE]
        (count,) = _U32.unpack_from(raw, offset + DIGEST_SIZE)
        start = offset + DIGEST_SIZE + 4
        offset = start + count * DIGEST_SIZE
        sets[name] = {raw[at : at + DIGEST_SIZE] for at in range(start, offset, DIGEST_SIZE)}
    return sets
