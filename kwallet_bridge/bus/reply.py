# SPDX-License-Identifier: GPL-3.0-or-later
"""The future of a reply, which can resume its waiter in the turn of the loop that fills it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dbus_fast import Message

if TYPE_CHECKING:
    from collections.abc import Callable


class ReplyFuture(asyncio.Future[Message]):
    """A reply to come; ``resume``, if set, is called at once when it is there.

    An ordinary future has its waiter called in the next turn of the loop.
    """

    answerer: str = ""
    """Whose reply it is: the unique name that was called, or the bus daemon's name."""
    resume: Callable[[], None] | None = None
    descriptors: list[int] | None = None
    """Takes what file descriptors come with the reply; None leaves them to be closed."""

    def fill(self, message: Message) -> None:
        """Give the reply; one that nobody waits for any more is dropped."""
        if not self.done():
            self.set_result(message)
            self._go_on()

    def fail(self, error: Exception) -> None:
        """End the wait with an error."""
        if not self.done():
            self.set_exception(error)
            self._go_on()

    def _go_on(self) -> None:
        if self.resume is not None:
            resume, self.resume = self.resume, None
            resume()
