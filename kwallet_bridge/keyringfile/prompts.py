# SPDX-License-Identifier: GPL-3.0-or-later
"""One prompt for all who wait for the same thing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

_K = TypeVar("_K", bound="Hashable")


class SharedPrompts(Generic[_K]):
    """Runs at most one prompt per subject; it ends when the last who waits has left."""

    def __init__(self) -> None:
        """Run nothing yet."""
        self._running: dict[_K, tuple[asyncio.Task[None], list[object]]] = {}

    async def join(self, subject: _K, prompt: Callable[[], Coroutine[None, None, None]]) -> None:
        """Wait for the prompt about ``subject``, starting it if nobody has."""
        running = self._running.get(subject)
        if running is None or running[0].done():
            running = asyncio.ensure_future(prompt()), []
            self._running[subject] = running
            running[0].add_done_callback(_retrieve)
        task, waiting = running
        token = object()
        waiting.append(token)
        try:
            await asyncio.shield(task)
        finally:
            waiting.remove(token)
            if not waiting:
                # Who comes now wants a prompt of its own, not one that is being dismissed.
                if self._running.get(subject) is running:
                    del self._running[subject]
                task.cancel()


def _retrieve(task: asyncio.Task[None]) -> None:
    """Keep asyncio from logging an error when everybody has left."""
    if not task.cancelled():
        task.exception()
