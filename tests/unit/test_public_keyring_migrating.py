# SPDX-License-Identifier: GPL-3.0-or-later
"""What is moved between keyrings, over memory: nothing is passed over in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.errors import StoreDamagedError
from kwallet_bridge.keyring._migrating import move_items
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kwallet_bridge.store.port import ItemId, ItemInfo

SITE = {"service": "example.org"}


class Unread(MemoryBackend):
    """A store that shows an item in a search and does not give it out."""

    keeps_details = False
    keeps_secrets = False

    async def read_items(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemInfo]:
        """Leave every item out."""
        return {} if self.keeps_details else await super().read_items(items)

    async def read_secrets(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemSecret]:
        """Leave every secret out."""
        return {} if self.keeps_secrets else await super().read_secrets(items)


@pytest.mark.parametrize("kept", ["keeps_details", "keeps_secrets"])
async def test_an_item_that_cannot_be_read_is_said(kept: str) -> None:
    """It is no item that is gone: the move fails, and it stays where it is."""
    source, destination = Unread(), MemoryBackend()
    box, home = source.add_collection("Login"), destination.add_collection("Login")
    new = NewItem("one", SITE, ItemSecret(Secret(b"1")))
    item = await source.create_item(box, new, replace=False)
    setattr(source, kept, True)
    with pytest.raises(StoreDamagedError):
        await move_items(source, destination, home, [SITE], replaces=True)
    assert list(await source.search(box, SITE)) == [item]
    assert not await destination.search(home, {})
