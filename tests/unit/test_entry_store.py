# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store costs, how it fails, and what it says of locks: over memory."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from support.entries import password, stream, text_map
from support.store_contract import expect

from kwallet_bridge.errors import (
    PromptDismissedError,
    ReadBackError,
    StoreError,
    StoreLockedError,
    StoreRefusedError,
    StoreTimeoutError,
    StoreUnavailableError,
    WalletNotFoundError,
)
from kwallet_bridge.model import EntryType, FolderName, Key, WalletName
from kwallet_bridge.store import changes
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import CollectionId, ItemId, Quirks
from kwallet_bridge.store.wallets import (
    FoldersTouched,
    FolderTouched,
    StoreEvent,
    StoreGone,
    StoreSettings,
    WalletLocked,
    WalletsChanged,
    WalletState,
    WalletUnlocked,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

_T = TypeVar("_T")

W = WalletName("kdewallet")
F = FolderName("Passwords")
K = Key("user@host")
OURS = {"server": F, "user": K, "type": "plaintext", "xdg:schema": "org.qt.keychain"}


class Fixture:
    """A store over memory with one wallet."""

    def __init__(self, quirks: Quirks | None = None, label: str = W) -> None:
        """Make it, unlocked."""
        self.memory = MemoryBackend(quirks)
        self.box: CollectionId = self.memory.add_collection(label, alias="default")
        self.store = EntryStore(self.memory, StoreSettings())
        self.events: asyncio.Queue[StoreEvent] = asyncio.Queue()
        self.store.subscribe(self.events.put_nowait)

    def told(self) -> list[StoreEvent]:
        """Give the events told so far."""
        told = []
        while not self.events.empty():
            told.append(self.events.get_nowait())
        return told

    def values(self) -> list[bytes]:
        """Show every secret there is."""
        return [value for _label, _attributes, value, _type in self.memory.dump(self.box)]


def at_once(question: Coroutine[Any, Any, _T]) -> _T:
    """Answer a question that does not suspend."""
    try:
        question.send(None)
    except StopIteration as stop:
        answer: _T = stop.value
        return answer
    question.close()
    raise AssertionError("the question suspended")


def failing(name: str, error: StoreError, *, after: int = 0) -> Callable[[str], Awaitable[None]]:
    """Let the call after ``after`` calls of this name raise."""
    left = [after]

    async def gate(called: str) -> None:
        if called == name:
            left[0] -= 1
            if left[0] == -1:
                raise error

    return gate


# --- cost ---------------------------------------------------------------------------------------


async def test_a_warm_index_answers_without_suspending() -> None:
    """Every question about names is answered in one step once it was asked before."""
    it = Fixture()
    await it.store.write(W, F, K, password("x"))
    await it.store.list_folders(W)
    await it.store.list_entries(W, F)
    it.memory.calls.clear()
    assert at_once(it.store.list_wallets()) == (W,)
    assert at_once(it.store.wallet_state(W)) is WalletState.UNLOCKED
    assert at_once(it.store.list_folders(W)) == (F,)
    assert at_once(it.store.has_folder(W, F)) is True
    assert at_once(it.store.has_folder(W, FolderName("none"))) is False
    assert at_once(it.store.entry_type(W, F, K)) is EntryType.PASSWORD
    assert at_once(it.store.entry_type(W, F, Key("none"))) is None
    assert at_once(it.store.list_entries(W, F)) == {K: EntryType.PASSWORD}
    assert at_once(it.store.might_exist(W, F, K)) is True
    at_once(it.store.unlock(W))
    assert not it.memory.calls


async def test_a_warm_read_is_one_call() -> None:
    """Reading what is known, one or many, asks for secrets once and for nothing else."""
    it = Fixture()
    for number in range(100):
        await it.store.write(W, F, Key(f"{number:03}"), password("x"))
    await it.store.list_entries(W, F)
    it.memory.calls.clear()
    assert await it.store.read(W, F, Key("050")) == password("x")
    assert it.memory.calls == {"read_secrets": 1, "read_secrets:items": 1}
    it.memory.calls.clear()
    assert len(await it.store.read_many(W, F, lambda *_: True)) == 100
    assert it.memory.calls == {"read_secrets": 1, "read_secrets:items": 100}


async def test_a_cold_read_reads_one_item() -> None:
    """The first answer costs no listing, however many entries there are."""
    it = Fixture()
    for number in range(1000):
        it.memory.add_item(it.box, {**OURS, "user": str(number)}, b"x")
    it.memory.calls.clear()
    assert await it.store.read(W, F, Key("500")) == password("x")
    assert await it.store.has_folder(W, F) is True
    assert it.memory.calls["search"] == 1
    assert it.memory.calls["read_items:items"] == 1
    assert it.memory.calls["read_secrets"] == 1


async def test_a_large_read_lets_others_have_their_turn() -> None:
    """A tenth of a second of patterns and values is parted into many turns of the loop."""
    it = Fixture()
    for number in range(1000):
        await it.store.write(W, F, Key(f"k{number}"), password("x"))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def slow(key: Key, _: EntryType) -> bool:
        end = time.perf_counter() + 0.0002
        while time.perf_counter() < end:
            pass
        return key == "k7"

    counter = asyncio.ensure_future(count())
    assert list(await it.store.read_many(W, F, slow)) == ["k7"]
    counter.cancel()
    assert turns > 10


async def test_listing_folders_does_not_read_every_item() -> None:
    """A thousand entries of ten folders, beside foreign items, are listed from a few reads."""
    it = Fixture()
    for number in range(1000):
        it.memory.add_item(it.box, {**OURS, "server": f"f{number % 10}", "user": str(number)})
        it.memory.add_item(it.box, {"xdg:schema": "org.example.Other", "n": str(number)})
    assert await it.store.list_folders(W) == tuple(f"f{number}" for number in range(10))
    assert it.memory.calls["read_items:items"] < 100
    assert it.memory.calls["search"] < 30


async def test_a_write_of_a_known_key_costs_little() -> None:
    """Overwriting reads the old value, writes, reads back and looks for twins; nothing more."""
    it = Fixture()
    await it.store.write(W, F, K, password("x"))
    it.memory.calls.clear()
    await it.store.write(W, F, K, password("y"))
    assert it.memory.calls == {
        "read_secrets": 2,
        "read_secrets:items": 2,
        "create_item": 1,
        "search": 1,
    }


async def test_a_folder_known_by_a_sample_only_is_not_lost() -> None:
    """When the one entry read of a large folder goes, the folder is still there."""
    it = Fixture()
    for number in range(200):
        it.memory.add_item(it.box, {**OURS, "user": str(number)}, b"x")
    assert await it.store.list_folders(W) == (F,)
    site = it.store._ready[W]
    for item in list(site.index.items):
        it.memory.drop_item(item)
    await expect(it.events, FolderTouched(W, F))
    assert await it.store.has_folder(W, F) is True
    assert await it.store.list_folders(W) == (F,)


# --- failure ------------------------------------------------------------------------------------

OLD = [password("old"), stream(b"\0old"), text_map({"old": "old"})]
QUIRKS = [
    Quirks(),
    Quirks(replaces_exact_only=True, delete_takes_supersets=True),
    Quirks(schemaless_twins=True, rewrites_maps=True),
]


@pytest.mark.parametrize("quirks", QUIRKS)
@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize(
    "error", [StoreRefusedError("no"), PromptDismissedError("no"), StoreTimeoutError("late")]
)
@pytest.mark.parametrize(
    ("call", "after"), [("create_item", 0), ("search", 0), ("read_secrets", 1)]
)
async def test_a_failed_write_leaves_the_old_entry(
    quirks: Quirks, old: object, error: StoreError, call: str, after: int
) -> None:
    """Whatever step of a write fails, the old entry reads as before, or the new one whole."""
    it = Fixture(quirks)
    before = OLD[OLD.index(old)]  # type: ignore[arg-type]
    new = password("new")
    await it.store.write(W, F, K, before)
    it.memory.gate = failing(call, error, after=after)
    with pytest.raises(type(error)):
        await it.store.write(W, F, K, new)
    it.memory.gate = None
    found = await it.store.read(W, F, K)
    assert found == before or (isinstance(error, StoreTimeoutError) and found == new)


@pytest.mark.parametrize("quirks", QUIRKS)
@pytest.mark.parametrize("old", OLD)
async def test_an_altered_value_is_taken_back(quirks: Quirks, old: object) -> None:
    """When the provider alters what is written, the old entry is put back, alone."""
    it = Fixture(quirks)
    before = OLD[OLD.index(old)]  # type: ignore[arg-type]
    await it.store.write(W, F, K, before)
    it.memory.spoil = lambda value: value + b"!" if value == b"new" else value
    with pytest.raises(ReadBackError):
        await it.store.write(W, F, K, password("new"))
    assert await it.store.read(W, F, K) == before
    assert len(it.values()) == 1
    with pytest.raises(ReadBackError):
        await it.store.write(W, F, Key("other"), password("new"))
    assert await it.store.read(W, F, Key("other")) is None
    assert len(it.values()) == 1


async def test_a_refused_reference_leaves_nothing_behind() -> None:
    """Where the provider refuses the text after making the item, its remains are removed."""
    it = Fixture(Quirks(rewrites_text=True))
    with pytest.raises(PromptDismissedError):
        await it.store.write(W, F, K, password("{REF:P@I:1}"))
    assert it.values() == []
    assert await it.store.read(W, F, K) is None


async def test_expanded_text_is_kept_as_octets() -> None:
    """Text that the provider expands is stored as octets and reads back whole."""
    it = Fixture(Quirks(rewrites_text=True))
    await it.store.write(W, F, K, password("{TITLE}"))
    assert await it.store.read(W, F, K) == password("{TITLE}")
    assert [row[3] for row in it.memory.dump(it.box)] == ["application/octet-stream"]


@pytest.mark.parametrize("text", ["{TITLE}{TITLE}", "{PASSWORD}{PASSWORD}"])
async def test_no_placeholder_meets_another(text: str) -> None:
    """KeePassXC expands titles in titles without end: no label has one, no text has two."""
    it = Fixture(Quirks(rewrites_text=True))
    await it.store.write(W, FolderName(text), Key(text), password(text))
    await it.store.create_folder(W, FolderName(text * 2))
    infos = await it.memory.read_items(await it.memory.search(it.box, {}))
    assert not any("{" in info.label for info in infos.values())
    secrets = await it.memory.read_secrets(await it.memory.search(it.box, {"user": text}))
    assert [secret.content_type for secret in secrets.values()] == ["application/octet-stream"]
    assert await it.store.read(W, FolderName(text), Key(text)) == password(text)


async def test_null_values_become_empty_where_maps_are_rewritten() -> None:
    """A provider without null keeps the map with empty texts; bytes it cannot keep are refused."""
    it = Fixture(Quirks(rewrites_maps=True))
    await it.store.write(W, F, K, text_map({"a": None}))
    assert await it.store.read(W, F, K) == text_map({"a": ""})


async def test_a_schemaless_item_is_replaced_in_place() -> None:
    """On ksecretd an item without schema gets our attributes first, so no twin is made."""
    it = Fixture(Quirks(schemaless_twins=True))
    it.memory.add_item(it.box, {"server": F, "user": K, "type": "binary"}, b"raw")
    assert await it.store.read(W, F, K) == stream(b"raw")
    await it.store.write(W, F, K, password("new"))
    assert [(row[1], row[2]) for row in it.memory.dump(it.box)] == [(OURS, b"new")]


async def test_the_newest_of_kdes_twins_stands_for_the_entry() -> None:
    """Of several items KDE's schema wins, then the newest."""
    it = Fixture()
    it.memory.add_item(it.box, {"server": F, "user": K, "type": "map"}, b"{}", modified=9)
    it.memory.add_item(it.box, {**OURS, "type": "base64"}, b"", modified=5)
    it.memory.add_item(it.box, OURS, b"best", modified=6)
    assert await it.store.read(W, F, K) == password("best")


# --- locks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(hides_locked_items=True)])
async def test_a_locked_wallet_answers_with_an_error(quirks: Quirks) -> None:
    """No question is answered with "absent" by a locked wallet, whoever locked it."""
    it = Fixture(quirks)
    await it.store.write(W, F, K, password("x"))
    await it.store.list_folders(W)
    it.memory.set_locked(it.box, locked=True)
    questions: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: it.store.list_folders(W),
        lambda: it.store.has_folder(W, F),
        lambda: it.store.list_entries(W, F),
        lambda: it.store.entry_type(W, F, K),
        lambda: it.store.read(W, F, K),
        lambda: it.store.read_many(W, F, lambda *_: True),
        lambda: it.store.write(W, F, K, password("y")),
        lambda: it.store.remove(W, F, K),
        lambda: it.store.rename(W, F, K, new_key=Key("n")),
        lambda: it.store.create_folder(W, FolderName("n")),
        lambda: it.store.remove_folder(W, F),
        lambda: it.store.delete_wallet(W),
    ]
    for question in questions:
        with pytest.raises(StoreLockedError):
            await question()
    assert await it.store.wallet_state(W) is WalletState.LOCKED
    assert await it.store.might_exist(W, F, K) is True
    assert await it.store.might_exist(W, F, Key("none")) is quirks.hides_locked_items
    await it.store.unlock(W)
    assert await it.store.read(W, F, K) == password("x")


async def test_items_vanishing_with_the_lock_are_not_absent() -> None:
    """Where locking announces each item as gone first, the answer is an error, not "absent"."""
    it = Fixture(Quirks(hides_locked_items=True))
    await it.store.write(W, F, K, password("x"))
    await it.store.list_entries(W, F)
    site = it.store._ready[W]
    (item,) = site.index.items
    it.memory._boxes[it.box].locked = True
    site.changes.hear(item)
    with pytest.raises(StoreLockedError):
        await it.store.entry_type(W, F, K)
    with pytest.raises(StoreLockedError):
        await it.store.read(W, F, K)


async def test_an_empty_secret_of_a_locked_item_is_an_error() -> None:
    """Where a locked item reads as empty, an empty answer is checked against the lock."""
    it = Fixture(Quirks(locked_reads_empty=True))
    await it.store.write(W, F, K, password("x"))
    await it.store.list_entries(W, F)
    it.memory._boxes[it.box].locked = True  # and the signal is still on its way
    with pytest.raises(StoreLockedError):
        await it.store.read(W, F, K)
    with pytest.raises(StoreLockedError):
        await it.store.read_many(W, F, lambda *_: True)


async def test_single_items_are_unlocked_when_read() -> None:
    """A singly locked item is unlocked by asking; if the person says no, that is the answer."""
    it = Fixture(Quirks(items_lock_singly=True))
    item = it.memory.add_item(it.box, OURS, b"x")
    it.memory.lock_item(item)
    it.memory.accept_prompts = False
    with pytest.raises(PromptDismissedError):
        await it.store.read(W, F, K)
    it.memory.accept_prompts = True
    assert await it.store.read(W, F, K) == password("x")
    assert it.memory.prompts == 2


async def test_locks_of_others_are_told_and_ours_are_not() -> None:
    """Only what others lock and unlock is an event."""
    it = Fixture()
    await it.store.list_wallets()
    await it.store.lock(W)
    await it.store.unlock(W)
    it.memory.set_locked(it.box, locked=True)
    assert await expect(it.events, WalletLocked(W)) == []
    it.memory.set_locked(it.box, locked=False)
    assert await expect(it.events, WalletUnlocked(W)) == []


async def test_a_dismissed_unlock_changes_nothing() -> None:
    """A person's no is an error of its own, and the wallet stays locked."""
    it = Fixture()
    it.memory.set_locked(it.box, locked=True)
    it.memory.accept_prompts = False
    with pytest.raises(PromptDismissedError):
        await it.store.unlock(W)
    assert await it.store.wallet_state(W) is WalletState.LOCKED


async def test_unlocking_noise_is_not_news() -> None:
    """Signals for every old item at an unlock tell nobody of changed folders."""
    it = Fixture()
    for number in range(30):
        it.memory.add_item(it.box, {**OURS, "user": str(number)}, modified=1000)
    await it.store.list_entries(W, F)
    it.memory.set_locked(it.box, locked=True)
    await it.store.unlock(W)
    await it.store.entry_type(W, F, K)
    it.memory.add_item(it.box, {**OURS, "server": "news"})
    assert await expect(it.events, FolderTouched(W, FolderName("news"))) == [WalletLocked(W)]


async def test_what_was_written_just_before_an_unlock_is_not_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Items of the second before an unlock, announced after it, tell nobody of changed folders."""
    it = Fixture()
    monkeypatch.setattr(changes, "time", SimpleNamespace(time=lambda: 5000.25))
    for number in range(30):
        it.memory.add_item(it.box, {**OURS, "user": str(number)}, modified=4999)
    await it.store.list_entries(W, F)
    it.memory.set_locked(it.box, locked=True)
    await it.store.unlock(W)
    await it.store.entry_type(W, F, K)
    it.memory.set_locked(it.box, locked=False)
    it.memory.add_item(it.box, {**OURS, "server": "news"})
    assert await expect(it.events, FolderTouched(W, FolderName("news"))) == [WalletLocked(W)]


# --- the provider goes --------------------------------------------------------------------------


async def test_a_lost_provider_is_an_error_until_it_returns() -> None:
    """Without a provider every call fails; afterwards its ids are asked for anew."""
    it = Fixture()
    await it.store.write(W, F, K, password("x"))
    await it.store.list_folders(W)
    it.memory.go()
    assert it.told() == [StoreGone()]
    with pytest.raises(StoreUnavailableError):
        await it.store.entry_type(W, F, K)
    with pytest.raises(StoreUnavailableError):
        await it.store.list_wallets()
    it.memory.come_back()
    assert await it.store.read(W, F, K) == password("x")


async def test_a_write_across_a_restart_touches_no_other_item() -> None:
    """A write that began before a restart stops, since its ids may name other items now."""
    it = Fixture()
    await it.store.write(W, F, K, password("old"))

    async def restart(name: str) -> None:
        if name == "create_item":
            it.memory.gate = None
            it.memory.restart()

    it.memory.gate = restart
    with pytest.raises(StoreUnavailableError):
        await it.store.write(W, F, K, password("new"))
    assert await it.store.read(W, F, K) in (password("old"), password("new"))


# --- names of wallets ---------------------------------------------------------------------------


async def test_the_default_wallet_is_the_default_alias() -> None:
    """Without a collection of that label, kwalletrc's name means the default one, listed once."""
    it = Fixture(label="Login")
    other = it.memory.add_collection("Other")
    assert await it.store.list_wallets() == (W, "Other")
    await it.store.write(W, F, K, password("x"))
    assert len(it.memory.dump(it.box)) == 1
    assert await it.store.wallet_state(WalletName("Login")) is WalletState.UNLOCKED
    assert it.store.canonical(WalletName("Login")) == W
    it.memory.add_collection(W)
    await it.store.read(W, F, K)
    assert await it.store.list_wallets() == (W, "Login", "Other")
    assert await it.store.read(W, F, K) is None
    it.memory.drop_collection(other)
    assert await it.store.list_wallets() == (W, "Login")


async def test_names_are_found_without_case_at_last() -> None:
    """A label that came back in another case is still the wallet."""
    it = Fixture(Quirks(forgets_label_case=True), label="Login")
    it.memory.add_collection(W)
    await it.store.create_wallet(WalletName("My Wallet"))
    await it.store.write(WalletName("My Wallet"), F, K, password("mine"))
    await it.store.write(W, F, K, password("default"))
    it.memory.restart()
    assert await it.store.list_wallets() == (W, "Login", "My wallet")
    assert await it.store.read(WalletName("My Wallet"), F, K) == password("mine")
    assert await it.store.read(W, F, K) == password("default")


async def test_a_locked_database_keeps_its_name() -> None:
    """Where a locked collection is labelled after its file, its known name stays."""
    it = Fixture(Quirks(label_is_file_when_locked=True, hides_locked_items=True))
    name = WalletName("My Database")
    box = it.memory.add_collection(name)
    assert await it.store.list_wallets() == (W, name)
    it.memory.set_locked(box, locked=True)
    assert await expect(it.events, WalletLocked(name)) == []
    assert await it.store.list_wallets() == (W, name)
    assert await it.store.wallet_state(name) is WalletState.LOCKED


async def test_a_collection_of_others_is_open_as_it_comes() -> None:
    """One that another program makes is told as unlocked after the list changed, a locked one not."""
    it = Fixture()
    await it.store.list_wallets()
    it.memory.add_collection("theirs")
    assert await expect(it.events, WalletUnlocked(WalletName("theirs"))) == [WalletsChanged()]
    it.memory.add_collection("closed", locked=True)
    assert await expect(it.events, WalletsChanged()) == []
    await it.store.list_wallets()
    assert it.told() == []


async def test_a_name_that_moves_to_another_collection_is_closed() -> None:
    """Who has the default wallet open is told when another collection takes its name."""
    it = Fixture(label="Login")
    await it.store.list_wallets()
    it.memory.add_collection(W)
    login = WalletUnlocked(WalletName("Login"))
    told = await expect(it.events, WalletUnlocked(W))
    assert told == [WalletLocked(W), WalletsChanged(), login]


async def test_two_collections_of_one_label_are_one_wallet() -> None:
    """Of equal labels one is chosen, always the same."""
    it = Fixture(label="Login")
    first = it.memory.add_collection("Twice")
    it.memory.add_collection("Twice")
    assert await it.store.list_wallets() == (W, "Twice")
    await it.store.write(WalletName("Twice"), F, K, password("x"))
    assert len(it.memory.dump(first)) == 1


@pytest.mark.parametrize(
    ("setting", "shared", "locks"),
    [
        (None, False, True), (None, True, False),
        (True, True, True), (True, False, True), (False, True, False), (False, False, False),
    ],
)  # fmt: skip
async def test_closing_locks_only_what_nobody_else_uses(
    *, setting: bool | None, shared: bool, locks: bool
) -> None:
    """A keyring with other programs' secrets stays unlocked for them, unless a person says so."""
    it = Fixture()
    it.store.configure(StoreSettings(lock_on_close=setting))
    await it.store.write(W, F, K, password("x"))
    await it.store.create_folder(W, FolderName("Empty"))
    schemaless = {"server": F, "user": "b", "type": "plaintext"}
    it.memory.add_item(it.box, schemaless, b"an entry of a provider that drops schemas")
    if shared:
        it.memory.add_item(it.box, {"xdg:schema": "org.example", "user": "x"}, b"theirs")
    await it.store.lock(W)
    assert await it.memory.is_locked(it.box) is locks


async def test_a_new_wallet_has_kwallets_folders() -> None:
    """Creating a wallet makes the two usual folders and tells nobody."""
    it = Fixture()
    new = WalletName("new")
    await it.store.list_wallets()
    await it.store.create_wallet(new)
    assert await it.store.list_folders(new) == ("Form Data", "Passwords")
    assert it.told() == []
    it.memory.add_collection("theirs")
    assert await expect(it.events, WalletsChanged()) == []


async def test_deleting_a_shared_wallet_keeps_the_rest() -> None:
    """The default collection, or one with other programs' items, loses only what is KWallet's."""
    it = Fixture(label="Login")
    await it.store.write(W, F, K, password("x"))
    await it.store.delete_wallet(W)
    assert it.memory.dump(it.box) == []
    assert await it.store.list_wallets() == (W,)
    shared, own = it.memory.add_collection("shared"), WalletName("own")
    it.memory.add_item(shared, {"application": "x"}, b"theirs")
    await it.store.write(WalletName("shared"), F, K, password("x"))
    await it.store.delete_wallet(WalletName("shared"))
    assert [row[2] for row in it.memory.dump(shared)] == [b"theirs"]
    it.memory.add_collection(own)
    await it.store.write(own, F, K, password("x"))
    await it.store.delete_wallet(own)
    assert await it.store.wallet_state(own) is WalletState.ABSENT
    with pytest.raises(WalletNotFoundError):
        await it.store.delete_wallet(own)


# --- events -------------------------------------------------------------------------------------


async def test_many_changes_of_a_folder_are_told_once() -> None:
    """A burst in one folder is one event, and the list of folders is told when it changed."""
    it = Fixture()
    await it.store.write(W, F, K, password("x"))
    await it.store.list_folders(W)
    for number in range(20):
        it.memory.add_item(it.box, {**OURS, "user": str(number)})
    new = FolderName("new")
    it.memory.add_item(it.box, {**OURS, "server": new})
    assert await expect(it.events, FolderTouched(W, new)) == [
        FoldersTouched(W),
        FolderTouched(W, F),
    ]


async def test_a_change_right_after_our_write_is_told_by_its_value() -> None:
    """Another program's overwriting of what we just wrote is read as it is now."""
    it = Fixture()
    await it.store.write(W, F, K, password("ours"))
    (item,) = it.store._ready[W].index.items
    it.memory.change_item(item, b"theirs")
    assert await it.store.read(W, F, K) == password("theirs")


async def test_a_type_changed_by_others_is_seen_by_the_next_answer() -> None:
    """An answer about an item in doubt is asked for afresh, not taken from the index."""
    it = Fixture()
    item = it.memory.add_item(it.box, OURS, b"QQ==")
    assert await it.store.entry_type(W, F, K) is EntryType.PASSWORD
    await it.memory.set_attributes(item, {**OURS, "type": "base64"})
    assert await it.store.entry_type(W, F, K) is EntryType.STREAM
    assert await it.store.read(W, F, K) == stream(b"A")


async def test_an_event_without_an_item_makes_us_look_around() -> None:
    """A signal that names no item still finds what went and what came."""
    it = Fixture()
    item = it.memory.add_item(it.box, OURS, b"x")
    other = FolderName("other")
    assert await it.store.list_folders(W) == (F,)
    del it.memory._boxes[it.box].items[item]
    it.store._ready[W].changes.hear(None)
    assert await it.store.has_folder(W, F) is False
    assert await expect(it.events, FolderTouched(W, F)) == [FoldersTouched(W)]
    it.memory.add_item(it.box, {**OURS, "server": other})
    await expect(it.events, FolderTouched(W, other))


async def test_a_write_whose_old_value_cannot_be_read_removes_nothing() -> None:
    """The old value is read while the new one is written; where both fail, nothing is touched."""
    it = Fixture(Quirks())
    await it.store.write(W, F, K, password("old"))

    async def gate(name: str) -> None:
        if name in {"read_secrets", "create_item"}:
            raise StoreTimeoutError("late")

    it.memory.gate = gate
    with pytest.raises(StoreTimeoutError):
        await it.store.write(W, F, K, password("new"))
    it.memory.gate = None
    assert await it.store.read(W, F, K) == password("old")
    assert it.memory.calls["delete_item"] == 0


async def test_an_overwrite_is_one_journey() -> None:
    """Old value, new value, read-back and search are asked for together."""
    it = Fixture(Quirks())
    await it.store.write(W, F, K, password("old"))
    under_way: list[str] = []
    most: list[list[str]] = []
    everybody = asyncio.Event()

    async def gate(name: str) -> None:
        under_way.append(name)
        most.append(list(under_way))
        if len(under_way) == 4:
            everybody.set()
        await everybody.wait()
        under_way.remove(name)

    it.memory.gate = gate
    await it.store.write(W, F, K, password("new"))
    assert sorted(most[3]) == ["create_item", "read_secrets", "read_secrets", "search"]


# --- what is made while a search is under way ----------------------------------------------------


@pytest.mark.parametrize("question", ["read", "entry_type", "list_entries", "has_folder"])
async def test_what_comes_during_the_first_search_is_not_called_absent(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item another program makes while the first search is answered is there for the next."""
    it = Fixture()
    search = it.memory.search

    async def search_late(box: CollectionId, wanted: Mapping[str, str]) -> Sequence[ItemId]:
        found = await search(box, wanted)
        if "server" in wanted:
            monkeypatch.undo()
            it.memory.add_item(box, OURS, b"x")
        return found

    monkeypatch.setattr(it.memory, "search", search_late)
    place = (W, F) if question in {"list_entries", "has_folder"} else (W, F, K)
    ask = getattr(it.store, question)
    assert not await ask(*place)
    assert await ask(*place)


async def test_a_flood_during_the_first_search_leaves_it_unsettled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hundreds of items announced during a search are not read, and prove nothing absent."""
    it = Fixture()
    search = it.memory.search

    async def search_late(box: CollectionId, wanted: Mapping[str, str]) -> Sequence[ItemId]:
        found = await search(box, wanted)
        if "server" in wanted:
            monkeypatch.undo()
            for number in range(300):
                it.memory.add_item(box, {**OURS, "user": f"k{number}"}, b"x")
        return found

    monkeypatch.setattr(it.memory, "search", search_late)
    assert await it.store.entry_type(W, F, Key("k299")) is None
    it.memory.calls.clear()
    assert await it.store.entry_type(W, F, Key("k299")) is EntryType.PASSWORD
    assert it.memory.calls["read_items:items"] == 1
