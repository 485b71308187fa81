# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of wallets while providers change and events come: never old, never a guess."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from support.entries import password

from kwallet_bridge.errors import StoreLockedError, StoreUnavailableError, WalletUnclearError
from kwallet_bridge.migrate.snapshot import find_collection
from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.store import directory
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.wallets import WalletsChanged, WalletState

if TYPE_CHECKING:
    from kwallet_bridge.store.port import CollectionId
    from kwallet_bridge.store.wallets import StoreEvent

W = WalletName("kdewallet")
OTHER = WalletName("other")


class Gate:
    """Holds calls of one name until let through; tells when one stands before it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stands = asyncio.Event()
        self.opens = asyncio.Event()

    async def __call__(self, called: str) -> None:
        """Hold a call."""
        if called == self.name and not self.opens.is_set():
            self.stands.set()
            await self.opens.wait()


@pytest.fixture
def memory() -> MemoryBackend:
    """Give a provider with one wallet."""
    memory = MemoryBackend()
    memory.add_collection(W, alias="default")
    return memory


async def test_a_question_after_the_return_is_not_told_the_last_providers_failure(
    memory: MemoryBackend,
) -> None:
    """Who asks when the new provider is there gets its answer, though a listing was failing."""
    store = EntryStore(memory)
    memory.gate = gate = Gate("collections")
    loop = asyncio.get_running_loop()
    memory.go()
    before = loop.create_task(store.wallet_state(W))
    await gate.stands.wait()
    failing = loop.create_future()

    async def fail_late(_: str) -> None:
        memory.gate = None
        await failing
        raise StoreUnavailableError("nobody could be started")

    memory.gate = fail_late
    gate.opens.set()
    memory.come_back()
    after = loop.create_task(store.wallet_state(W))
    await asyncio.sleep(0)
    failing.set_result(None)
    assert await after is WalletState.UNLOCKED
    assert await before is WalletState.UNLOCKED


async def test_a_provider_that_is_away_fails_the_question(memory: MemoryBackend) -> None:
    """With nobody back, the failure is told, and not asked for again and again."""
    store = EntryStore(memory)
    memory.go()
    with pytest.raises(StoreUnavailableError):
        await store.wallet_state(W)
    assert memory.calls["collections"] == 1


async def test_no_list_is_given_before_there_is_one(memory: MemoryBackend) -> None:
    """Who asks while the first listing is under way waits for it."""
    store = EntryStore(memory)
    memory.gate = gate = Gate("collections")
    loop = asyncio.get_running_loop()
    first = loop.create_task(store.list_wallets())
    await gate.stands.wait()
    second = loop.create_task(store.list_wallets())
    await asyncio.sleep(0)
    gate.opens.set()
    assert await first == await second == (W,)


async def test_a_doubted_lock_is_not_told(memory: MemoryBackend) -> None:
    """A wallet that was locked while its state is read again is not called unlocked."""
    store = EntryStore(memory)
    box = next(iter(await memory.collections())).id
    assert await store.wallet_state(W) is WalletState.UNLOCKED
    memory.gate = gate = Gate("collections")
    memory.set_locked(box, locked=True)
    await gate.stands.wait()
    asked = asyncio.get_running_loop().create_task(store.wallet_state(W))
    await asyncio.sleep(0)
    gate.opens.set()
    assert await asked is WalletState.LOCKED


async def test_a_storm_of_events_leaves_no_old_list(
    memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that events voided to the last attempt is used once, and read again soon."""
    monkeypatch.setattr(directory, "_PAUSE", 0.01)
    store = EntryStore(memory)
    assert await store.list_wallets() == (W,)
    left = [directory._PATIENCE]

    async def storm(called: str) -> None:
        # After the boxes were listed: what this listing gives is old.
        if called == "read_alias" and left[0]:
            left[0] -= 1
            memory.add_collection(OTHER if not left[0] else f"w{left[0]}")

    memory.gate = storm
    told: asyncio.Queue[StoreEvent] = asyncio.Queue()
    memory.add_collection("first")
    assert OTHER not in await store.list_wallets()
    store.subscribe(told.put_nowait)
    async with asyncio.timeout(5):
        assert await told.get() == WalletsChanged()
    assert OTHER in await store.list_wallets()


async def test_a_wallet_of_an_old_list_is_looked_up_again(memory: MemoryBackend) -> None:
    """A wallet found in a list that a storm made old is not taken as found for ever."""
    store = EntryStore(memory)
    box = next(iter(await memory.collections())).id
    await store.list_folders(W)
    left = [directory._PATIENCE]

    async def storm(called: str) -> None:
        if called == "read_alias" and left[0]:
            left[0] -= 1
            memory.set_locked(box, locked=not left[0])

    memory.gate = storm
    memory.add_collection("first")
    await store.list_folders(W)
    assert await store.wallet_state(W) is WalletState.LOCKED


# --- no default alias ---------------------------------------------------------------------------


async def test_the_only_collection_is_the_default_wallet_without_an_alias() -> None:
    """Where the provider calls none its default one, the only one serves, and none is made."""
    memory = MemoryBackend()
    memory.add_collection("Login")
    store = EntryStore(memory)
    assert await store.wallet_state(W) is WalletState.UNLOCKED
    assert await store.list_wallets() == (W,)
    assert store.canonical(WalletName("Login")) == W
    await store.create_wallet(W)
    assert memory.calls["create_collection"] == 0


async def test_of_several_collections_the_labelled_one_is_the_default_wallet() -> None:
    """Beside others the collection of the wallet's name is it, alias or not."""
    memory = MemoryBackend()
    memory.add_collection("Login")
    box = memory.add_collection(W)
    store = EntryStore(memory)
    await store.write(W, FolderName("f"), Key("k"), password("x"))
    assert memory.dump(box)
    assert await store.list_wallets() == (W, "Login")


async def test_of_several_collections_none_is_taken_and_none_made() -> None:
    """With nothing to tell them apart every question about the default wallet is an error."""
    memory = MemoryBackend()
    memory.add_collection("Login")
    memory.add_collection("Work")
    store = EntryStore(memory)
    for ask in (
        store.wallet_state(W),
        store.create_wallet(W),
        store.unlock(W),
        store.might_exist(W, FolderName("f"), None),
        store.might_exist(W, FolderName("f"), Key("k")),
        store.has_folder(W, FolderName("f")),
        store.read(W, FolderName("f"), Key("k")),
        store.write(W, FolderName("f"), Key("k"), password("x")),
    ):
        with pytest.raises(WalletUnclearError, match="Default Wallet"):
            await ask
    assert memory.calls["create_collection"] == 0
    assert await store.list_wallets() == ("Login", "Work")
    assert await store.wallet_state(WalletName("Work")) is WalletState.UNLOCKED


async def test_what_was_made_for_another_wallet_is_not_the_default_one() -> None:
    """A collection a program had made as "other" stays that, and the default wallet is made."""
    memory = MemoryBackend()
    store = EntryStore(memory)
    await store.create_wallet(OTHER)
    assert await store.wallet_state(W) is WalletState.ABSENT
    await store.create_wallet(W)
    assert await store.list_wallets() == (W, OTHER)


async def test_an_empty_provider_gets_its_first_wallet() -> None:
    """Where there is no collection at all one is made."""
    memory = MemoryBackend()
    store = EntryStore(memory)
    assert await store.wallet_state(W) is WalletState.ABSENT
    await store.create_wallet(W)
    assert memory.calls["create_collection"] == 1


@pytest.mark.parametrize("labels", [["Login"], ["Login", W], ["Login", "Work"], []])
async def test_who_migrates_finds_the_default_wallet_as_who_serves(labels: list[str]) -> None:
    """The migrator writes into the collection that the daemon serves, or into none."""
    memory = MemoryBackend()
    boxes = {memory.add_collection(label): label for label in labels}
    store = EntryStore(memory)
    if len(boxes) == 2 and W not in labels:
        with pytest.raises(WalletUnclearError):
            await find_collection(memory, W, default_wallet=W)
        return
    found = await find_collection(memory, W, default_wallet=W)
    assert (found is None) == (await store.wallet_state(W) is WalletState.ABSENT)
    if found is not None:
        await store.write(W, FolderName("f"), Key("k"), password("x"))
        assert memory.dump(found)


async def test_an_older_answer_does_not_hide_that_a_wallet_was_locked_since(
    memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlocked for us, locked by somebody else, listed so: then the answer to our call arrives."""
    (box,) = await memory.collections()
    memory.set_locked(box.id, locked=True)
    store = EntryStore(memory)
    assert await store.wallet_state(W) is WalletState.LOCKED
    unlock = memory.unlock

    async def answer_late(collection: CollectionId, *, window_id: str = "") -> None:
        await unlock(collection, window_id=window_id)
        memory.set_locked(collection, locked=True)
        await store.list_wallets()

    monkeypatch.setattr(memory, "unlock", answer_late)
    with contextlib.suppress(StoreLockedError):
        await store.unlock(W)
    assert await store.wallet_state(W) is WalletState.LOCKED
