# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on without a caller waiting: asynchronous opens, by caller, and work in the background."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kwallet_bridge.errors import StoreError
from kwallet_bridge.wallet.quota import OPEN_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kwallet_bridge.wallet.quota import Quota

_MAX_TRANSACTION = 2**31 - 1

_log = logging.getLogger(__name__)


class Openings:
    """Draws transaction numbers, and knows whose opens are under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, quota: Quota) -> None:
        """Begin with transaction 0; what waits counts against ``quota``."""
        self._loop = loop
        self._quota = quota
        self._next = 0
        self._pending: dict[str, set[asyncio.Task[object]]] = {}

    def draw(self) -> int:
        """Give the next transaction number."""
        transaction = self._next
        self._next = 0 if transaction == _MAX_TRANSACTION else transaction + 1
        return transaction

    def reserve(self, caller: str) -> bool:
        """Make room for one more open of a caller; False if too much waits for it already."""
        return self._quota.take(caller, OPEN_WEIGHT)

    def start(self, caller: str, work: Coroutine[object, object, object]) -> None:
        """Open on behalf of a caller, in the next turn of the loop; room was reserved before."""
        task = self._loop.create_task(work)
        pending = self._pending.setdefault(caller, set())
        pending.add(task)
        task.add_done_callback(lambda done: self._forget(caller, done))

    def _forget(self, caller: str, task: asyncio.Task[object]) -> None:
        self._quota.give(caller, OPEN_WEIGHT)
        pending = self._pending.get(caller, set())
        pending.discard(task)
        if not pending:
            self._pending.pop(caller, None)

    def cancel(self, caller: str) -> None:
        """Give up what was begun for a caller."""
        for task in self._pending.get(caller, ()):
            task.cancel()

    def cancel_all(self) -> None:
        """Give up everything."""
        for caller in self._pending:
            self.cancel(caller)


class Background:
    """Work that nobody waits for, and that may fail."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run it on ``loop``."""
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, object]) -> None:
        """Begin in the next turn of the loop."""
        task = self._loop.create_task(_guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Return once all that was begun has ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _guard(work: Coroutine[object, object, object]) -> None:
    try:
        await work
    except StoreError as error:
        _log.warning("work in the background failed: %s", type(error).__name__)
