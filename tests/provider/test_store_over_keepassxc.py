# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store keeps, over a real KeePassXC. One program serves all tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.keepassxc import KeePassXC
from support.keepassxc_dialogs import Agreeing, Dialogs
from support.peers import Xvfb
from support.private_bus import PrivateBus, private_bus
from support.store_contract import StoreContract, World

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="module")
def keepassxc() -> Iterator[KeePassXC]:
    """The real program, saving when it ends: 2.7.4 breaks when written to while it saves.

    Until 2.7.6 it asks, confirmations off, before one program overwrites what another made.
    """
    with (
        private_bus() as bus,
        Xvfb(bus) as display,
        KeePassXC(bus, display, autosave=False) as peer,
        Agreeing(Dialogs(bus, display)),
    ):
        yield peer


class KeePassXCWorld(World):
    """Its only database."""

    def __init__(self, bus: PrivateBus, peer: KeePassXC) -> None:
        """Use a running one."""
        self._bus = bus
        self._peer = peer
        self._connections: list[BusConnection] = []

    async def _connect(self) -> SecretServiceBackend:
        connection = await BusConnection.connect(self._bus.address)
        self._connections.append(connection)
        return SecretServiceBackend(connection, service_name=self._peer.name)

    async def open(self) -> None:
        """Connect the store and another program, and open the wallet."""
        self.outside = await self._connect()
        self.store = EntryStore(await self._connect())
        (found,) = await self.outside.collections()
        self.collection = found.id
        await self.store.unlock(self.wallet)

    async def clear(self) -> None:
        """Delete everything."""
        for item in await self.outside.search(self.collection, {}):
            await self.outside.delete_item(item)

    async def restart(self) -> None:
        """Restart the program, which saves, and the store."""
        await self.close()
        await asyncio.to_thread(self._peer.restart)
        await self.open()

    async def close(self) -> None:
        """Leave the bus."""
        await self.store.close()
        for connection in self._connections:
            connection.close()
        self._connections.clear()


class TestStoreOverKeePassXC(StoreContract):
    """The contract over the real program."""

    @pytest.fixture
    async def world(self, keepassxc: KeePassXC) -> AsyncIterator[KeePassXCWorld]:
        """Give its database, emptied."""
        world = KeePassXCWorld(keepassxc.bus, keepassxc)
        await world.open()
        await world.clear()
        yield world
        await world.close()
