# SPDX-License-Identifier: GPL-3.0-or-later
"""Many large secrets are asked for in parts: the bus cuts off who answers with too much at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.backends import make_item
from support.fake_provider import FakeProvider

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice import reading
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.port import CollectionId, ItemId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.private_bus import PrivateBus

KB = 1 << 10
LIMIT = 64 * KB
"""Of one answer here; everything is a thousandth of what it is in life."""


@pytest.fixture
async def fake(bus: PrivateBus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeProvider]:
    """A provider that refuses to answer with too much."""
    monkeypatch.setattr(reading, "BUDGET", 16 * KB)
    running = FakeProvider(bus.address)
    running.most_bytes = LIMIT
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def backend(bus: PrivateBus, fake: FakeProvider) -> AsyncIterator[SecretServiceBackend]:
    """Our backend over it."""
    connection = await BusConnection.connect(bus.address)
    made = SecretServiceBackend(connection, service_name=fake.name)
    yield made
    await made.close()
    connection.close()


async def _store(backend: SecretServiceBackend, sizes: list[int]) -> list[ItemId]:
    box = await backend.read_alias("default")
    assert box is not None
    made = []
    for number, size in enumerate(sizes):
        item = make_item(f"k{number}", b"x" * size)
        made.append(await backend.create_item(CollectionId(box), item, replace=True))
    return made


@pytest.mark.parametrize(
    "sizes", [[KB] * 100, [10] * 60 + [4 * KB] * 20, [4 * KB, 10] * 20, [4 * KB] * 9 + [20 * KB]]
)
async def test_no_answer_is_larger_than_the_bus_allows(
    backend: SecretServiceBackend, fake: FakeProvider, sizes: list[int]
) -> None:
    """Sizes unknown or known, each answer stays below the limit, and every secret comes."""
    items = await _store(backend, sizes)
    for bound in (LIMIT, max(16 * KB, *sizes)):
        fake.largest = 0
        found = await backend.read_secrets(items)
        assert [len(found[item].value) for item in items] == sizes
        assert fake.largest <= bound


async def test_what_another_program_changed_is_not_of_known_size(
    backend: SecretServiceBackend, fake: FakeProvider
) -> None:
    """Items that grew since they were read are asked for carefully again."""
    items = await _store(backend, [10] * 90)
    await backend.read_secrets(items)
    await _store(backend, [4 * KB] * 90)
    fake.largest = 0
    found = await backend.read_secrets(items)
    assert all(len(secret.value) == 4 * KB for secret in found.values())
    assert fake.largest <= LIMIT


async def test_small_secrets_of_known_size_come_at_once(
    backend: SecretServiceBackend, fake: FakeProvider
) -> None:
    """A hundred small ones are one call, once they were read."""
    items = await _store(backend, [10] * 100)
    await backend.read_secrets(items)
    fake.calls.clear()
    assert len(await backend.read_secrets(items)) == 100
    assert fake.calls["GetSecrets"] == 1


async def test_an_answer_refused_for_its_size_is_asked_for_by_halves(
    backend: SecretServiceBackend, fake: FakeProvider
) -> None:
    """A provider with a narrower limit gives everything; what alone is beyond it, singly."""
    fake.most_bytes = 1000
    items = await _store(backend, [10, 900, 400, 400, 300, 20, 990, 1001])
    assert len(await backend.read_secrets(items)) == 8
    assert fake.calls["GetSecret"] == 1
