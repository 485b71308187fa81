# SPDX-License-Identifier: GPL-3.0-or-later
"""A wallet is the collection it was served from, over memory and a real state file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.entries import password
from support.services import WALLET, until

from kwallet_bridge.errors import ElsewhereError, PromptDismissedError
from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.statefile import load, update
from kwallet_bridge.store import identity as identities
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.gate import GatedStore
from kwallet_bridge.store.identity import Identity
from kwallet_bridge.store.mark import MARK_LABEL, MARK_QUERY, identity_of, mark_item
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.note import (
    KnownKeys,
    KnownNames,
    Note,
    dump_note,
    forget_wallet,
    own_note,
    parse_note,
)
from kwallet_bridge.store.wallets import StoreSettings, WalletLocked, WalletState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kwallet_bridge.store.port import CollectionId, Quirks

F, G, K, L = FolderName("Chromium Keys"), FolderName("other"), Key("Safe Storage"), Key("other")
OLD = password("the key of all logins")
OTHER = WalletName("second")


class Life:
    """One life of the daemon's store over a provider in memory."""

    def __init__(self, memory: MemoryBackend, path: Path) -> None:
        """Start."""
        self.told: list[WalletName] = []
        self.inner = EntryStore(memory)
        self.identity = Identity(path, tell=self.told.append)
        self.inner.identify_with(self.identity)
        self.store = GatedStore(self.inner, (self.identity,))

    async def open(self, wallet: WalletName = WALLET) -> None:
        """Open as the service does."""
        state = await self.store.wallet_state(wallet)
        if state is WalletState.ABSENT:
            await self.store.create_wallet(wallet)
        elif state is WalletState.LOCKED:
            await self.store.unlock(wallet)

    async def end(self) -> None:
        """Stop in order."""
        await self.inner.close()


class Fixture:
    """A provider, a state file, and lives of the daemon."""

    def __init__(self, path: Path, quirks: Quirks | None = None) -> None:
        """Start with one default collection."""
        self.memory = MemoryBackend(quirks)
        self.box = self.memory.add_collection("Login", alias="default")
        self.path = path
        self.lives: list[Life] = []

    def live(self) -> Life:
        """Start a daemon."""
        life = Life(self.memory, self.path)
        self.lives.append(life)
        return life

    async def serve_once(self) -> None:
        """Have a wallet with the key in it, served, marked and noted."""
        life = self.live()
        await life.open()
        await life.store.write(WALLET, F, K, OLD)
        await life.store.write(WALLET, G, L, password("x"))
        await life.end()

    def note(self, wallet: WalletName = WALLET) -> Note:
        """Read what is kept."""
        return own_note(load(self.path), wallet)

    def marks(self, box: CollectionId) -> list[dict[str, str]]:
        """Show the marks of a collection."""
        return [row[1] for row in self.memory.dump(box) if identity_of(row[1])]


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Fixture]:
    """A provider with one collection."""
    fixture = Fixture(tmp_path / "state/store.json")
    yield fixture
    for life in fixture.lives:
        await life.end()


async def judge(life: Life) -> None:
    """Nothing that was noted is called absent, and nothing of it is made anew."""
    store = life.store
    assert await store.has_folder(WALLET, F)
    assert await store.has_entry(WALLET, F, K)
    assert await store.might_exist(WALLET, F, K)
    for call in (
        store.read(WALLET, F, K),
        store.entry_type(WALLET, F, K),
        store.list_folders(WALLET),
        store.list_entries(WALLET, F),
        store.read_many(WALLET, F, lambda *_: True),
        store.write(WALLET, F, K, password("new")),
        store.create_folder(WALLET, F),
        store.remove(WALLET, F, K),
        store.remove_folder(WALLET, F),
        store.delete_wallet(WALLET),
    ):
        with pytest.raises(ElsewhereError):
            await call
    assert await store.read(WALLET, G, K) is None
    await store.write(WALLET, FolderName("new"), K, password("y"))
    assert await store.read(WALLET, FolderName("new"), K) == password("y")


# --- the note and the mark ----------------------------------------------------------------------


async def test_what_is_served_is_noted_and_marked(it: Fixture) -> None:
    """One mark, which explains itself and holds nothing; and a file without a single name."""
    await it.serve_once()
    (mark,) = it.marks(it.box)
    note = it.note()
    assert identity_of(mark) == note.mark
    assert sorted(len(keys) for keys in note.places.values()) == [1, 1]
    text = it.path.read_text()
    assert not any(name in text for name in (F, G, K, "kdewallet", "Login", "all logins"))
    (shown,) = [row for row in it.memory.dump(it.box) if row[0] == MARK_LABEL]
    assert shown[2] == b""


async def test_a_mark_is_nothing_to_programs(it: Fixture) -> None:
    """No list names it, and a wallet with nothing else in it is deleted whole."""
    await it.serve_once()
    life = it.live()
    await life.open()
    assert set(await life.store.list_folders(WALLET)) == {F, G}
    second = it.memory.add_collection(OTHER)
    await life.open(OTHER)
    await life.store.write(OTHER, F, K, OLD)
    await life.identity.flush()
    assert it.marks(second)
    await life.store.delete_wallet(OTHER)
    assert OTHER not in await life.store.list_wallets()
    assert it.note(OTHER) == Note()


async def test_a_wallet_deleted_in_a_shared_collection_leaves_no_mark(it: Fixture) -> None:
    """The default collection stays, without mark and note: a new start asks nobody."""
    await it.serve_once()
    life = it.live()
    await life.open()
    await life.store.delete_wallet(WALLET)
    assert it.memory.dump(it.box) == []
    assert it.note() == Note()
    assert await life.store.has_folder(WALLET, F) is False


async def test_a_wallet_without_entries_is_not_marked(it: Fixture) -> None:
    """Other programs' collections and empty folders need no protection."""
    it.memory.add_item(it.box, {"application": "browser"}, b"theirs")
    life = it.live()
    await life.open()
    await life.store.create_folder(WALLET, F)
    await life.end()
    assert it.marks(it.box) == []
    assert it.note().is_empty


async def test_reading_what_is_known_notes_nothing(
    it: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers out of the index cost no timer, no digest and no look at the disk."""
    await it.serve_once()
    life = it.live()
    await life.open()
    assert await life.store.read(WALLET, F, K) == OLD
    await life.identity.flush()
    monkeypatch.setattr(life.identity, "_stir", None)
    monkeypatch.setattr(identities, "load", None)
    monkeypatch.setattr(identities, "update", None)
    for _ in range(100):
        assert await life.store.read(WALLET, F, K) == OLD
        assert await life.store.has_entry(WALLET, F, K)
    assert not life.identity._tasks
    monkeypatch.undo()


# --- another collection -------------------------------------------------------------------------


async def test_an_emptied_provider_is_another_one(it: Fixture) -> None:
    """A reset keyring under the same name and path: errors, one notice, old places said to be."""
    await it.serve_once()
    it.memory.drop_collection(it.box)
    it.memory.add_collection("Login", alias="default")
    life = it.live()
    await life.open()
    await judge(life)
    assert life.told == [WALLET]
    assert it.note().undecided_since
    await life.end()
    again = it.live()
    await again.open()
    await judge(again)


async def test_a_moved_alias_is_another_one(it: Fixture) -> None:
    """The default alias names another collection: within one life of the daemon."""
    await it.serve_once()
    life = it.live()
    await life.open()
    assert await life.store.read(WALLET, F, K) == OLD
    it.memory.add_collection("Another", alias="default")
    await until(lambda: life.inner._directory.fresh)
    await life.open()
    await judge(life)
    it.memory.set_alias("default", it.box)
    await until(lambda: life.inner._directory.fresh)
    await life.open()
    assert await life.store.read(WALLET, F, K) == OLD


async def test_a_second_collection_with_the_label_is_another_one(it: Fixture) -> None:
    """A collection that takes the label takes no wallet."""
    await it.serve_once()
    it.memory.add_collection(WALLET)
    life = it.live()
    await life.open()
    await judge(life)


async def test_another_default_wallet_is_another_one(it: Fixture) -> None:
    """Default Wallet renamed in kwalletrc to a collection that lacks what the former one held."""
    await it.serve_once()
    it.memory.add_collection(OTHER)
    life = it.live()
    life.store.configure(StoreSettings(default_wallet=OTHER))
    await life.open(OTHER)
    assert await life.store.has_entry(OTHER, F, K)
    with pytest.raises(ElsewhereError):
        await life.store.read(OTHER, F, K)
    # The former one is a wallet under its own label, whole.
    await life.open(WalletName("Login"))
    assert await life.store.read(WalletName("Login"), F, K) == OLD


async def test_a_default_wallet_that_is_only_renamed_is_the_same(it: Fixture) -> None:
    """The provider's default collection stays the default wallet, whatever kwalletrc calls it."""
    await it.serve_once()
    life = it.live()
    life.store.configure(StoreSettings(default_wallet="renamed"))
    await life.open(WalletName("renamed"))
    assert await life.store.read(WalletName("renamed"), F, K) == OLD
    await life.end()
    assert life.told == []
    assert it.note(WalletName("renamed")) == it.note()
    # Who asks for it by its former name is not given an empty one.
    again = it.live()
    again.store.configure(StoreSettings(default_wallet="renamed"))
    with pytest.raises(ElsewhereError):
        await again.open(WALLET)
    assert it.memory.prompts == 0


async def test_an_open_wallet_that_loses_its_name_is_told_closed(it: Fixture) -> None:
    """Its handle is lost then: another collection may have the name one day."""
    await it.serve_once()
    life = it.live()
    await life.open()
    heard: list[object] = []
    life.store.subscribe(heard.append)
    life.store.configure(StoreSettings(default_wallet="renamed"))
    assert WalletLocked(WALLET) in heard


async def test_a_missing_collection_is_not_made_anew(it: Fixture) -> None:
    """Where the collection is gone no other is made, and nothing is called absent."""
    life = it.live()
    it.memory.add_collection(OTHER)
    await life.open(OTHER)
    await life.store.write(OTHER, F, K, OLD)
    await life.end()
    gone = next(box for box in await it.memory.collections() if box.label == OTHER)
    it.memory.drop_collection(gone.id)
    again = it.live()
    with pytest.raises(ElsewhereError):
        await again.open(OTHER)
    assert it.memory.prompts == 0
    assert again.told == [OTHER]
    assert await again.store.might_exist(OTHER, F, K)
    assert not await again.store.might_exist(OTHER, G, K)
    assert OTHER in await again.store.list_wallets()


async def test_a_locked_stranger_is_not_believed(it: Fixture) -> None:
    """A locked collection that shows its names is believed only under the wallet's mark."""
    await it.serve_once()
    it.memory.set_locked(it.box, locked=True)
    life = it.live()
    assert await life.store.might_exist(WALLET, F, K)
    it.memory.drop_collection(it.box)
    it.memory.add_collection("Login", alias="default", locked=True)
    again = it.live()
    assert await again.store.might_exist(WALLET, F, K)
    assert not await again.store.might_exist(WALLET, F, L)


# --- not another one ----------------------------------------------------------------------------


async def test_a_deleted_mark_is_mended(it: Fixture) -> None:
    """A collection that holds everything noted is the wallet's, and gets its mark again."""
    await it.serve_once()
    (before,) = it.marks(it.box)
    (item,) = await it.memory.search(it.box, MARK_QUERY)
    it.memory.drop_item(item)
    life = it.live()
    await life.open()
    assert await life.store.read(WALLET, F, K) == OLD
    await life.end()
    assert life.told == []
    assert it.marks(it.box) == [before]


async def test_entries_others_deleted_are_gone(it: Fixture) -> None:
    """Under the mark "absent" is believed, and what a person deleted leaves the note."""
    await it.serve_once()
    (item,) = await it.memory.search(it.box, {"server": F, "user": K})
    it.memory.drop_item(item)
    life = it.live()
    await life.open()
    assert await life.store.read(WALLET, F, K) is None
    await life.end()
    assert len(it.note().places) == 1
    assert life.told == []


async def test_what_a_program_removed_leaves_the_note(it: Fixture) -> None:
    """Removal, renaming and removal of a folder are followed."""
    await it.serve_once()
    life = it.live()
    await life.open()
    before = it.note().places
    await life.store.remove(WALLET, G, L)
    await life.store.rename(WALLET, F, K, new_key=L)
    await life.end()
    after = it.note().places
    assert len(after) == 1
    assert set(after) < set(before)
    assert [len(keys) for keys in after.values()] == [1]
    assert after != {folder: before[folder] for folder in after}


async def test_a_lost_note_is_taken_up_anew(it: Fixture) -> None:
    """Without a state file a marked collection is served, and keeps its mark."""
    await it.serve_once()
    (before,) = it.marks(it.box)
    it.path.unlink()
    life = it.live()
    await life.open()
    assert await life.store.read(WALLET, F, K) == OLD
    await life.end()
    assert it.marks(it.box) == [before]
    assert it.note().mark == identity_of(before)


async def test_a_refused_mark_stops_nobody(it: Fixture) -> None:
    """A provider that takes no mark still serves, and the note alone tells the collection."""

    async def refuse(called: str) -> None:
        if called == "create_item":
            raise PromptDismissedError("no")

    life = it.live()
    await life.open()
    await life.store.write(WALLET, F, K, OLD)
    it.memory.gate = refuse
    await life.identity.flush()
    it.memory.gate = None
    assert it.marks(it.box) == []
    again = it.live()
    await again.open()
    assert await again.store.read(WALLET, F, K) == OLD
    assert again.told == []


# --- decisions ----------------------------------------------------------------------------------


async def test_accepting_starts_anew(it: Fixture) -> None:
    """A note that a person dropped ends the errors at the next call, and the new one is marked."""
    await it.serve_once()
    it.memory.drop_collection(it.box)
    new = it.memory.add_collection("Login", alias="default")
    life = it.live()
    await life.open()
    await judge(life)
    update(it.path, lambda state: forget_wallet(state, WALLET, is_default=True))
    assert await life.store.read(WALLET, F, K) is None
    await life.store.write(WALLET, F, K, password("new"))
    await life.end()
    assert it.marks(new)
    assert len(it.note().places) >= 1


async def test_what_is_brought_along_ends_it(it: Fixture) -> None:
    """Once the other collection holds what was missing it is the wallet's, with no one's word."""
    await it.serve_once()
    it.memory.drop_collection(it.box)
    new = it.memory.add_collection("Login", alias="default")
    life = it.live()
    await life.open()
    with pytest.raises(ElsewhereError):
        await life.store.read(WALLET, F, K)
    ours = {"type": "plaintext", "xdg:schema": "org.qt.keychain"}
    it.memory.add_item(new, {**ours, "server": F, "user": K}, b"the key of all logins")
    assert await life.store.read(WALLET, F, K) == OLD
    with pytest.raises(ElsewhereError):
        await life.store.read(WALLET, G, L)
    it.memory.add_item(new, {**ours, "server": G, "user": L}, b"x")
    assert await life.store.read(WALLET, G, L) == password("x")
    assert set(await life.store.list_folders(WALLET)) == {F, G}
    await life.end()
    assert not it.note().undecided_since


# --- pure ---------------------------------------------------------------------------------------


def test_a_note_survives_its_file() -> None:
    """Everything comes back, what others keep too; a malformed one is told."""
    note = Note("id", {"a": frozenset({"1", "2"})}, 7, {"theirs": 1})
    assert parse_note(dump_note(note)) == note
    assert dump_note(Note()) is None
    assert parse_note(None) == Note()
    malformed: list[dict[str, object]] = [
        {"mark": 1},
        {"places": []},
        {"places": {"a": [1]}},
        {"undecided_since": "x"},
    ]
    for wrong in malformed:
        with pytest.raises(ValueError, match="malformed"):
            parse_note(wrong)


def test_doubt_removes_nothing_from_a_note() -> None:
    """Only what is known to be absent goes; what is known of part of a folder adds to it."""
    note = Note("id", {"F": frozenset({"a", "b"}), "G": frozenset({"c"})})
    unsure = KnownNames({FolderName("F"): KnownKeys(frozenset({Key("d")}))})
    assert note.learn(unsure, str) == {"F": {"a", "b", "d"}, "G": {"c"}}
    gone = KnownNames({FolderName("F"): KnownKeys(frozenset(), frozenset({Key("a")}))})
    assert note.learn(gone, str) == {"F": {"b"}, "G": {"c"}}
    whole = KnownNames({FolderName("F"): KnownKeys(frozenset({Key("a")}), complete=True)})
    assert note.learn(whole, str) == {"F": {"a"}, "G": {"c"}}
    assert note.learn(KnownNames({}, complete=True), str) == {}


def test_no_two_marks_are_alike_and_none_is_an_entry() -> None:
    """A mark's own look."""
    item = mark_item("0" * 32)
    assert identity_of(item.attributes) == "0" * 32
    assert not identity_of({"kwallet-bridge-wallet": "0" * 32})
    assert not {"server", "user"} & set(item.attributes)
