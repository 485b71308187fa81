# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a coroutine at once, and only make a task of it if it has to wait.

Most calls are answered from the index without waiting for anybody, most others wait for one reply
of the provider. A task for each would cost as much as the answer and, started later, let calls
overtake each other. So :func:`step` takes the first step by hand and leaves the rest to a task, and
:class:`Drive` does without a task to the end: it goes on in the very turn of the loop that brought
the reply. Nothing driven may ask for the current task (``asyncio.timeout`` does).
"""

from __future__ import annotations

import asyncio
import logging
import types
from typing import TYPE_CHECKING, Any, TypeVar

from kwallet_bridge.bus.reply import ReplyFuture

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

T = TypeVar("T")
_log = logging.getLogger(__name__)


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
    return None, loop.create_task(_go_on(coroutine, awaited))


async def _go_on(coroutine: Coroutine[Any, Any, T], awaited: Any) -> T:
    # Since Python 3.12 a task wants a coroutine proper, not a generator marked as one.
    return await _resume(coroutine, awaited)


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


class Drive:
    """Runs one coroutine to its end without a task. The coroutine must not raise."""

    __slots__ = ("_coroutine", "_ended", "_loop", "running")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, None],
        loop: asyncio.AbstractEventLoop,
        ended: Callable[[Drive], None],
    ) -> None:
        """Start at once; ``ended`` is called unless the coroutine ends here and now."""
        self._coroutine = coroutine
        self._loop = loop
        self._ended: Callable[[Drive], None] | None = None
        self.running = True
        self._step()
        self._ended = ended

    def _step(self, _: object = None) -> None:
        try:
            awaited = self._coroutine.send(None)
        except StopIteration:
            self._end()
        except asyncio.CancelledError:
            self._end()
        except Exception as error:  # noqa: BLE001  what comes after it must go on
            _log.error("driven work ended in %s", type(error).__name__)
            self._end()
        else:
            self._wait(awaited)

    def _wait(self, awaited: Any) -> None:
        if awaited is None:
            self._loop.call_soon(self._step)
            return
        # What asyncio's own tasks do with the future a coroutine yields.
        awaited._asyncio_future_blocking = False  # noqa: SLF001
        if type(awaited) is ReplyFuture:
            awaited.resume = self._step
        else:
            awaited.add_done_callback(self._step)

    def _end(self) -> None:
        self.running = False
        if self._ended is not None:
            self._ended(self)
