# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.store_contract import NO_NULL, StoreContract, World

from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import Quirks
from kwallet_bridge.store.wallets import StoreSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class MemoryWorld(World):
    """A wallet in memory."""

    def __init__(self, quirks: Quirks) -> None:
        """Make the wallet."""
        self.memory = MemoryBackend(quirks)
        self.outside = self.memory
        self.collection = self.memory.add_collection(self.wallet, alias="default")
        self.store = EntryStore(self.memory, StoreSettings())
        self.unkept = NO_NULL if quirks.rewrites_maps else ()

    async def restart(self) -> None:
        """Let the backend leave and return."""
        self.memory.restart()


QUIRKS = {
    "gnome-keyring": Quirks(keeps_content_type=False, text_is_a_line=True),
    "keepassxc": Quirks(
        rewrites_text=True,
        items_lock_singly=True,
        hides_locked_items=True,
        default_alias=False,
        label_is_file_when_locked=True,
    ),
    "oo7": Quirks(
        hides_locked_items=True,
        replaces_exact_only=True,
        delete_takes_supersets=True,
        setters_forgotten=True,
        forgets_label_case=True,
    ),
    "ksecretd": Quirks(
        locked_reads_empty=True,
        default_alias=False,
        schemaless_twins=True,
        rewrites_maps=True,
    ),
    "as specified": Quirks(),
}


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS)
class TestMemoryStore(StoreContract):
    """The contract over memory, with every provider's temper."""

    @pytest.fixture
    async def world(self, quirks: Quirks) -> AsyncIterator[MemoryWorld]:
        """Give a fresh wallet."""
        world = MemoryWorld(quirks)
        yield world
        await world.store.close()
