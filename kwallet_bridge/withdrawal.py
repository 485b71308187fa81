# SPDX-License-Identifier: GPL-3.0-or-later
"""How a question that blocks a thread is taken back by another thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kwallet_bridge.errors import PromptDismissedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Withdrawal:
    """Says that nobody wants the answer any more, and ends whatever waits for it."""

    def __init__(self) -> None:
        """Nothing is withdrawn."""
        self._lock = threading.Lock()
        self._withdrawn = False
        self._ends: list[Callable[[], None]] = []

    def withdraw(self) -> None:
        """End what is asked now, and refuse what would be asked from now on."""
        with self._lock:
            self._withdrawn = True
            for end in self._ends:
                end()

    @contextmanager
    def ended_by(self, end: Callable[[], None]) -> Iterator[None]:
        """Have ``end`` called, from any thread, if the question is withdrawn meanwhile.

        Raises:
            PromptDismissedError: It was withdrawn already.
        """
        with self._lock:
            if self._withdrawn:
                raise PromptDismissedError("nobody waits for the password any more")
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)
