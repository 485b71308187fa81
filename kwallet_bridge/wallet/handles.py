# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers that open wallets go by, and what a number that is not open any more tells.

A handle is a positive 31-bit number, never 0 and never small::

    bit 30 29 | 28 ... 10 | 9 ... 0
         1  0 |  serial   |   tag

The serial is random; the tag is a digest of it, keyed by the identity of the session bus. Whoever
holds a handle holds it through that bus, so every life of the daemon that could have given it out
knows the key, without a file. So a number that an earlier life gave out is told from one that
nobody did: of invented numbers one in 4096 is mistaken for ours, of small ones none.
"""

from __future__ import annotations

import random
from _blake2 import blake2s  # hashlib would load OpenSSL
from collections import OrderedDict
from typing import TYPE_CHECKING

from kwallet_bridge.model import Handle

if TYPE_CHECKING:
    from collections.abc import Container

_TOP = 0b10 << 29
_TOP_MASK = 0b11 << 29
_TAG_BITS = 10
_TAG_MASK = (1 << _TAG_BITS) - 1
_SERIALS = 1 << 19
_REMEMBERED = 4096
"""Handles closed by clients; what is forgotten of them is answered by an error, which is safe."""


class HandleNumbers:
    """Draws handles, and tells of a number that is not open what became of it."""

    def __init__(self, bus_id: str = "") -> None:
        """Draw handles that every daemon on the bus of this identity recognises."""
        self._key = blake2s(b"kwallet-bridge handle" + bus_id.encode()).digest()
        self._random = random.SystemRandom()
        self._closed: OrderedDict[int, None] = OrderedDict()

    def draw(self, taken: Container[int]) -> Handle:
        """Give a number that is not open and that this life of the daemon has not seen closed."""
        while True:
            serial = self._random.randrange(_SERIALS)
            number = _TOP | serial << _TAG_BITS | self._tag(serial)
            if number not in taken and number not in self._closed:
                return Handle(number)

    def note_closed(self, handle: Handle) -> None:
        """Remember that a client closed a handle: whoever goes on with it is answered as before."""
        self._closed[handle] = None
        if len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)

    def was_lost(self, number: int) -> bool:
        """Tell of a number that is not open whether it was, and ended without a client's doing."""
        return number not in self._closed and self._is_ours(number)

    def _is_ours(self, number: int) -> bool:
        if number < 0 or number & _TOP_MASK != _TOP:
            return False
        serial = (number & ~_TOP_MASK) >> _TAG_BITS
        return number & _TAG_MASK == self._tag(serial)

    def _tag(self, serial: int) -> int:
        digest = blake2s(serial.to_bytes(4, "big"), key=self._key, digest_size=4).digest()
        return int.from_bytes(digest, "big") & _TAG_MASK
