# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from support.entries import password
from support.fake_provider import FakeProvider
from support.store_contract import NO_NULL, F, K, StoreContract, World

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.quirks import ROWS
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.port import CollectionId, Quirks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.private_bus import PrivateBus


class FakeWorld(World):
    """A wallet of a stand-in with a known provider's temperament."""

    def __init__(
        self, fake: FakeProvider, backend: SecretServiceBackend, outside: SecretServiceBackend
    ) -> None:
        """Serve the stand-in through ``backend``; ``outside`` is another program."""
        self._fake = fake
        self.outside = outside
        self.collection = CollectionId(fake.vault.add_collection(self.wallet).path)
        self.unkept = NO_NULL if fake.vault.quirks.rewrites_maps else ()
        self.store = EntryStore(backend)

    async def open(self) -> None:
        """Open the wallet."""
        await self.outside.collections()
        await self.store.unlock(self.wallet)

    async def restart(self) -> None:
        """Restart the stand-in."""
        await self._fake.restart()
        self._fake.show_late_collections()
        await self.open()


@pytest.mark.parametrize("row", [name for name in ROWS if name], ids=lambda name: name)
class TestStoreOverFake(StoreContract):
    """The contract over every provider's temperament, on a bus."""

    @pytest.fixture
    async def world(
        self, bus: PrivateBus, row: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[FakeWorld]:
        """Give a fresh wallet."""
        fake = FakeProvider(bus.address, ROWS[row])
        fake.vault.late = False
        monkeypatch.setitem(cast("dict[str, Quirks]", ROWS), "", ROWS[row])
        await fake.start()
        ours = await BusConnection.connect(bus.address)
        theirs = await BusConnection.connect(bus.address)
        world = FakeWorld(
            fake,
            SecretServiceBackend(ours, service_name=fake.name),
            SecretServiceBackend(theirs, service_name=fake.name),
        )
        await world.open()
        yield world
        await world.store.close()
        await fake.stop()
        ours.close()
        theirs.close()


async def test_an_item_locked_singly_is_not_absent(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that another program locked, and that shows nothing, is unlocked and read."""
    monkeypatch.setitem(cast("dict[str, Quirks]", ROWS), "", ROWS["oo7"])
    fake = FakeProvider(bus.address, ROWS["oo7"])
    fake.vault.late = False
    fake.prompts_for.clear()
    await fake.start()
    ours, theirs = [await BusConnection.connect(bus.address) for _ in range(2)]
    world = FakeWorld(
        fake, *(SecretServiceBackend(one, service_name=fake.name) for one in (ours, theirs))
    )
    await world.open()
    entry = password("x")
    await world.store.write(world.wallet, F, K, entry)
    await world.restart()
    for item in fake.vault.collection(world.collection).items.values():
        item.locked = True
    assert await world.store.entry_type(world.wallet, F, K) is entry.type
    assert await world.store.read(world.wallet, F, K) == entry
    await world.store.close()
    await fake.stop()
    ours.close()
    theirs.close()
