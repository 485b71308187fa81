# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes as they are told, for whoever iterates."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Self

from kwallet_bridge.store.port import (
    BackendEvent,
    BackendGone,
    BackendReturned,
    CollectionsTouched,
    ItemTouched,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: dict[type[object], ChangeKind]


class ChangeKind(Enum):
    """What may have changed; a hint to look again."""

    ITEMS = "items"
    """An item was made, changed or deleted, by this program or another."""
    COLLECTIONS = "collections"
    """A collection was made, deleted, renamed, locked or unlocked."""
    GONE = "gone"
    """The provider left: every :class:`Item` and :class:`Collection` is void."""
    RETURNED = "returned"
    """A provider is there again."""


_KINDS = {
    ItemTouched: ChangeKind.ITEMS,
    CollectionsTouched: ChangeKind.COLLECTIONS,
    BackendGone: ChangeKind.GONE,
    BackendReturned: ChangeKind.RETURNED,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``item`` equals the :class:`Item` concerned by its ``id``, "" for "look at all"."""

    kind: ChangeKind
    item: str = ""
    collection: str = ""


class Watch:
    """Gives changes from the moment it was made, each once until it is taken.

    Use it as an asynchronous context manager and iterate over it.
    """

    def __init__(self, forget: Callable[[Watch], None]) -> None:
        self._forget = forget
        self._waiting: dict[Change, None] = {}
        self._told = asyncio.Event()
        self._closed = False

    def _hear(self, event: BackendEvent) -> None:
        change = Change(_KINDS[type(event)])
        if isinstance(event, ItemTouched):
            change = Change(change.kind, event.item or "", event.collection)
        self._waiting[change] = None
        self._told.set()

    def close(self) -> None:
        """End the iteration; what was told and not taken yet is forgotten."""
        self._closed = True
        self._waiting.clear()
        self._forget(self)
        self._told.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._told.clear()
            await self._told.wait()
        change = next(iter(self._waiting))
        del self._waiting[change]
        return change
