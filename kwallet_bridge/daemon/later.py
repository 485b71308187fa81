# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that is found once it can be known which one serves.

Until then it holds nothing and says so: an error to every question, never "absent".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.errors import BridgeError
from kwallet_bridge.store.port import Quirks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from kwallet_bridge.store.port import (
        BackendEvent,
        Collection,
        CollectionId,
        ItemBackend,
        ItemId,
        ItemInfo,
        ItemSecret,
        NewItem,
    )


class LaterBackend:
    """Stands where no store could be chosen, and passes on to the one that is; see ``store.port``."""

    def __init__(self, find: Callable[[], Awaitable[ItemBackend]]) -> None:
        """Ask ``find`` at each question until it gives a backend, which it gives the same each time.

        It raises StateError where it cannot be known.
        """
        self._find = find
        self._found: ItemBackend | None = None
        self._listeners: list[Callable[[BackendEvent], None]] = []

    async def find(self) -> ItemBackend:
        """Return the backend.

        Raises:
            StateError: Which one serves cannot be known.
        """
        if self._found is None:
            found = await self._find()
            if self._found is None:
                self._found = found
                for listener in self._listeners:
                    found.subscribe(listener)
        return self._found

    @property
    def destination(self) -> str:
        """Name the store; "" while there is none."""
        return "" if self._found is None else self._found.destination

    @property
    def quirks(self) -> Quirks:
        """The backend's; none in particular while there is none."""
        return Quirks() if self._found is None else self._found.quirks

    def subscribe(self, listener: Callable[[BackendEvent], None]) -> None:
        """Have ``listener`` told of what the backend tells."""
        self._listeners.append(listener)
        if self._found is not None:
            self._found.subscribe(listener)

    async def is_reachable(self) -> bool:
        """Tell whether there is a backend that could answer."""
        try:
            found = await self.find()
        except BridgeError:
            return False
        return await found.is_reachable()

    async def collections(self) -> Sequence[Collection]:
        """Pass on."""
        return await (await self.find()).collections()

    async def read_alias(self, alias: str) -> CollectionId | None:
        """Pass on."""
        return await (await self.find()).read_alias(alias)

    async def create_collection(self, label: str, *, window_id: str = "") -> CollectionId:
        """Pass on."""
        return await (await self.find()).create_collection(label, window_id=window_id)

    async def delete_collection(self, collection: CollectionId) -> None:
        """Pass on."""
        await (await self.find()).delete_collection(collection)

    async def is_locked(self, collection: CollectionId) -> bool:
        """Pass on."""
        return await (await self.find()).is_locked(collection)

    async def unlock(self, collection: CollectionId, *, window_id: str = "") -> None:
        """Pass on."""
        await (await self.find()).unlock(collection, window_id=window_id)

    async def lock(self, collection: CollectionId) -> None:
        """Pass on."""
        await (await self.find()).lock(collection)

    async def search(
        self, collection: CollectionId, attributes: Mapping[str, str]
    ) -> Sequence[ItemId]:
        """Pass on."""
        return await (await self.find()).search(collection, attributes)

    async def read_items(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemInfo]:
        """Pass on."""
        return await (await self.find()).read_items(items)

    async def read_secrets(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemSecret]:
        """Pass on."""
        return await (await self.find()).read_secrets(items)

    async def unlock_items(self, items: Iterable[ItemId], *, window_id: str = "") -> None:
        """Pass on."""
        await (await self.find()).unlock_items(items, window_id=window_id)

    async def create_item(
        self, collection: CollectionId, item: NewItem, *, replace: bool
    ) -> ItemId:
        """Pass on."""
        return await (await self.find()).create_item(collection, item, replace=replace)

    async def set_attributes(self, item: ItemId, attributes: Mapping[str, str]) -> None:
        """Pass on."""
        await (await self.find()).set_attributes(item, attributes)

    async def delete_item(self, item: ItemId) -> None:
        """Pass on."""
        await (await self.find()).delete_item(item)

    async def close(self) -> None:
        """Let go of what is held."""
        if self._found is not None:
            await self._found.close()
