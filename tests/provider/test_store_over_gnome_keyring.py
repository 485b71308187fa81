# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.peers import PASSWORD, GnomeKeyring
from support.store_contract import StoreContract, World

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.private_bus import PrivateBus


class GnomeKeyringWorld(World):
    """The login keyring, which is the default wallet."""

    def __init__(
        self, keyring: GnomeKeyring, backend: SecretServiceBackend, outside: SecretServiceBackend
    ) -> None:
        """Serve the keyring through ``backend``; ``outside`` is another program."""
        self._keyring = keyring
        self._backend = backend
        self.outside = outside
        self.store = EntryStore(backend)

    async def open(self) -> None:
        """Look the collection up and open the wallet."""
        found = await self.outside.read_alias("default")
        assert found is not None
        self.collection = found
        await self.store.unlock(self.wallet)

    async def restart(self) -> None:
        """Restart the program."""
        self._keyring.restart()
        await self.open()


@pytest.mark.parametrize("password", [PASSWORD, ""], ids=["encrypted", "as text"])
class TestStoreOverGnomeKeyring(StoreContract):
    """The contract over the real program, with a password and with a file of plain text."""

    @pytest.fixture
    async def world(self, bus: PrivateBus, password: str) -> AsyncIterator[GnomeKeyringWorld]:
        """Give a fresh keyring."""
        with GnomeKeyring(bus, password=password) as keyring:
            ours = await BusConnection.connect(bus.address)
            theirs = await BusConnection.connect(bus.address)
            world = GnomeKeyringWorld(
                keyring,
                SecretServiceBackend(ours, service_name=keyring.name),
                SecretServiceBackend(theirs, service_name=keyring.name),
            )
            await world.open()
            yield world
            await world.store.close()
            ours.close()
            theirs.close()
