# SPDX-License-Identifier: GPL-3.0-or-later
"""Find items by bytes they contain: one scan over all of them instead of one over each."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FEW = 64


class Lookup:
    """A list of items as it was when this was made."""

    __slots__ = ("_blob", "_ends", "_numbers")

    def __init__(self, items: Mapping[int, bytes]) -> None:
        """Take the items of a keyring."""
        self._numbers = list(items)
        self._blob = b"".join(items.values())
        self._ends = list(accumulate(map(len, items.values())))

    def find(self, needles: Sequence[bytes]) -> list[int]:
        """Give the numbers of the items that contain all needles, in the items' order."""
        if not needles:
            return list(self._numbers)
        for needle in needles:
            found = self._holders(needle, _FEW)
            if len(found) < _FEW:
                break
        else:
            found = self._holders(needles[0], len(self._ends))
        return [self._numbers[at] for at in found if self._has_all(at, needles)]

    def _holders(self, needle: bytes, most: int) -> list[int]:
        """Give the places of items that contain a needle, up to ``most``."""
        found: list[int] = []
        blob, ends = self._blob, self._ends
        position = blob.find(needle)
        while position >= 0 and len(found) < most:
            at = bisect_right(ends, position)
            # A hit across two items belongs to neither; look on behind its first byte.
            if position + len(needle) <= ends[at]:
                found.append(at)
                position = ends[at] - 1
            position = blob.find(needle, position + 1)
        return found

    def _has_all(self, at: int, needles: Sequence[bytes]) -> bool:
        start, end = self._ends[at - 1] if at else 0, self._ends[at]
        return all(self._blob.find(needle, start, end) >= 0 for needle in needles)
