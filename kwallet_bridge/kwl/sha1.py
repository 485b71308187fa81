# SPDX-License-Identifier: GPL-3.0-or-later
"""KDE's own SHA-1, which is not quite SHA-1.

Two deviations. A message of 55 bytes modulo 64 gets a whole further block of padding. And since
KF5 the words of message and result are little-endian. ``hashlib`` does its own padding, so it
serves only the older profile and the other lengths. For the rest the compression function is
borrowed from the libcrypto that ``hashlib`` itself is linked with, by way of ctypes; where that
cannot be had or answers wrongly, the one written out below does the same, slowly.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from kwallet_bridge.kwl.formats import Profile

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Iterator, Sequence

    Compress = Callable[[Iterator[bytes]], bytes]

_BLOCK = 64
_CHUNK = 256 * _BLOCK
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_ROUND_WORDS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)
_MASK = 0xFFFFFFFF
_CONTEXT_SIZE = 256
_ABC = bytes.fromhex("a9993e364706816aba3e25717850c26c9cd0d89d")


def kde_sha1(data: bytes | memoryview, profile: Profile) -> bytes:
    """Digest ``data`` as KDE's SHA-1 of this profile does."""
    swapped = profile is Profile.KF5
    if not swapped and len(data) % _BLOCK != 55:
        return hashlib.sha1(data, usedforsecurity=False).digest()
    compress = _native_compress() or compress_slowly
    if swapped:
        return swap4(compress(map(swap4, _padded(data))))
    return compress(_padded(data))


def swap4(data: bytes | memoryview) -> bytes:
    """Reverse each group of four bytes."""
    words = array("I")
    words.frombytes(data)
    words.byteswap()
    return words.tobytes()


def _padded(data: bytes | memoryview) -> Iterator[bytes]:
    """Give the padded message in chunks of whole blocks, copying one chunk at a time."""
    size = len(data)
    whole = size - size % _BLOCK
    for start in range(0, whole, _CHUNK):
        yield bytes(data[start : min(start + _CHUNK, whole)])
    zeros = (55 - size) % _BLOCK or _BLOCK
    yield bytes(data[whole:]) + b"\x80" + bytes(zeros) + (8 * size).to_bytes(8, "big")


@cache
def _native_compress() -> Compress | None:
    """Find libcrypto's compression; None where there is none that answers rightly."""
    try:
        import ctypes  # noqa: PLC0415  1 MB, and only wallets need it
    except ImportError:
        return None
    for path in _find_libcrypto():
        with suppress(OSError, AttributeError):
            compress = _bind_compress(ctypes.CDLL(path))
            if compress(_padded(b"abc")) == _ABC:
                return compress
    return None


def _find_libcrypto() -> Iterator[str]:
    """Name libraries that may have the function; what ``hashlib`` links with is loaded already."""
    with suppress(ImportError, AttributeError):
        import _hashlib  # noqa: PLC0415  absent or built in where OpenSSL is

        yield _hashlib.__file__
    yield "libcrypto.so.3"


def _bind_compress(library: ctypes.CDLL) -> Compress:
    import ctypes  # noqa: PLC0415  see _native_compress

    init, update = library.SHA1_Init, library.SHA1_Update
    init.argtypes = (ctypes.c_void_p,)
    update.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)

    def compress(chunks: Iterator[bytes]) -> bytes:
        # The first five words of SHA_CTX are the state, in every OpenSSL there has been.
        context = (ctypes.c_uint32 * (_CONTEXT_SIZE // 4))()
        init(context)
        for chunk in chunks:
            update(context, chunk, len(chunk))
        return _encode_words(context[:5])

    return compress


def compress_slowly(chunks: Iterator[bytes]) -> bytes:
    """Run the compression function over chunks of whole blocks, in Python alone."""
    state: tuple[int, ...] = _START
    for chunk in chunks:
        for schedule in _schedules(chunk):
            state = _rounds(state, schedule)
    return _encode_words(state)


def _schedules(chunk: bytes) -> Iterator[tuple[int, ...]]:
    """Give each block's 80 words, round constants added.

    The words do not depend on the state, so word t of every block is computed at once: they are
    lanes of 64 bits in one large integer, where neither rotation nor sum can overflow a lane.
    """
    words = array("I", chunk)
    if sys.byteorder == "little":  # pragma: no branch  the other one needs another machine
        words.byteswap()
    count = len(words) // 16
    ones = int.from_bytes(array("Q", [1]).tobytes() * count, sys.byteorder)
    upper = ones * (_MASK - 1)
    lanes = [int.from_bytes(array("Q", words[t::16]).tobytes(), sys.byteorder) for t in range(16)]
    for t in range(16, 80):
        mixed = lanes[t - 3] ^ lanes[t - 8] ^ lanes[t - 14] ^ lanes[t - 16]
        lanes.append((mixed << 1) & upper | (mixed >> 31) & ones)
    return zip(
        *(
            array("Q", (lane + ones * _ROUND_WORDS[t // 20]).to_bytes(8 * count, sys.byteorder))
            for t, lane in enumerate(lanes)
        ),
        strict=True,
    )


def _rounds(state: tuple[int, ...], w: tuple[int, ...]) -> tuple[int, ...]:
    """Compress one block: 80 rounds, five at a time so that no variable has to move."""
    a, b, c, d, e = state
    m = _MASK
    for t in range(0, 20, 5):
        e = (e + (a << 5 | a >> 27) + (d ^ (b & (c ^ d))) + w[t]) & m
        b = (b << 30 | b >> 2) & m
        d = (d + (e << 5 | e >> 27) + (c ^ (a & (b ^ c))) + w[t + 1]) & m
        a = (a << 30 | a >> 2) & m
        c = (c + (d << 5 | d >> 27) + (b ^ (e & (a ^ b))) + w[t + 2]) & m
        e = (e << 30 | e >> 2) & m
        b = (b + (c << 5 | c >> 27) + (a ^ (d & (e ^ a))) + w[t + 3]) & m
        d = (d << 30 | d >> 2) & m
        a = (a + (b << 5 | b >> 27) + (e ^ (c & (d ^ e))) + w[t + 4]) & m
        c = (c << 30 | c >> 2) & m
    for t in (20, 25, 30, 35, 60, 65, 70, 75):
        if t == 60:
            a, b, c, d, e = _majority_rounds(a, b, c, d, e, w)
        e = (e + (a << 5 | a >> 27) + (b ^ c ^ d) + w[t]) & m
        b = (b << 30 | b >> 2) & m
        d = (d + (e << 5 | e >> 27) + (a ^ b ^ c) + w[t + 1]) & m
        a = (a << 30 | a >> 2) & m
        c = (c + (d << 5 | d >> 27) + (e ^ a ^ b) + w[t + 2]) & m
        e = (e << 30 | e >> 2) & m
        b = (b + (c << 5 | c >> 27) + (d ^ e ^ a) + w[t + 3]) & m
        d = (d << 30 | d >> 2) & m
        a = (a + (b << 5 | b >> 27) + (c ^ d ^ e) + w[t + 4]) & m
        c = (c << 30 | c >> 2) & m
    return tuple((x + y) & m for x, y in zip(state, (a, b, c, d, e), strict=True))


def _majority_rounds(  # noqa: PLR0913, PLR0917  the five words of the state
    a: int, b: int, c: int, d: int, e: int, w: tuple[int, ...]
) -> tuple[int, int, int, int, int]:
    m = _MASK
    for t in range(40, 60, 5):
        e = (e + (a << 5 | a >> 27) + (b & c | d & (b | c)) + w[t]) & m
        b = (b << 30 | b >> 2) & m
        d = (d + (e << 5 | e >> 27) + (a & b | c & (a | b)) + w[t + 1]) & m
        a = (a << 30 | a >> 2) & m
        c = (c + (d << 5 | d >> 27) + (e & a | b & (e | a)) + w[t + 2]) & m
        e = (e << 30 | e >> 2) & m
        b = (b + (c << 5 | c >> 27) + (d & e | a & (d | e)) + w[t + 3]) & m
        d = (d << 30 | d >> 2) & m
        a = (a + (b << 5 | b >> 27) + (c & d | e & (c | d)) + w[t + 4]) & m
        c = (c << 30 | c >> 2) & m
    return a, b, c, d, e


def _encode_words(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(4, "big") for word in words)
