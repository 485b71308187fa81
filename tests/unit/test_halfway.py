# SPDX-License-Identifier: GPL-3.0-or-later
"""Removals that fail halfway: what is left is readable and told, and a second call completes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.entries import password
from support.store_contract import expect

from kwallet_bridge.errors import StoreError, StoreRefusedError, StoreTimeoutError
from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.wallets import FoldersTouched, FolderTouched, WalletState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.store.port import CollectionId, ItemId
    from kwallet_bridge.store.wallets import StoreEvent

W = WalletName("kdewallet")
F, G, H = FolderName("f"), FolderName("g"), FolderName("h")
KEYS = [Key("a"), Key("b"), Key("c")]
MODES = ["refused", "late", "lost"]
"""Not done; not done and not answered; done and not answered."""


class Failing(MemoryBackend):
    """Fails at one of its deletions."""

    left = -1
    mode = ""

    async def delete_item(self, item: ItemId) -> None:
        """Delete, or fail."""
        self.left -= 1
        if self.left != -1:
            await super().delete_item(item)
        elif self.mode == "refused":
            raise StoreRefusedError("no")
        else:
            if self.mode == "lost":
                await super().delete_item(item)
            raise StoreTimeoutError("late")

    async def delete_collection(self, collection: CollectionId) -> None:
        """Delete, or fail."""
        if self.mode == "lost":
            await super().delete_collection(collection)
        raise StoreTimeoutError("late")


class World:
    """A store with three folders that a client has looked at."""

    def __init__(self) -> None:
        self.memory = Failing()
        self.box = self.memory.add_collection(W, alias="default")
        self.store = EntryStore(self.memory)
        self.events: asyncio.Queue[StoreEvent] = asyncio.Queue()

    async def fill(self) -> None:
        """Write, and ask for everything."""
        for folder in (F, G):
            await self.store.create_folder(W, folder)
            for key in KEYS:
                await self.store.write(W, folder, key, password(f"{folder}{key}"))
        await self.store.write(W, H, KEYS[0], password("ha"))
        await self.look()
        self.store.subscribe(self.events.put_nowait)

    async def look(self) -> Mapping[FolderName, list[Key]]:
        """List what a client sees, reading every entry."""
        seen = {}
        for folder in await self.store.list_folders(W):
            seen[folder] = list(await self.store.list_entries(W, folder))
            for key in seen[folder]:
                entry = password(f"{folder}{key}")
                assert await self.store.read(W, folder, key) == entry
        return seen

    def held(self) -> Mapping[FolderName, list[Key]]:
        """List what the provider holds."""
        held: dict[FolderName, list[Key]] = {}
        for _label, attributes, _value, _type in self.memory.dump(self.box):
            keys = held.setdefault(FolderName(attributes["server"]), [])
            if "user" in attributes:
                keys.append(Key(attributes["user"]))
        return {folder: sorted(held[folder]) for folder in sorted(held)}

    async def told(self) -> list[StoreEvent]:
        """Give all that was told until another program's change is told."""
        attributes = {"server": "mark", "type": "plaintext", "xdg:schema": "org.qt.keychain"}
        self.memory.add_item(self.box, {**attributes, "user": "m"}, b"markm")
        return list(await expect(self.events, FolderTouched(W, FolderName("mark"))))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(len(KEYS) + 1))
async def test_a_folder_half_removed(number: int, mode: str) -> None:
    """After the failure of any deletion what is left is seen, told, and removed the next time."""
    it = World()
    await it.fill()
    it.memory.left, it.memory.mode = number, mode
    with pytest.raises(StoreError):
        await it.store.remove_folder(W, F)
    seen = await it.look()
    assert seen == it.held()
    assert seen[G] == KEYS
    done = number + (mode == "lost")
    if done <= len(KEYS):
        assert len(seen[F]) == len(KEYS) - done
    told = await it.told()
    assert (FolderTouched(W, F) in told) == (done > 0)
    assert FolderTouched(W, G) not in told
    assert await it.store.remove_folder(W, F) == (done <= len(KEYS))
    assert not await it.store.has_folder(W, F)
    assert F not in it.held()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(2 * len(KEYS) + 3))
async def test_a_wallet_half_removed(number: int, mode: str) -> None:
    """A shared collection loses folder by folder; what is left is told and goes the next time."""
    it = World()
    await it.fill()
    it.memory.left, it.memory.mode = number, mode
    with pytest.raises(StoreError):
        await it.store.delete_wallet(W)
    seen = await it.look()
    assert seen == it.held()
    assert await it.store.wallet_state(W) is WalletState.UNLOCKED
    told = await it.told()
    for folder in (F, G, H):
        keys = KEYS if folder != H else KEYS[:1]
        if folder in seen and seen[folder] != keys:
            assert FolderTouched(W, folder) in told
        elif folder in seen:
            assert FolderTouched(W, folder) not in told
    assert (FoldersTouched(W) in told[:-1]) or {F, G, H} <= seen.keys()
    await it.store.delete_wallet(W)
    assert it.held() == {}


@pytest.mark.parametrize("mode", MODES)
async def test_an_entry_that_could_not_be_removed(mode: str) -> None:
    """An entry is there after a failed removal exactly if the provider has it still."""
    it = World()
    await it.fill()
    it.memory.left, it.memory.mode = 0, mode
    with pytest.raises(StoreError):
        await it.store.remove(W, F, KEYS[0])
    seen = await it.look()
    assert seen == it.held()
    assert (KEYS[0] in seen[F]) == (mode != "lost")
    assert await it.store.remove(W, F, KEYS[0]) == (mode != "lost")
    assert await it.look() == it.held()


@pytest.mark.parametrize("mode", MODES)
async def test_a_rename_that_could_not_remove(mode: str) -> None:
    """The value is under one of its keys at least, and every key that is listed can be read."""
    it = World()
    await it.fill()
    it.memory.left, it.memory.mode = 0, mode
    with pytest.raises(StoreError):
        await it.store.rename(W, F, KEYS[0], new_key=Key("z"))
    assert await it.store.read(W, F, Key("z")) == password("fa")
    assert sorted(await it.store.list_entries(W, F)) == it.held()[F]


@pytest.mark.parametrize("mode", ["late", "lost"])
async def test_a_wallet_whose_deletion_was_not_answered(mode: str) -> None:
    """A deletion without an answer succeeded if the collection is gone, and failed otherwise."""
    it = World()
    own = WalletName("own")
    it.memory.add_collection(own)
    await it.store.write(own, F, KEYS[0], password("x"))
    it.memory.mode = mode
    if mode == "lost":
        await it.store.delete_wallet(own)
        assert await it.store.wallet_state(own) is WalletState.ABSENT
    else:
        with pytest.raises(StoreTimeoutError):
            await it.store.delete_wallet(own)
        assert await it.store.read(own, F, KEYS[0]) == password("x")
