# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts that go well, badly, or nowhere; and locks that hide things."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest
from support.backends import make_item, store_text
from support.fake_provider import FakeProvider

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreLockedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.secretservice import backend as backend_module
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.quirks import KEEPASSXC, KSECRETD, OO7, ROWS
from kwallet_bridge.store.port import CollectionId, ItemId, ItemTouched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.private_bus import PrivateBus


@dataclasses.dataclass
class Pair:
    """A stand-in and our backend over it."""

    fake: FakeProvider
    backend: SecretServiceBackend
    collection: CollectionId
    connection: BusConnection

    def lock(self) -> None:
        """Lock the collection, as somebody else."""
        self.fake.set_locked(self.fake.vault.collection(self.collection), locked=True)


@pytest.fixture(params=[""])
async def pair(
    bus: PrivateBus, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pair]:
    """The two of them, by the row named in the parameter."""
    row = {"": ROWS["gnome-keyring"], "keepassxc": KEEPASSXC, "ksecretd": KSECRETD, "oo7": OO7}
    quirks = row[request.param]
    monkeypatch.setitem(ROWS, "", quirks)
    fake = FakeProvider(bus.address, quirks)
    fake.vault.late = False
    await fake.start()
    connection = await BusConnection.connect(bus.address)
    backend = SecretServiceBackend(connection, service_name=fake.name)
    (found,) = await backend.collections()
    yield Pair(fake, backend, found.id, connection)
    await backend.close()
    connection.close()
    await fake.stop()


@pytest.mark.parametrize("style", ["accept", "twice", "bad-variant"])
async def test_an_accepted_prompt_unlocks(pair: Pair, style: str) -> None:
    """Accepted is unlocked, however the provider spells and repeats it; the window is passed on."""
    pair.lock()
    pair.fake.prompts.style = style
    await pair.backend.unlock(pair.collection, window_id="x11:7")
    assert not await pair.backend.is_locked(pair.collection)
    assert pair.fake.prompts.windows == ["x11:7"]


@pytest.mark.parametrize("pair", ["", "oo7"], indirect=True)
async def test_the_caller_is_known_before_it_prompts(pair: Pair) -> None:
    """oo7 knows a caller only by the session it opened, and shows no prompt to a stranger."""
    pair.lock()
    pair.fake.knows_by_session = True
    await pair.backend.unlock(pair.collection)
    assert not await pair.backend.is_locked(pair.collection)


async def test_who_gives_no_session_may_still_unlock(pair: Pair) -> None:
    """That no session can be had is told by the first read, not by a refusal to unlock."""
    pair.lock()
    pair.fake.sessions.public_key = b"\0"
    await pair.backend.unlock(pair.collection)
    assert not await pair.backend.is_locked(pair.collection)


@pytest.mark.parametrize("style", ["dismiss", "slash", "error"])
async def test_a_dismissed_prompt_is_a_decision(pair: Pair, style: str) -> None:
    """A refusal, in each spelling, is a dismissal, and the next attempt asks again."""
    pair.lock()
    pair.fake.prompts.style = style
    with pytest.raises(PromptDismissedError):
        await pair.backend.unlock(pair.collection)
    assert await pair.backend.is_locked(pair.collection)
    pair.fake.prompts.style = "accept"
    await pair.backend.unlock(pair.collection)


async def test_an_unlocked_collection_asks_nobody(pair: Pair) -> None:
    """Unlocking what is unlocked shows no prompt."""
    await pair.backend.unlock(pair.collection)
    assert pair.fake.prompts.windows == []


async def test_concurrent_unlocks_share_a_prompt(pair: Pair) -> None:
    """Ten callers see one prompt; cancelling nine leaves it open, its answer reaches the tenth."""
    pair.lock()
    pair.fake.prompts.style = "never"
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(pair.backend.unlock(pair.collection)) for _ in range(10)]
    await pair.fake.prompts.shown.wait()
    for task in tasks[:9]:
        task.cancel()
    await asyncio.wait(tasks[:9])
    await pair.backend.is_locked(pair.collection)
    assert pair.fake.prompts.dismissed == []
    (path,) = pair.fake.prompts.open
    pair.fake.prompts.answer(path)
    await tasks[9]
    assert len(pair.fake.prompts.windows) == 1


async def test_the_last_caller_takes_the_prompt_along(pair: Pair) -> None:
    """When every caller has left, the prompt leaves the screen; a later caller gets a new one."""
    pair.lock()
    pair.fake.prompts.style = "never"
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(pair.backend.unlock(pair.collection)) for _ in range(2)]
    await pair.fake.prompts.shown.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    pair.fake.prompts.style = "accept"
    await pair.backend.unlock(pair.collection)
    await pair.fake.prompts.gone.wait()
    assert len(pair.fake.prompts.dismissed) == 1
    assert len(pair.fake.prompts.windows) == 2


async def test_a_prompt_stalls_nobody(pair: Pair) -> None:
    """While forty prompts wait, other calls are answered."""
    pair.fake.prompts_for = {"CreateCollection"}
    pair.fake.prompts.style = "never"
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(pair.backend.create_collection(f"c{n}")) for n in range(40)]
    while len(pair.fake.prompts.windows) < 40:
        await pair.backend.is_locked(pair.collection)
    await store_text(pair.backend, pair.collection, "k", "v")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_provider_that_dies_behind_its_prompt(pair: Pair) -> None:
    """A provider that goes while a person thinks is unavailable."""
    pair.lock()
    pair.fake.prompts.style = "never"
    task = asyncio.get_running_loop().create_task(pair.backend.unlock(pair.collection))
    await pair.fake.prompts.shown.wait()
    await pair.fake.stop()
    with pytest.raises(StoreUnavailableError):
        await task


async def test_a_new_collection(pair: Pair) -> None:
    """An accepted prompt names the new collection; a dismissed one makes none."""
    made = await pair.backend.create_collection("Büro")
    assert "Büro" in [known.label for known in await pair.backend.collections()]
    assert made in pair.fake.vault.collections
    pair.fake.prompts.style = "dismiss"
    with pytest.raises(PromptDismissedError):
        await pair.backend.create_collection("other")
    with pytest.raises(StoreRefusedError):
        await pair.backend.create_collection("")
    assert len(pair.fake.vault.collections) == 2


@pytest.mark.parametrize("label", ["a/b", ".", "..", "/"])
@pytest.mark.parametrize("pair", ["oo7"], indirect=True)
async def test_a_label_is_no_path(pair: Pair, label: str) -> None:
    """Where labels become files, one that is a path never reaches the provider."""
    with pytest.raises(StoreRefusedError):
        await pair.backend.create_collection(label)
    assert pair.fake.calls["CreateCollection"] == 0


async def test_writing_with_a_prompt(pair: Pair) -> None:
    """A provider that asks for every write returns the item through its prompt."""
    pair.fake.prompts_for.add("CreateItem")
    item = await store_text(pair.backend, pair.collection, "k", "v")
    assert (await pair.backend.read_secrets([item]))[item].value.reveal() == b"v"
    pair.fake.prompts.style = "dismiss"
    with pytest.raises(PromptDismissedError):
        await store_text(pair.backend, pair.collection, "k2", "v")
    assert list(await pair.backend.search(pair.collection, {"server": "F"})) == [item]


async def test_a_half_made_item_is_removed(pair: Pair) -> None:
    """What a provider began and gave up does not stay, and older items do."""
    item = await store_text(pair.backend, pair.collection, "k", "v")
    pair.fake.prompts_for.add("CreateItem")
    pair.fake.prompts.style = "half-made"
    with pytest.raises(StoreRefusedError):
        await store_text(pair.backend, pair.collection, "other", "{REF:P@I:1}")
    assert list(await pair.backend.search(pair.collection, {})) == [item]


@pytest.mark.parametrize("pair", ["ksecretd"], indirect=True)
async def test_the_remains_of_a_refusal_are_removed(pair: Pair) -> None:
    """An empty item left by a refused write goes; one that others made meanwhile stays."""
    vault = pair.fake.vault
    vault.add_item(vault.collection(pair.collection), "F/k", make_item("k", b"").attributes, b"")
    with pytest.raises(StoreRefusedError):
        await pair.backend.create_item(pair.collection, make_item("k", b"\xff\xfe"), replace=True)
    assert len(await pair.backend.search(pair.collection, {})) == 1


@pytest.mark.parametrize("pair", ["keepassxc", "oo7"], indirect=True)
async def test_hidden_is_not_absent(pair: Pair) -> None:
    """A locked collection that hides its items is locked for every question, and never empty."""
    backend = pair.backend
    item = await store_text(backend, pair.collection, "k", "v")
    pair.lock()
    searched = pair.fake.calls["SearchItems"]
    with pytest.raises(StoreLockedError):
        await backend.search(pair.collection, {"user": "k"})
    assert pair.fake.calls["SearchItems"] == searched
    for items in ([item], [item, ItemId(item + "0")]):
        with pytest.raises(StoreLockedError):
            await backend.read_secrets(items)
        with pytest.raises(StoreLockedError):
            await backend.read_items(items)
    with pytest.raises(StoreLockedError):
        await backend.delete_item(item)


@pytest.mark.parametrize("pair", ["keepassxc", "oo7"], indirect=True)
async def test_writing_never_unlocks_by_the_way(pair: Pair) -> None:
    """Where a locked collection answers a write with a prompt, it is taken back unseen."""
    pair.lock()
    with pytest.raises(StoreLockedError):
        await store_text(pair.backend, pair.collection, "k", "v")
    await pair.fake.prompts.gone.wait()
    assert pair.fake.prompts.windows == []


@pytest.mark.parametrize("pair", ["keepassxc", "oo7"], indirect=True)
async def test_a_singly_locked_item(pair: Pair) -> None:
    """An item locked in an open collection is locked, until it is unlocked by itself."""
    backend = pair.backend
    item = await store_text(backend, pair.collection, "k", "v")
    other = await store_text(backend, pair.collection, "o", "w")
    kept = pair.fake.vault.collection(pair.collection).items[item[1:]]
    kept.locked = True
    if backend.quirks is OO7:
        with pytest.raises(StoreLockedError):
            await backend.read_items([item])
    else:
        assert (await backend.read_items([item]))[item].locked
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item])
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item, other])
    await backend.unlock_items([item])
    assert len(await backend.read_secrets([item, other])) == 2


@pytest.mark.parametrize("pair", ["ksecretd"], indirect=True)
async def test_a_locked_secret_is_not_an_empty_one(pair: Pair) -> None:
    """Where locked items read as empty, the lock is asked for before emptiness is believed."""
    backend = pair.backend
    item = await store_text(backend, pair.collection, "k", "v")
    empty = await store_text(backend, pair.collection, "empty", "")
    assert not (await backend.read_secrets([empty]))[empty].value
    assert len(await backend.read_secrets([item, empty])) == 2
    pair.lock()
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item])
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item, empty])


@pytest.mark.parametrize("pair", ["oo7"], indirect=True)
async def test_collections_may_come_late(pair: Pair) -> None:
    """A provider that names its collections before they are there is waited for."""
    await pair.fake.restart()
    task = asyncio.get_running_loop().create_task(_labels(pair.backend))
    before = pair.fake.calls["GetAll"]
    while pair.fake.calls["GetAll"] < before + 2:
        await pair.connection.flush()
    assert not task.done()
    pair.fake.show_late_collections()
    assert await task == ["Login"]


@pytest.mark.parametrize("pair", ["oo7"], indirect=True)
async def test_a_provider_that_never_gets_ready_has_no_absent_wallets(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Collections that are named but never there are an error, not an empty list."""
    monkeypatch.setattr(backend_module, "READY_TIMEOUT", 0.2)
    await pair.fake.restart()
    with pytest.raises(StoreUnavailableError):
        await pair.backend.collections()


@pytest.mark.parametrize("pair", ["keepassxc"], indirect=True)
async def test_a_provider_that_starts_empty_is_given_a_while(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No collection right after the start is not believed, and after a while it is."""
    await pair.fake.restart()
    task = asyncio.get_running_loop().create_task(_labels(pair.backend))
    before = pair.fake.calls["Get"]
    while pair.fake.calls["Get"] == before:
        await pair.connection.flush()
    assert not task.done()
    pair.fake.show_late_collections()
    assert await task == ["Login"]
    await pair.fake.restart()
    monkeypatch.setattr(backend_module, "EMPTY_TIMEOUT", 0.2)
    assert await _labels(pair.backend) == []


@pytest.mark.parametrize("pair", ["keepassxc"], indirect=True)
async def test_a_collection_just_unlocked_is_not_believed_to_be_empty(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is filled after its unlocking is found, and what stays empty is empty in the end."""
    monkeypatch.setattr(backend_module, "SETTLE_TIMEOUT", 0.2)
    assert await pair.backend.search(pair.collection, {}) == []
    pair.lock()
    await pair.backend.collections()
    pair.fake.set_locked(pair.fake.vault.collection(pair.collection), locked=False)
    monkeypatch.setattr(backend_module, "SETTLE_TIMEOUT", 60.0)
    looks = pair.fake.calls["Get"]
    task = asyncio.get_running_loop().create_task(pair.backend.search(pair.collection, {}))
    while pair.fake.calls["Get"] < looks + 3:
        await pair.connection.flush()
    assert not task.done()
    await store_text(pair.backend, pair.collection, "k", "v")
    assert len(await task) == 1


async def _labels(backend: SecretServiceBackend) -> list[str]:
    return [found.label for found in await backend.collections()]


async def test_signals_on_an_alias_name_the_collection(pair: Pair) -> None:
    """A change told on the alias's path alone touches the collection behind it."""
    await pair.backend.read_alias("default")
    seen: list[object] = []
    pair.backend.subscribe(seen.append)
    alias = "/org/freedesktop/secrets/aliases/default"
    pair.fake.emit(alias, "Collection", "ItemChanged", "o", [f"{alias}/5"])
    pair.fake.emit(alias, "Collection", "ItemDeleted", "o", ["/"])
    await pair.backend.is_locked(pair.collection)
    assert seen == [
        ItemTouched(pair.collection, ItemId(f"1{pair.collection}/5")),
        ItemTouched(pair.collection, None),
    ]
