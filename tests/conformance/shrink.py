# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a short conversation that still shows a difference (delta debugging)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.conversation import Conversation, Step

Fails = Callable[["Conversation"], bool]


def shrink(
    conversation: Conversation, fails: Fails, *, attempts: int = 80, seconds: float = math.inf
) -> Conversation:
    """Drop steps, halves first, as long as the rest still fails and there is time."""
    ending = time.monotonic() + seconds
    steps = list(conversation.steps)
    size = max(len(steps) // 2, 1)
    while attempts > 0 and time.monotonic() < ending:
        dropped = False
        start = 0
        while start < len(steps) and attempts > 0 and time.monotonic() < ending:
            kept = steps[:start] + steps[start + size :]
            attempts -= 1
            if kept and fails(_with(conversation, kept)):
                steps, dropped = kept, True
            else:
                start += size
        if size == 1 and not dropped:
            break
        size = max(size // 2, 1)
    return _with(conversation, steps)


def _with(conversation: Conversation, steps: list[Step]) -> Conversation:
    return replace(conversation, steps=tuple(steps))
