# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.entries import ENTRIES as ANY_ENTRIES

from kwallet_bridge.errors import EntryExistsError, EntryNotFoundError
from kwallet_bridge.model import Entry, FolderName, Key, WalletName
from kwallet_bridge.qtstream import utf16_key
from kwallet_bridge.store import codec
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import Quirks

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")

W = WalletName("kdewallet")
FOLDERS = st.sampled_from([FolderName(name) for name in ("", "a", "a/b", "\U0001f511")])
KEYS = st.sampled_from([Key(name) for name in ("", "a", "b", "*")])
# KeePassXC refuses references whatever the content type, as its knob does.
ENTRIES = ANY_ENTRIES.filter(lambda entry: b"{REF:" not in codec.encode_value(entry).value.reveal())
QUIRKS = st.sampled_from(
    [
        Quirks(),
        Quirks(keeps_content_type=False),
        Quirks(rewrites_text=True, hides_locked_items=True, items_lock_singly=True),
        Quirks(
            hides_locked_items=True,
            replaces_exact_only=True,
            delete_takes_supersets=True,
            setters_forgotten=True,
        ),
        Quirks(locked_reads_empty=True, schemaless_twins=True),
    ]
)
FOREIGN = {"server": "a", "user": "a", "xdg:schema": "org.gnome.keyring.NetworkPassword"}


class StoreMachine(RuleBasedStateMachine):
    """The store beside a dictionary of folders, while others write too and providers restart."""

    @initialize(quirks=QUIRKS)
    def start(self, quirks: Quirks) -> None:
        """Open an empty wallet beside a foreign item."""
        self.loop = asyncio.new_event_loop()
        self.model: dict[FolderName, dict[Key, Entry]] = {}
        self.run(self._start(quirks))

    async def _start(self, quirks: Quirks) -> None:
        self.memory = MemoryBackend(quirks)
        self.box = self.memory.add_collection(W, alias="default")
        self.memory.add_item(self.box, FOREIGN, b"theirs")
        self.memory.gate = lambda _name: asyncio.sleep(0)
        self.store = EntryStore(self.memory)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run to the end."""
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        """Let go."""
        if hasattr(self, "store"):
            foreign = [row for row in self.memory.dump(self.box) if row[1] == FOREIGN]
            assert [row[2] for row in foreign] == [b"theirs"]
            self.run(self.store.close())
            self.loop.close()

    @rule(folder=FOLDERS, key=KEYS, entry=ENTRIES)
    def write(self, folder: FolderName, key: Key, entry: Entry) -> None:
        """A write tells whether the folder is new."""
        new = self.run(self.store.write(W, folder, key, entry))
        assert new is (folder not in self.model)
        self.model.setdefault(folder, {})[key] = entry

    @rule(folder=FOLDERS, entries=st.dictionaries(KEYS, ENTRIES, min_size=2))
    def write_many(self, folder: FolderName, entries: dict[Key, Entry]) -> None:
        """Writes at once to several keys all take place."""

        async def work() -> None:
            await asyncio.gather(*(self.store.write(W, folder, k, e) for k, e in entries.items()))

        self.run(work())
        self.model.setdefault(folder, {}).update(entries)

    @rule(folder=FOLDERS, key=KEYS)
    def remove(self, folder: FolderName, key: Key) -> None:
        """A removal tells whether there was an entry, and keeps the folder."""
        there = self.model.get(folder, {}).pop(key, None) is not None
        assert self.run(self.store.remove(W, folder, key)) is there

    @rule(folder=FOLDERS, key=KEYS, new_key=KEYS)
    def rename(self, folder: FolderName, key: Key, new_key: Key) -> None:
        """A rename moves, or is refused as the dictionary says."""
        entries = self.model.get(folder, {})
        try:
            self.run(self.store.rename(W, folder, key, new_key=new_key))
        except EntryNotFoundError:
            assert key not in entries
        except EntryExistsError:
            assert new_key in entries
        else:
            assert new_key not in entries
            entries[new_key] = entries.pop(key)

    @rule(folder=FOLDERS)
    def create_folder(self, folder: FolderName) -> None:
        """A folder is made once."""
        assert self.run(self.store.create_folder(W, folder)) is (folder not in self.model)
        self.model.setdefault(folder, {})

    @rule(folder=FOLDERS)
    def remove_folder(self, folder: FolderName) -> None:
        """A folder goes with its entries."""
        there = self.model.pop(folder, None) is not None
        assert self.run(self.store.remove_folder(W, folder)) is there

    @rule(folder=FOLDERS, key=KEYS, entry=ENTRIES)
    def others_write(self, folder: FolderName, key: Key, entry: Entry) -> None:
        """Another program makes, or overwrites, an entry."""
        item = codec.encode_entry(folder, key, entry)

        async def work() -> None:
            for old in await self.memory.search(self.box, codec.entry_query(folder, key)):
                if codec.is_entry((await self.memory.read_items([old]))[old].attributes):
                    self.memory.drop_item(old)
            secret = item.secret
            self.memory.add_item(
                self.box,
                item.attributes,
                secret.value.reveal(),
                label=item.label,
                content_type="application/octet-stream",
            )

        self.run(work())
        self.model.setdefault(folder, {})[key] = entry

    @rule(folder=FOLDERS)
    def others_remove(self, folder: FolderName) -> None:
        """Another program deletes everything with our attributes in a folder."""

        async def work() -> None:
            for old in await self.memory.search(self.box, codec.folder_query(folder)):
                if codec.is_ours((await self.memory.read_items([old]))[old].attributes):
                    self.memory.drop_item(old)

        self.run(work())
        self.model.pop(folder, None)

    @rule(tick=st.sampled_from([0, 0.06]))
    def wait(self, tick: float) -> None:
        """Events are looked at, or not yet."""
        self.run(asyncio.sleep(tick))

    @rule()
    def lock_and_unlock(self) -> None:
        """Another program locks and unlocks."""

        async def work() -> None:
            self.memory.set_locked(self.box, locked=True)
            self.memory.set_locked(self.box, locked=False)

        self.run(work())

    @rule()
    def restart(self) -> None:
        """The provider restarts and names its items anew."""

        async def work() -> None:
            self.memory.restart()

        self.run(work())

    @rule(folder=FOLDERS, key=KEYS)
    def ask_about_an_entry(self, folder: FolderName, key: Key) -> None:
        """Single questions are answered as the dictionary does."""
        entry = self.model.get(folder, {}).get(key)
        assert self.run(self.store.read(W, folder, key)) == entry
        kind = self.run(self.store.entry_type(W, folder, key))
        assert kind == (entry.type if entry else None)

    @rule(folder=FOLDERS)
    def ask_about_a_folder(self, folder: FolderName) -> None:
        """Questions about a folder are answered as the dictionary does."""
        entries = self.model.get(folder, {})
        assert self.run(self.store.has_folder(W, folder)) is (folder in self.model)
        listed = self.run(self.store.list_entries(W, folder))
        assert list(listed.items()) == [
            (key, entries[key].type) for key in sorted(entries, key=utf16_key)
        ]
        assert self.run(self.store.read_many(W, folder, lambda *_: True)) == entries

    @rule()
    def ask_for_folders(self) -> None:
        """Folders are listed as the dictionary does."""
        listed = list(self.run(self.store.list_folders(W)))
        assert listed == sorted(self.model, key=utf16_key)

    @invariant()
    def each_entry_is_one_item(self) -> None:
        """There are as many items as entries and markers, besides the foreign one."""
        if hasattr(self, "store"):
            attributes = [row[1] for row in self.memory.dump(self.box)]
            assert sum(map(codec.is_entry, attributes)) == sum(map(len, self.model.values()))


StoreMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestStoreBesideADictionary = StoreMachine.TestCase
