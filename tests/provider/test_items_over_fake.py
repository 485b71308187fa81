# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import support.fake_items
import support.fake_provider
import support.fake_sessions
from support.fake_provider import FakeProvider
from support.item_contract import ItemContract, Restart

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.quirks import ROWS, SPECIFICATION
from kwallet_bridge.store.port import CollectionId, Quirks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.private_bus import PrivateBus

FIELDS = [field.name for field in dataclasses.fields(Quirks)]
ONE_EACH = {name: Quirks(**{name: not getattr(SPECIFICATION, name)}) for name in FIELDS}
NAMED = {name or "unknown": row for name, row in ROWS.items()}
CASES = {"specification": SPECIFICATION, **ONE_EACH, **NAMED}


@pytest.fixture(params=CASES)
def row(request: pytest.FixtureRequest) -> str:
    """One provider's temperament."""
    return cast("str", request.param)


@pytest.fixture
async def fake(bus: PrivateBus, row: str) -> AsyncIterator[FakeProvider]:
    """A stand-in that behaves by the row."""
    running = FakeProvider(bus.address, CASES[row])
    running.vault.late = False
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def backend(
    bus: PrivateBus, fake: FakeProvider, row: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SecretServiceBackend]:
    """Our backend, told the row."""
    monkeypatch.setitem(cast("dict[str, Quirks]", ROWS), "", CASES[row])
    connection = await BusConnection.connect(bus.address)
    made = SecretServiceBackend(connection, service_name=fake.name)
    await made.collections()
    yield made
    await made.close()
    connection.close()


@pytest.fixture
def collection(fake: FakeProvider) -> CollectionId:
    """The stand-in's only collection."""
    return CollectionId(next(iter(fake.vault.collections)))


@pytest.fixture
def restart(fake: FakeProvider, collection: CollectionId) -> Restart:
    """Restart the stand-in."""

    async def again() -> CollectionId:
        await fake.restart()
        fake.show_late_collections()
        return collection

    return again


class TestItemsOverFake(ItemContract):
    """The contract over every temperament."""


def is_quirks(node: ast.expr) -> bool:
    """Tell whether an expression is something called ``quirks``."""
    return (isinstance(node, ast.Attribute) and node.attr == "quirks") or (
        isinstance(node, ast.Name) and node.id == "quirks"
    )


def test_the_stand_in_has_a_knob_for_every_quirk() -> None:
    """Each field of Quirks is looked at by the stand-in, and it looks at no other."""
    modules = (support.fake_items, support.fake_provider, support.fake_sessions)
    files = [str(module.__file__) for module in modules]
    nodes = [node for file in files for node in ast.walk(ast.parse(Path(file).read_text("utf-8")))]
    knobs = {
        node.attr for node in nodes if isinstance(node, ast.Attribute) and is_quirks(node.value)
    }
    assert knobs == set(FIELDS)
