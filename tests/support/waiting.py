# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for sockets, pipes and processes, however high their numbers.

``select.select`` takes no descriptor above 1,023. A test that opens a thousand clients, or that
runs in a process with many open files, would fail for that alone.
"""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class HasFileno(Protocol):
    """Anything with a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


_T = TypeVar("_T", bound=HasFileno | int)


def wait_readable(watched: Iterable[_T], timeout: float) -> list[_T]:
    """Return those of ``watched`` that can be read; none when ``timeout`` seconds passed."""
    with selectors.PollSelector() as selector:
        known = {}
        for one in watched:
            known[selector.register(one, selectors.EVENT_READ).fd] = one
        return [known[key.fd] for key, _ in selector.select(max(timeout, 0))]
