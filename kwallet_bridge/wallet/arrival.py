# SPDX-License-Identifier: GPL-3.0-or-later
"""What an open waits for before it looks for a wallet: the store that was decided to serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kwallet_bridge.store.wallets import Store


class Arrival(Protocol):
    """Tells when the store is there, and is told that it served."""

    async def is_expected(self, patience: float) -> bool:
        """Tell whether an open may succeed: the store is there, or is still waited for."""

    async def wait(self, patience: float) -> None:
        """Return once the store can be asked; at once if it is there.

        Raises:
            StoreUnavailableError: It did not come in ``patience`` seconds.
            StateError: Which store serves is not known.
        """

    async def note_served(self) -> None:
        """Note that an open succeeded, on disk before the program is answered."""


class AlwaysThere:
    """The arrival of a store that nobody waits for."""

    def __init__(self, store: Store) -> None:
        """Expect what ``store`` says of itself."""
        self._store = store

    async def is_expected(self, patience: float) -> bool:  # noqa: ARG002  protocol
        """Tell whether the store can be reached."""
        return await self._store.is_reachable()

    async def wait(self, patience: float) -> None:
        """Wait for nothing."""

    async def note_served(self) -> None:
        """Note nothing."""
