# SPDX-License-Identifier: GPL-3.0-or-later
"""Order: one peer's calls take effect, and are answered, in the order sent.

A lane is a queue per peer. A call whose lane is free starts at once; others wait for
those before them, so one peer's flood or slow call never delays another peer. What a peer sent is
carried out even when the peer is gone by then, as kwalletd does: ``dbus-send`` never waits. Only
what a person would be asked for it is asked no more.

What waits for one peer is bounded: the bus bounds only calls that want a reply, and not their size.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from kwallet_bridge.shared import Turn
from kwallet_bridge.wallet.quota import CALL_WEIGHT, OPEN_WEIGHT
from kwallet_bridge.wire.eager import Drive, step

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Hashable, Iterable

    from kwallet_bridge.wallet.quota import Quota

    Work = Callable[[], Coroutine[Any, Any, None]]


_BATCH = 32


def weigh(body: Iterable[object]) -> int:
    """Estimate what a waiting call takes."""
    return CALL_WEIGHT + sum(len(part) for part in body if isinstance(part, str | bytes))


class Lanes:
    """All lanes; an empty one is forgotten."""

    def __init__(self, loop: asyncio.AbstractEventLoop, quota: Quota) -> None:
        """Run calls on ``loop``; what waits counts against ``quota``."""
        self._loop = loop
        self._quota = quota
        self._waiting: dict[Hashable, deque[tuple[Work, int]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Future[None] | None = None

    def enter(self, lane: Hashable, work: Work, body: Iterable[object] = ()) -> bool:
        """Run ``work`` after everything that entered this lane before. It must not raise.

        ``body`` is what it keeps in memory. False if too much waits already; it is not run then.
        """
        queue = self._waiting.get(lane)
        if queue is None:
            if self._drive(lane, work):
                self._waiting[lane] = deque()
            return True
        weight = weigh(body)
        if not self._quota.take(lane, weight):
            return False
        queue.append((work, weight))
        return True

    def run_free(self, peer: Hashable, work: Work) -> bool:
        """Run ``work`` at once, outside any lane, as a task from its first wait on.

        False if too much waits for the peer already; it is not run then.
        """
        if not self._quota.take(peer, OPEN_WEIGHT):
            return False
        _, task = step(work(), self._loop)
        if task is None:
            self._quota.give(peer, OPEN_WEIGHT)
        else:
            self._running.add(task)
            task.add_done_callback(lambda done: self._finished(peer, done))
        return True

    def cancel_free(self) -> None:
        """Cancel what runs outside any lane: opens, which may wait for a person."""
        for task in self._running:
            task.cancel()

    async def drain(self) -> None:
        """Return once nothing runs any more."""
        while self._running or self._waiting:
            if self._idle is None:
                self._idle = self._loop.create_future()
            await self._idle

    def _drive(self, lane: Hashable, work: Work) -> bool:
        """Start work of a lane; False if it ended at once."""
        return Drive(work(), self._loop, lambda _: self._advance(lane)).running

    def _finished(self, peer: Hashable, task: asyncio.Task[None]) -> None:
        self._quota.give(peer, OPEN_WEIGHT)
        self._running.discard(task)
        self._settle()

    def _settle(self) -> None:
        if not self._running and not self._waiting and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    def _advance(self, lane: Hashable) -> None:
        queue = self._waiting[lane]
        turn = Turn()
        for _ in range(_BATCH):
            if not queue:
                del self._waiting[lane]
                self._settle()
                return
            work, weight = queue.popleft()
            self._quota.give(lane, weight)
            if self._drive(lane, work):
                return
            if turn.is_over:
                break
        self._loop.call_soon(self._advance, lane)  # others have a turn in between
