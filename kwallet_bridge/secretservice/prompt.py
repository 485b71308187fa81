# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a provider's prompt until it is accepted, dismissed or cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from kwallet_bridge.secretservice import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.secretservice.client import ServiceClient


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """How a prompt ended. ``paths`` are the objects it named, without ``/``."""

    dismissed: bool
    paths: Sequence[str] = ()


class Prompts:
    """The prompts running at one provider."""

    def __init__(self, client: ServiceClient) -> None:
        """Run prompts through ``client``; feed :meth:`completed` with its signals."""
        self._client = client
        self._running: dict[str, asyncio.Future[PromptAnswer]] = {}

    def completed(self, path: str, body: Sequence[object]) -> None:
        """Take note of a ``Completed`` signal; only the first for a prompt counts."""
        future = self._running.get(path)
        if future is not None and not future.done():
            future.set_result(read_answer(body))

    def drop(self) -> None:
        """End every prompt: the provider went away."""
        for future in self._running.values():
            if not future.done():
                future.set_exception(
                    StoreUnavailableError("the provider went away during its prompt")
                )

    async def run(self, path: str, *, window_id: str) -> PromptAnswer:
        """Show a prompt and wait for a person, for as long as they take.

        Cancelling takes the prompt off the screen.

        Raises:
            PromptDismissedError: The provider could not show it.
            StoreUnavailableError: The provider went away.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[PromptAnswer] = loop.create_future()
        self._running[path] = answer
        showing = loop.create_task(self._client.show_prompt(path, window_id))
        try:
            ends: set[asyncio.Future[Any]] = {answer, showing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                self._check_shown(showing)
            return await answer
        except asyncio.CancelledError:
            self._client.dismiss_prompt(path)
            raise
        finally:
            del self._running[path]
            _end(showing)
            _end(answer)

    def _check_shown(self, showing: asyncio.Task[None]) -> None:
        try:
            showing.result()
        except (StoreUnavailableError, StoreTimeoutError):
            raise
        except StoreError as error:
            raise PromptDismissedError(
                "the provider cannot show its prompt", dbus_name=error.dbus_name
            ) from error


def _end(future: asyncio.Future[PromptAnswer] | asyncio.Task[None]) -> None:
    """Leave a future behind without a complaint about what it holds."""
    if not future.cancel():
        with contextlib.suppress(asyncio.CancelledError):
            future.exception()


def read_answer(body: Sequence[object]) -> PromptAnswer:
    """Read the body of ``Completed``: an ``o``, an ``ao``, or nothing of use.

    A body without a plain "not dismissed" counts as dismissed: nothing was proven.
    """
    dismissed = not body or body[0] is not False
    result = body[1] if len(body) > 1 else None
    value = result.value if isinstance(result, Variant) else None
    found = value if isinstance(value, list) else [value]
    paths = [
        path
        for path in found
        if isinstance(path, str) and path.startswith("/") and path != names.NOTHING
    ]
    return PromptAnswer(dismissed, paths)
