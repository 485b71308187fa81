# SPDX-License-Identifier: GPL-3.0-or-later
"""When what a store holds outlasts the end of the program that keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kwallet_bridge.store.port import CollectionId

Save = Callable[[CollectionId], Awaitable[None]]
"""Returns once all that a collection was given and lost so far is on the disk; raises
StoreTimeoutError where that is not seen."""


async def is_saved(collection: CollectionId) -> None:
    """Keep nothing waiting: most stores have saved when they answer."""
    del collection
