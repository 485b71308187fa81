# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a provider that saves in the background has saved what it was given.

KeePassXC begins to save a moment after a change, in a thread that walks through the database, and
goes on answering calls; 2.7.4 ends with a segmentation fault when one of them changes what the
thread walks through. Neither a call nor a signal tells when that is, but its threads do: they all
sleep when nothing is being saved.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

_BEGIN: Final = 0.2
"""Seconds after a change within which saving has begun; KeePassXC waits 0.15."""
_LOOK: Final = 0.02
_QUIET_LOOKS: Final = 3
PATIENCE: Final = 15.0
"""Seconds after which a process that always has something to do counts as being at rest."""
_AT_WORK: Final = frozenset("RD")
"""States of threads that run, or could, or wait for a disk."""


async def rest(process: int) -> None:
    """Return once a process has had time to begin to save, and none of its threads works."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    await asyncio.sleep(_BEGIN)
    quiet = 0
    while quiet < _QUIET_LOOKS and loop.time() < deadline:
        await asyncio.sleep(_LOOK)
        quiet = 0 if await asyncio.to_thread(is_at_work, process) else quiet + 1


def is_at_work(process: int) -> bool:
    """Tell whether a thread of a process has something to do; one that is gone has none."""
    for thread in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(OSError):
            # The name before it may hold anything, also brackets.
            state = thread.read_bytes().rpartition(b") ")[2][:1]
            if state.decode("ascii", "replace") in _AT_WORK:
                return True
    return False
