# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that holds nothing and says so: an error to every question, never "absent"."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from kwallet_bridge.errors import StateError
from kwallet_bridge.store.port import Quirks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kwallet_bridge.store.port import BackendEvent, CollectionId, ItemId, NewItem


class UnusableBackend:
    """Stands where no store could be chosen; see ``store.port``."""

    def __init__(self, problem: str) -> None:
        """Answer everything with ``problem``."""
        self._problem = problem

    @property
    def destination(self) -> str:
        """Name no store."""
        return ""

    @property
    def quirks(self) -> Quirks:
        """None in particular."""
        return Quirks()

    def _fail(self) -> NoReturn:
        raise StateError(self._problem)

    def subscribe(self, listener: Callable[[BackendEvent], None]) -> None:
        """Have nothing to tell."""

    async def is_reachable(self) -> bool:
        """Tell that nobody could answer."""
        return False

    async def collections(self) -> NoReturn:
        """Fail."""
        self._fail()

    async def read_alias(self, alias: str) -> NoReturn:
        """Fail."""
        self._fail()

    async def create_collection(self, label: str, *, window_id: str = "") -> NoReturn:
        """Fail."""
        self._fail()

    async def delete_collection(self, collection: CollectionId) -> NoReturn:
        """Fail."""
        self._fail()

    async def is_locked(self, collection: CollectionId) -> NoReturn:
        """Fail."""
        self._fail()

    async def unlock(self, collection: CollectionId, *, window_id: str = "") -> NoReturn:
        """Fail."""
        self._fail()

    async def lock(self, collection: CollectionId) -> NoReturn:
        """Fail."""
        self._fail()

    async def search(self, collection: CollectionId, attributes: Mapping[str, str]) -> NoReturn:
        """Fail."""
        self._fail()

    async def read_items(self, items: Iterable[ItemId]) -> NoReturn:
        """Fail."""
        self._fail()

    async def read_secrets(self, items: Iterable[ItemId]) -> NoReturn:
        """Fail."""
        self._fail()

    async def unlock_items(self, items: Iterable[ItemId], *, window_id: str = "") -> NoReturn:
        """Fail."""
        self._fail()

    async def create_item(
        self, collection: CollectionId, item: NewItem, *, replace: bool
    ) -> NoReturn:
        """Fail."""
        self._fail()

    async def set_attributes(self, item: ItemId, attributes: Mapping[str, str]) -> NoReturn:
        """Fail."""
        self._fail()

    async def delete_item(self, item: ItemId) -> NoReturn:
        """Fail."""
        self._fail()

    async def close(self) -> None:
        """Let go of nothing."""
