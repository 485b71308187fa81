# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provider says of our own writes is no news, however late; what others do at once is."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

import pytest
from support.entries import password
from support.store_contract import expect

from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.echoes import Own
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import ItemId, ItemSecret, Quirks
from kwallet_bridge.store.wallets import FolderTouched, StoreEvent, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

W = WalletName("kdewallet")
F = FolderName("Passwords")
K = Key("user@host")
OTHERS = FolderName("others")
NOW = 1_700_000_000


def item_of(folder: FolderName, key: str = K) -> dict[str, str]:
    """Give the attributes of an entry."""
    return {"server": folder, "user": key, "type": "plaintext", "xdg:schema": "org.qt.keychain"}


class Clock:
    """A clock of whole and half seconds that somebody sets; the event loop's goes with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW + 0.25
        self.ahead = 0.0
        loop = asyncio.get_running_loop()
        real: Callable[[], float] = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead)
        monkeypatch.setattr(time, "time", lambda: self.now)

    def __call__(self) -> float:
        """Give the time."""
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.ahead += seconds


class World:
    """A store over memory whose clock stands still, with one open wallet."""

    def __init__(self, clock: Clock, quirks: Quirks | None = None) -> None:
        self.clock = clock
        self.memory = MemoryBackend(quirks, clock=clock)
        self.box = self.memory.add_collection(W, alias="default")
        self.store = EntryStore(self.memory, StoreSettings())
        self.events: asyncio.Queue[StoreEvent] = asyncio.Queue()
        self.store.subscribe(self.events.put_nowait)

    def sole_item(self) -> ItemId:
        """Give the one item there is."""
        (item,) = self.memory._boxes[self.box].items
        return item

    async def told(self) -> list[StoreEvent]:
        """Give what was told by the time that a later change of another program is told."""
        self.memory.add_item(self.box, item_of(OTHERS))
        seen = await expect(self.events, FolderTouched(W, OTHERS))
        return [event for event in seen if isinstance(event, FolderTouched)]


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still."""
    return Clock(monkeypatch)


@pytest.mark.parametrize("late", [0.0, 0.5, 1.5, 2.5, 60.0])
async def test_our_write_announced_again_is_no_news(clock: Clock, late: float) -> None:
    """KeePassXC announces every item some seconds after it was unlocked, what we wrote too."""
    it = World(clock)
    await it.store.write(W, F, K, password("ours"))
    clock.pass_by(late)
    it.memory.announce(it.box, it.sole_item())
    assert await it.told() == []


@pytest.mark.parametrize("late", [0.0, 1.5])
async def test_our_write_is_no_news_each_time_it_is_announced(clock: Clock, late: float) -> None:
    """An echo that was heard and read does not make the next one news."""
    it = World(clock)
    await it.store.write(W, F, K, password("ours"))
    item = it.sole_item()
    for _time in range(3):
        clock.pass_by(late)
        it.memory.announce(it.box, item)
        assert await it.told() == []


@pytest.mark.parametrize("late", [0.0, 0.5, 3.0])
async def test_what_another_program_writes_right_after_us_is_told(
    clock: Clock, late: float
) -> None:
    """Also in the second of our own write, where no time of modification tells them apart."""
    it = World(clock)
    await it.store.write(W, F, K, password("ours"))
    clock.pass_by(late)
    it.memory.change_item(it.sole_item(), b"theirs")
    assert await it.told() == [FolderTouched(W, F)]
    assert await it.store.read(W, F, K) == password("theirs")


async def test_a_removal_by_another_program_right_after_our_write_is_told(clock: Clock) -> None:
    """What we wrote is gone at the same moment."""
    it = World(clock)
    await it.store.write(W, F, K, password("ours"))
    it.memory.drop_item(it.sole_item())
    assert await it.told() == [FolderTouched(W, F)]


async def test_a_move_by_another_program_right_after_our_write_is_told(clock: Clock) -> None:
    """The same value under another name is news of both folders."""
    it = World(clock)
    await it.store.write(W, F, K, password("ours"))
    moved = FolderName("moved")
    await it.memory.set_attributes(it.sole_item(), item_of(moved))
    assert sorted(await it.told(), key=str) == [FolderTouched(W, F), FolderTouched(W, moved)]


async def test_a_write_of_ours_in_the_middle_of_a_look_is_no_news(clock: Clock) -> None:
    """An item that is announced, and overwritten by us before it was looked at, is ours."""
    it = World(clock)
    await it.store.write(W, F, K, password("old"))
    clock.pass_by(10)
    looking, go_on = asyncio.Event(), asyncio.Event()

    async def gate(name: str) -> None:
        if name == "read_items" and not looking.is_set():
            looking.set()
            await go_on.wait()

    it.memory.gate = gate
    it.memory.announce(it.box, it.sole_item())
    await looking.wait()
    await it.store.write(W, F, K, password("new"))
    go_on.set()
    assert await it.told() == []


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("late", [0.0, 2.5, 60.0])
async def test_what_was_there_before_the_wallet_was_opened_is_no_news(
    clock: Clock, late: float, *, named: bool
) -> None:
    """Items never asked about, and announced long after their collection was opened."""
    it = World(clock)
    items = [it.memory.add_item(it.box, item_of(F, f"k{number}")) for number in range(5)]
    clock.pass_by(1)
    await it.store.unlock(W)
    clock.pass_by(late)
    for item in items if named else [None]:
        it.memory.announce(it.box, item)
    assert await it.told() == []


@pytest.mark.parametrize("listed", [True, False])
async def test_what_comes_with_an_old_time_is_told(clock: Clock, *, listed: bool) -> None:
    """A person restores or merges entries, which keep the time they had."""
    it = World(clock, Quirks(hides_locked_items=True))
    it.memory.add_item(it.box, item_of(F, "there"), modified=NOW - 50)
    clock.pass_by(5)
    await it.store.unlock(W)
    if listed:
        await it.store.list_entries(W, F)
    else:
        it.memory.announce(it.box, None)  # as KeePassXC does with every unlock
        assert await it.told() == []
    it.memory.add_item(it.box, item_of(F), modified=NOW - 100)
    assert await it.told() == [FolderTouched(W, F)]


async def test_what_was_read_after_it_was_opened_is_no_news(clock: Clock) -> None:
    """An old item that a client asked about is announced as if it were new."""
    it = World(clock)
    item = it.memory.add_item(it.box, item_of(F))
    clock.pass_by(1)
    assert await it.store.has_folder(W, F)
    clock.pass_by(4)
    it.memory.announce(it.box, item)
    assert await it.told() == []


async def test_a_change_in_the_second_it_was_read_is_told(clock: Clock) -> None:
    """Another program changes its item twice within a second, and we read it in between."""
    it = World(clock)
    await it.store.unlock(W)
    item = it.memory.add_item(it.box, item_of(F))
    assert await it.told() == [FolderTouched(W, F)]
    it.memory.change_item(item, b"again")
    assert await it.told() == [FolderTouched(W, F)]


async def test_no_secret_is_kept_or_asked_for_of_what_others_wrote(clock: Clock) -> None:
    """Only what may be our own write is read for its value, and only a digest of that is kept."""
    it = World(clock)
    await it.store.write(W, F, K, password("ours"))
    it.memory.calls.clear()
    it.memory.add_item(it.box, item_of(F, "theirs"), b"theirs")
    await expect(it.events, FolderTouched(W, F))
    assert it.memory.calls["read_secrets"] == 0
    (written,) = it.store._echoes[it.box]._written.values()
    assert b"ours" not in written.digest
    assert len(written.digest) == 16


def test_the_digest_needs_the_key_of_this_process() -> None:
    """Two equal secrets have one digest here; nobody else can compute it."""
    mine = Own()
    for name in "ab":
        mine.keep(ItemId(name), ItemSecret(Secret(b"x")))
    assert len(set(mine.digests.values())) == 1
    assert hashlib.blake2b(b"x", digest_size=16).digest() not in mine.digests.values()
