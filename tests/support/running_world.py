# SPDX-License-Identifier: GPL-3.0-or-later
"""The Store contract's world over a real provider that serves many tests."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.entries import EntryStore
from support.store_contract import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.peers import Peer


class RunningWorld(World):
    """The wallet ``kdewallet`` of a running provider."""

    def __init__(self, peer: Peer) -> None:
        """Use a running one."""
        self._peer = peer
        self._connections: list[BusConnection] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def emptied(cls, peer: Peer) -> AsyncIterator[Self]:
        """Give the wallet open, with nothing in it, to one test."""
        world = cls(peer)
        await world.open()
        for item in await world.outside.search(world.collection, {}):
            await world.outside.delete_item(item)
        yield world
        await world.close()

    async def open(self) -> None:
        """Connect the store and another program, and open the wallet."""
        self.outside = await self._connect()
        self.store = EntryStore(await self._connect())
        (found,) = [one for one in await self.outside.collections() if one.label == self.wallet]
        self.collection = found.id
        await self.store.unlock(self.wallet)

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

    async def _connect(self) -> SecretServiceBackend:
        connection = await BusConnection.connect(self._peer.bus.address)
        self._connections.append(connection)
        return SecretServiceBackend(connection, service_name=self._peer.name)
