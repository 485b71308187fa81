# SPDX-License-Identifier: GPL-3.0-or-later
"""What this program wrote itself, so that a provider's word of it is not taken for news.

A provider may announce a write late, and again long after: KeePassXC announces every item once
more after it was unlocked. So an echo is told by what the item holds, never by when it is heard.
Times of modification have whole seconds, so an item of the very second of our own write is
compared by its secret. Of that only a digest is kept, under a key that is made at each start and
leaves the process never.
"""

from __future__ import annotations

import os
import time
from _blake2 import blake2b  # hashlib would load OpenSSL
from typing import TYPE_CHECKING, NamedTuple

from kwallet_bridge.store.port import ItemId

if TYPE_CHECKING:
    from kwallet_bridge.store.port import ItemInfo, ItemSecret

_KEY = os.urandom(32)


class _Written(NamedTuple):
    """When a write was over, in seconds since the epoch, and what it left."""

    second: int
    digest: bytes


class Own(set[ItemId]):
    """The items that one write of ours makes, changes or removes."""

    def __init__(self) -> None:
        """Name none."""
        super().__init__()
        self.digests: dict[ItemId, bytes] = {}

    def keep(self, item: ItemId, secret: ItemSecret) -> None:
        """Note what an item was seen to hold after it was written."""
        self.add(item)
        self.digests[item] = _digest(secret)


class Echoes:
    """What was written into one collection and still stands there, as far as is known."""

    def __init__(self) -> None:
        """Know of no write."""
        self._written: dict[ItemId, _Written] = {}

    def note(self, mine: Own) -> None:
        """Take in a write that is over."""
        now = int(time.time())
        for item in mine:
            digest = mine.digests.get(item)
            if digest is None:
                self.forget(item)
            else:
                self._written[item] = _Written(now, digest)

    def forget(self, item: ItemId) -> None:
        """Take an item for anybody's: another program changed or removed it."""
        self._written.pop(item, None)

    def may_be(self, info: ItemInfo) -> bool:
        """Tell whether an item may be as we wrote it, by its time; its secret tells for sure."""
        written = self._written.get(info.id)
        return written is not None and info.modified <= written.second

    def is_one(self, item: ItemId, secret: ItemSecret | None) -> bool:
        """Tell whether an item's secret is what we wrote."""
        written = self._written.get(item)
        if written is None or secret is None:
            return False
        return _digest(secret) == written.digest


def _digest(secret: ItemSecret) -> bytes:
    return blake2b(secret.value.reveal(), key=_KEY, digest_size=16).digest()
