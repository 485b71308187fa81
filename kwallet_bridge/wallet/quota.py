# SPDX-License-Identifier: GPL-3.0-or-later
"""One bound for everything a client can have waiting: calls, their values, and opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MOST_WEIGHT: Final = 256 << 20
"""Bytes that may wait for one client: 200,000 small calls, of which the bus allows 50,000."""
CALL_WEIGHT: Final = 1280
"""Bytes that a small waiting call was measured to take."""
OPEN_WEIGHT: Final = MOST_WEIGHT // 1000
"""Bytes that an open counts for while it waits. It takes 7 KB, but for days, until a person
answers; and memory in small pieces does not all come back. 1,000 are more than any program needs."""


_MUCH: Final = 1 << 20


class Quota:
    """What waits for each client, by weight."""

    def __init__(
        self, most: int = MOST_WEIGHT, *, relieved: Callable[[], None] = lambda: None
    ) -> None:
        """Let ``most`` bytes wait for each client; ``relieved`` hears of the end of much."""
        self._most = most
        self._relieved = relieved
        self._weights: dict[Hashable, int] = {}
        self._heavy: set[Hashable] = set()
        self.flooded: set[Hashable] = set()
        """Clients whose last refusal was reported, until nothing of theirs waits."""

    def take(self, client: Hashable, weight: int) -> bool:
        """Count something that begins to wait; False if it may not."""
        total = self._weights.get(client, 0)
        # A single large call is the bus's to bound.
        if total and total + weight > self._most:
            return False
        self._weights[client] = total + weight
        if total + weight > _MUCH:
            self._heavy.add(client)
        return True

    def give(self, client: Hashable, weight: int) -> None:
        """Count something that waits no more."""
        left = self._weights[client] - weight
        if left:
            self._weights[client] = left
        else:
            del self._weights[client]
            self.flooded.discard(client)
            if client in self._heavy:
                self._heavy.discard(client)
                self._relieved()
