# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that another program can make last for ever, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def run_aside(work: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """Return the future of what ``work`` returns or raises, run in a thread called ``name``.

    The loop's own pool of threads has few, for what ends by itself: whoever filled it would hold
    up every file of ours. How many of these run is for the caller to bound; the process's end does
    not wait for them.

    Raises:
        RuntimeError: No thread can be started; ``work`` is not run.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Future[T] = loop.create_future()

    def finish(outcome: Future[T]) -> None:
        if told.done():
            return
        error = outcome.exception()
        if error is None:
            told.set_result(outcome.result())
        else:
            told.set_exception(error)

    def body() -> None:
        outcome: Future[T] = Future()
        try:
            outcome.set_result(work())
        except Exception as error:  # noqa: BLE001  it is told to who waits
            outcome.set_exception(error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, outcome)

    threading.Thread(target=body, name=name, daemon=True).start()
    return told
