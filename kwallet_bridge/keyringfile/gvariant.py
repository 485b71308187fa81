# SPDX-License-Identifier: GPL-3.0-or-later
"""The few GVariant shapes a keyring file is made of, read strictly and written in normal form.

GVariant puts *framing offsets* at the end of a container to tell where its variable-sized members
end. A reader that believes them reads outside its buffer, so every offset, every terminator and
every padding byte is checked here. All integers are little endian.
"""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from operator import le
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_T = TypeVar("_T")
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


class FramingError(ValueError):
    """Bytes that are not the expected GVariant; the message never quotes them."""


def offset_size(length: int) -> int:
    """Tell how wide the framing offsets of a container of this whole length are."""
    if length <= 0xFF:
        return 1
    if length <= 0xFFFF:
        return 2
    return 4 if length <= 0xFFFFFFFF else 8


def offset_size_for(content: int, offsets: int) -> int:
    """Choose the width when ``content`` bytes are to be followed by that many offsets."""
    return next(size for size in (1, 2, 4, 8) if offset_size(content + offsets * size) <= size)


def encode_offsets(ends: Sequence[int], size: int) -> bytes:
    """Encode framing offsets of one width."""
    return struct.pack(f"<{len(ends)}{_CODES[size]}", *ends)


def parse_trailing_offsets(data: bytes, count: int) -> tuple[int, tuple[int, ...]]:
    """Read the offsets of a tuple with ``count`` of them: where they start, and each member's end.

    A tuple stores them last member first; the answer is in the order of the members.

    Raises:
        FramingError: They run backwards or point outside.
    """
    size = offset_size(len(data))
    start = len(data) - count * size
    if start < 0:
        raise FramingError("too short for its framing offsets")
    ends = struct.unpack(f"<{count}{_CODES[size]}", data[start:])[::-1]
    if not all(map(le, ends, (*ends[1:], start))):
        raise FramingError("framing offsets out of order or out of bounds")
    return start, ends


def split_array(data: bytes) -> list[bytes]:
    """Cut an array of variable-sized, unaligned elements.

    Raises:
        FramingError: The offsets contradict the array.
    """
    if not data:
        return []
    size = offset_size(len(data))
    start = int.from_bytes(data[-size:], "little")
    room = len(data) - start
    if room <= 0 or room % size:
        raise FramingError("an array's length does not fit its offsets")
    ends: Sequence[int] = data[start:]
    if size > 1:
        ends = struct.unpack(f"<{room // size}{_CODES[size]}", data[start:])
    if not all(map(le, ends, ends[1:])):
        raise FramingError("an array's offsets run backwards")
    return [data[a:b] for a, b in pairwise((0, *ends))]


def join_array(elements: Sequence[bytes]) -> bytes:
    """Encode an array of variable-sized, unaligned elements."""
    if not elements:
        return b""
    ends = list(accumulate(map(len, elements)))
    size = offset_size_for(ends[-1], len(ends))
    return b"".join((*elements, encode_offsets(ends, size)))


def split_pair(data: bytes) -> tuple[bytes, bytes]:
    """Cut a tuple or dictionary entry of two variable-sized, unaligned members.

    Raises:
        FramingError: The offset contradicts the container.
    """
    start = len(data) - offset_size(len(data))
    end = int.from_bytes(data[start:], "little")
    if not 0 <= end <= start:
        raise FramingError("a framing offset out of bounds")
    return data[:end], data[end:start]


def join_pair(first: bytes, second: bytes) -> bytes:
    """Encode a tuple or dictionary entry of two variable-sized, unaligned members."""
    size = offset_size_for(len(first) + len(second), 1)
    return b"".join((first, second, len(first).to_bytes(size, "little")))


def parse_string(data: bytes) -> str:
    """Read a string.

    Raises:
        FramingError: No terminator, a NUL inside, or not UTF-8.
    """
    if data.find(b"\0") != len(data) - 1 or not data:
        raise FramingError("a string without its terminator")
    try:
        return data[:-1].decode()
    except UnicodeDecodeError:
        raise FramingError("a string that is not UTF-8") from None


def encode_string(text: str) -> bytes:
    """Encode a string.

    Raises:
        FramingError: It holds a NUL or an unpaired surrogate.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise FramingError("a string with an unpaired surrogate") from None
    if b"\0" in data:
        raise FramingError("a string with a NUL inside")
    return data + b"\0"


def parse_text_dict(data: bytes) -> dict[str, str]:
    """Read ``a{ss}``.

    Raises:
        FramingError: Broken, or a name comes twice.
    """
    pairs = list(map(split_pair, split_array(data)))
    result = {parse_string(name): parse_string(value) for name, value in pairs}
    return _without_repeats(result, len(pairs))


def parse_bytes_dict(data: bytes) -> dict[str, bytes]:
    """Read ``a{say}``.

    Raises:
        FramingError: Broken, or a name comes twice.
    """
    pairs = list(map(split_pair, split_array(data)))
    result = {parse_string(name): value for name, value in pairs}
    return _without_repeats(result, len(pairs))


def _without_repeats(result: dict[str, _T], expected: int) -> dict[str, _T]:
    if len(result) != expected:
        raise FramingError("a dictionary names something twice")
    return result


def encode_text_dict(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Encode ``a{ss}`` in the order given."""
    return join_array([join_pair(encode_string(k), encode_string(v)) for k, v in pairs])


def encode_bytes_dict(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    """Encode ``a{say}`` in the order given."""
    return join_array([join_pair(encode_string(k), v) for k, v in pairs])
