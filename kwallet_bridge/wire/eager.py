# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a coroutine at once, and only make a task of it if it has to wait.

Most calls are answered from the index without waiting for anybody. A task for each would cost as
much as the answer and let later calls overtake earlier ones. Python 3.12 has eager tasks; 3.11,
our floor, does not, so the first step is taken by hand and a task takes over from there.
The first step runs outside any task: nothing called in it may ask for the current task.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Generator

T = TypeVar("T")


def step(
    coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop
) -> tuple[T | None, asyncio.Task[T] | None]:
    """Start a coroutine: (its result, None), or (None, the task that goes on with it).

    Raises:
        Exception: What the coroutine raised in its first step.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration as stop:
        return stop.value, None
    return None, loop.create_task(_resume(coroutine, awaited))


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    sent: Any = None
    while True:
        try:
            sent = yield awaited
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001  cancellation too is the coroutine's to see
            thrown: BaseException | None = error
        else:
            thrown = None
        try:
            awaited = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
        except StopIteration as stop:
            result: T = stop.value
            return result
