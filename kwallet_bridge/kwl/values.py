# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an entry's value is what its type promises.

Applications can write any bytes under any type, so this is a finding, not an error. Nothing is
kept of what is looked at: a map of many small strings would cost many times its size as objects.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kwallet_bridge.model import EntryType

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

NO_WARNINGS: AbstractSet[str] = frozenset()
_MALFORMED = frozenset({"malformed-value"})
_UNKNOWN = frozenset({"unknown-type"})
_SURROGATE = frozenset({"unpaired-surrogate"})
_PASSWORD, _STREAM, _MAP = map(int, (EntryType.PASSWORD, EntryType.STREAM, EntryType.MAP))
_NULL = 0xFFFFFFFF
_SMALLEST_PAIR = 8
_U32 = struct.Struct(">I")


def find_value_warnings(type_code: int, value: bytes) -> AbstractSet[str]:
    """Name what is odd about a value: nothing, for most."""
    if type_code == _STREAM:
        return NO_WARNINGS
    if type_code == _PASSWORD:
        return _check_password(value) if value else NO_WARNINGS
    if type_code == _MAP:
        return _check_map(value) if value else NO_WARNINGS
    return _UNKNOWN


def _check_password(value: bytes) -> AbstractSet[str]:
    size = len(value) - 4
    if size < 0:
        return _MALFORMED
    (length,) = _U32.unpack_from(value)
    if length == _NULL:
        return _MALFORMED if size else NO_WARNINGS
    if length != size or length % 2:
        return _MALFORMED
    return _check_text(value[4:])


def _check_map(value: bytes) -> AbstractSet[str]:
    end = len(value)
    if end < 4:
        return _MALFORMED
    (count,) = _U32.unpack_from(value)
    if count * _SMALLEST_PAIR > end - 4:
        return _MALFORMED
    warnings, keys, offset = NO_WARNINGS, set[bytes](), 4
    for number in range(2 * count):
        following = _skip_string(value, offset, end)
        if following is None:
            return _MALFORMED
        text = value[offset + 4 : following]
        warnings |= _check_text(text)
        if number % 2 == 0:
            keys.add(text)
        offset = following
    if offset != end:
        return _MALFORMED
    return warnings | {"duplicate-map-key"} if len(keys) < count else warnings


def _skip_string(value: bytes, offset: int, end: int) -> int | None:
    """Give the offset after a QString; None if it is no QString."""
    start = offset + 4
    if start > end:
        return None
    (length,) = _U32.unpack_from(value, offset)
    if length == _NULL:
        return start
    return None if length % 2 or length > end - start else start + int(length)


def _check_text(raw: bytes) -> AbstractSet[str]:
    try:
        raw.decode("utf-16-be")
    except UnicodeDecodeError:
        return _SURROGATE
    return NO_WARNINGS
