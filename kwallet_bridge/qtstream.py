# SPDX-License-Identifier: GPL-3.0-or-later
"""The QDataStream subset KWallet uses, both directions.

A QString is a big-endian 32-bit byte length and UTF-16BE code units; ``ffffffff`` is the null
string. A ``QMap<QString, QString>`` is a 32-bit count and that many key and value strings. Qt
lets applications store unpaired surrogates, so both directions keep them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NULL = 0xFFFFFFFF
_U32 = struct.Struct(">I")


class StreamError(ValueError):
    """The bytes are not what was expected; ``offset`` tells where. Holds no bytes."""

    def __init__(self, message: str, offset: int) -> None:
        """Say what and where."""
        super().__init__(message)
        self.offset = offset


def encode_string(text: str | None) -> bytes:
    """Encode a QString; None is the null string."""
    if text is None:
        return b"\xff\xff\xff\xff"
    raw = text.encode("utf-16-be", "surrogatepass")
    return _U32.pack(len(raw)) + raw


def encode_bytes(value: bytes | None) -> bytes:
    """Encode a QByteArray; None is the null array."""
    if value is None:
        return b"\xff\xff\xff\xff"
    return _U32.pack(len(value)) + value


def encode_map(value: Mapping[str, str | None]) -> bytes:
    """Encode a map, keys ascending by UTF-16 code unit as Qt 6 writes them."""
    keys = sorted(value, key=utf16_key)
    parts = [_U32.pack(len(keys))]
    for key in keys:
        parts.append(encode_string(key))
        parts.append(encode_string(value[key]))
    return b"".join(parts)


def utf16_key(text: str) -> bytes:
    """Give the sort key of Qt's string order: by UTF-16 code unit."""
    return text.encode("utf-16-be", "surrogatepass")


class StreamReader:
    """Read values one after another, each bound checked before it is read."""

    __slots__ = ("_data", "_end", "offset")

    def __init__(self, data: bytes, offset: int = 0) -> None:
        """Start at ``offset`` of ``data``."""
        self._data = data
        self._end = len(data)
        self.offset = offset

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return self._end - self.offset

    def read_u32(self) -> int:
        """Read an unsigned 32-bit number.

        Raises:
            StreamError: Fewer than four bytes are left.
        """
        if self._end - self.offset < 4:
            raise StreamError("a number is cut off", self.offset)
        (value,) = _U32.unpack_from(self._data, self.offset)
        self.offset += 4
        return int(value)

    def read_i32(self) -> int:
        """Read a signed 32-bit number."""
        value = self.read_u32()
        return value - (1 << 32) if value & 0x80000000 else value

    def read_bytes(self) -> bytes | None:
        """Read a QByteArray; None is the null array."""
        start = self.offset
        length = self.read_u32()
        if length == _NULL:
            return None
        if length > self._end - self.offset:
            raise StreamError("a length reaches past the end", start)
        value = self._data[self.offset : self.offset + length]
        self.offset += length
        return value

    def read_string(self) -> str | None:
        """Read a QString; None is the null string."""
        start = self.offset
        raw = self.read_bytes()
        if raw is None:
            return None
        if len(raw) % 2:
            raise StreamError("a string has an odd length", start)
        return raw.decode("utf-16-be", "surrogatepass")


def decode_string_lenient(data: bytes) -> str:
    """Decode a password's bytes as KWallet does: what does not fit is the empty text.

    Bytes after the string are ignored, and a null string is empty.
    """
    try:
        return StreamReader(data).read_string() or ""
    except StreamError:
        return ""


def decode_string(data: bytes) -> str | None:
    """Decode exactly one QString.

    Raises:
        StreamError: It is malformed, or bytes follow it.
    """
    reader = StreamReader(data)
    value = reader.read_string()
    if reader.remaining:
        raise StreamError("bytes follow the string", reader.offset)
    return value


def decode_pairs(data: bytes) -> list[tuple[str, str | None]]:
    """Decode a map to its pairs in stream order, duplicates kept; a null key reads as empty.

    Raises:
        StreamError: It is malformed, or bytes follow it.
    """
    reader = StreamReader(data)
    count = reader.read_u32()
    if count * 8 > reader.remaining:
        raise StreamError("a count cannot fit", 0)
    pairs = [(reader.read_string() or "", reader.read_string()) for _ in range(count)]
    if reader.remaining:
        raise StreamError("bytes follow the map", reader.offset)
    return pairs
