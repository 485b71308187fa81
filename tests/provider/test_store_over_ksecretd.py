# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store keeps, over KDE's own provider. One program serves all tests."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.peers import Ksecretd
from support.private_bus import private_bus
from support.store_contract import NO_NULL, StoreContract, World

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def ksecretd() -> Iterator[Ksecretd]:
    """The real program, in the root that KWB_SID_ROOT names."""
    with private_bus(Path(os.environ["KWB_SID_ROOT"])) as bus, Ksecretd(bus) as peer:
        yield peer


class KsecretdWorld(World):
    """Its wallet ``kdewallet``."""

    unkept = NO_NULL

    def __init__(self, peer: Ksecretd) -> None:
        """Use a running one."""
        self._peer = peer
        self._connections: list[BusConnection] = []

    async def _connect(self) -> SecretServiceBackend:
        connection = await BusConnection.connect(self._peer.bus.address)
        self._connections.append(connection)
        return SecretServiceBackend(connection, service_name=self._peer.name)

    async def open(self) -> None:
        """Connect the store and another program, and open the wallet."""
        self.outside = await self._connect()
        self.store = EntryStore(await self._connect())
        (found,) = [one for one in await self.outside.collections() if one.label == self.wallet]
        self.collection = found.id
        await self.store.unlock(self.wallet)

    async def clear(self) -> None:
        """Delete everything."""
        for item in await self.outside.search(self.collection, {}):
            await self.outside.delete_item(item)

    async def restart(self) -> None:
        """Restart the program and the store."""
        await self.close()
        await asyncio.to_thread(self._peer.restart)
        await self.open()

    async def close(self) -> None:
        """Leave the bus."""
        await self.store.close()
        for connection in self._connections:
            connection.close()
        self._connections.clear()


class TestStoreOverKsecretd(StoreContract):
    """The contract over the real program."""

    @pytest.fixture
    async def world(self, ksecretd: Ksecretd) -> AsyncIterator[KsecretdWorld]:
        """Give its wallet, emptied."""
        world = KsecretdWorld(ksecretd)
        await world.open()
        await world.clear()
        yield world
        await world.close()
