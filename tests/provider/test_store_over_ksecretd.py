# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store keeps, over KDE's own provider. One program serves all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.peers import Ksecretd
from support.private_bus import private_bus
from support.running_world import RunningWorld
from support.store_contract import NO_NULL, StoreContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def ksecretd() -> Iterator[Ksecretd]:
    """The real program, in the root that KWB_SID_ROOT names."""
    with private_bus(Path(os.environ["KWB_SID_ROOT"])) as bus, Ksecretd(bus) as peer:
        yield peer


class KsecretdWorld(RunningWorld):
    """Its wallet ``kdewallet``."""

    unkept = NO_NULL


class TestStoreOverKsecretd(StoreContract):
    """The contract over the real program."""

    @pytest.fixture
    async def world(self, ksecretd: Ksecretd) -> AsyncIterator[RunningWorld]:
        """Give its wallet, emptied."""
        async with KsecretdWorld.emptied(ksecretd) as world:
            yield world
