# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store keeps, over tempers that no provider has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from support.fake_provider import FakeProvider
from support.store_contract import StoreContract, World

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.quirks import KSECRETD, ROWS, SPECIFICATION, UNKNOWN
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.wallets import StoreSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.private_bus import PrivateBus

    from kwallet_bridge.store.port import Quirks


class ProviderWorld(World):
    """A wallet at a provider; "outside" is a second connection, as another program has one."""

    def __init__(self, bus: PrivateBus) -> None:
        """Prepare; :meth:`open` connects."""
        self.bus = bus
        self.connections: list[BusConnection] = []

    async def open(self) -> None:
        """Connect store and outsider, and find the wallet."""
        self.outside = await self._connect()
        self.store = EntryStore(await self._connect(), StoreSettings())
        alias = await self.outside.read_alias("default")
        found = await self.outside.collections()
        self.collection = alias or found[0].id

    async def _connect(self) -> SecretServiceBackend:
        connection = await BusConnection.connect(self.bus.address)
        self.connections.append(connection)
        return SecretServiceBackend(connection)

    async def restart_provider(self) -> None:
        """Restart whatever is below."""
        raise NotImplementedError

    async def restart(self) -> None:
        """End provider and store, start both again."""
        await self.close()
        await self.restart_provider()
        await self.open()

    async def close(self) -> None:
        """Leave the bus."""
        await self.store.close()
        for connection in self.connections:
            connection.close()
        self.connections.clear()


class FakeWorld(ProviderWorld):
    """The only collection of the stand-in."""

    def __init__(self, bus: PrivateBus, fake: FakeProvider) -> None:
        """Use a running one."""
        super().__init__(bus)
        self.fake = fake

    async def restart_provider(self) -> None:
        """Restart it, with its collections there at once."""
        await self.fake.restart()
        self.fake.show_late_collections()


TEMPERS = {
    "specification": SPECIFICATION,
    "unknown": UNKNOWN,
    "ksecretd, keeping maps": replace(KSECRETD, rewrites_maps=False),
}


@pytest.mark.parametrize("temper", TEMPERS)
class TestStoreOverFake(StoreContract):
    """The contract over the stand-in; the providers' own tempers have a module of theirs."""

    @pytest.fixture
    async def world(
        self, bus: PrivateBus, temper: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[FakeWorld]:
        """Give a fresh stand-in whose collection is the wallet."""
        monkeypatch.setitem(cast("dict[str, Quirks]", ROWS), "", TEMPERS[temper])
        fake = FakeProvider(bus.address, TEMPERS[temper])
        fake.vault.late = False
        only = next(iter(fake.vault.collections.values()))
        only.label = World.wallet
        await fake.start()
        world = FakeWorld(bus, fake)
        await world.open()
        yield world
        await world.close()
        await fake.stop()
