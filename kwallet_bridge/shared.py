# SPDX-License-Identifier: GPL-3.0-or-later
"""One piece of work that several callers wait for."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, MutableMapping

K = TypeVar("K")
T = TypeVar("T")


_TURN = 0.005


class Turn:
    """How long one piece of work has held the event loop: others wait while it does."""

    __slots__ = ("_clock", "_end")

    def __init__(self) -> None:
        """Begin."""
        self._clock = asyncio.get_running_loop().time
        self._end = self._clock() + _TURN

    @property
    def is_over(self) -> bool:
        """Whether it is time to let others go on."""
        return self._clock() > self._end

    async def pass_on(self) -> None:
        """Let others go on, then begin again."""
        await asyncio.sleep(0)
        self._end = self._clock() + _TURN


class Locks(Generic[K]):
    """A lock for each key, kept while somebody wants it."""

    def __init__(self) -> None:
        """Hold none."""
        self._locks: dict[K, tuple[asyncio.Lock, list[int]]] = {}

    @asynccontextmanager
    async def hold(self, key: K) -> AsyncIterator[None]:
        """Let nobody else hold ``key``; who waits has it in the order of asking."""
        lock, users = self._locks.setdefault(key, (asyncio.Lock(), [0]))
        users[0] += 1
        try:
            async with lock:
                yield
        finally:
            users[0] -= 1
            if not users[0]:
                del self._locks[key]


class SharedRun(Generic[T]):
    """A running coroutine; whoever is cancelled leaves, and it is cancelled with the last."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        """Start ``work`` in a task of its own."""
        self.task = asyncio.get_running_loop().create_task(work)
        self._waiters = 0

    @property
    def joinable(self) -> bool:
        """Whether the work goes on."""
        return not self.task.done() and not self.task.cancelling()

    async def join(self) -> T:
        """Wait for the result, among others."""
        self._waiters += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiters -= 1
            if not self._waiters and not self.task.done():
                self.task.cancel()


async def join_or_start(
    runs: MutableMapping[K, SharedRun[T]],
    key: K,
    make: Callable[[], Coroutine[Any, Any, T]],
    *,
    again: type[Exception] | tuple[()] = (),
) -> T:
    """Join the run filed under ``key``, or file a new one until it ends.

    A run that was joined and fails with ``again`` may have been begun under circumstances that
    have changed since; then another one is started, or joined.
    """
    run = runs.get(key)
    joined = run is not None and run.joinable
    if run is None or not run.joinable:
        run = runs[key] = SharedRun(make())
        run.task.add_done_callback(lambda task: _forget(runs, key, task))
    try:
        return await run.join()
    except again:
        if not joined:
            raise
    return await join_or_start(runs, key, make)


def _forget(runs: MutableMapping[K, SharedRun[T]], key: K, task: asyncio.Task[T]) -> None:
    run = runs.get(key)
    if run is not None and run.task is task:
        del runs[key]


async def run_windowed(
    work: Callable[[T], Coroutine[Any, Any, None]], things: Iterable[T], *, width: int
) -> None:
    """Do ``work`` on each thing, ``width`` at a time; the first failure ends the rest."""
    waiting = iter(things)

    async def walk() -> None:
        for thing in waiting:
            await work(thing)

    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(walk()) for _ in range(width)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
