# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store keeps, over a real KeePassXC. One program serves all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.keepassxc import KeePassXC
from support.keepassxc_dialogs import Agreeing, Dialogs
from support.peers import Xvfb
from support.private_bus import private_bus
from support.running_world import RunningWorld
from support.store_contract import StoreContract

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


class TestStoreOverKeePassXC(StoreContract):
    """The contract over the real program."""

    @pytest.fixture
    async def world(self, keepassxc: KeePassXC) -> AsyncIterator[RunningWorld]:
        """Give its only database, emptied."""
        async with RunningWorld.emptied(keepassxc) as world:
            yield world
