# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store keeps, whatever provider is below. Inherit it and give it a ``world``."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.errors import (
    EntryExistsError,
    EntryNotFoundError,
    InvalidNameError,
    ReadBackError,
)
from kwallet_bridge.model import EntryType, FolderName, Key, WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec
from kwallet_bridge.store.port import CollectionId, ItemBackend, ItemId, ItemSecret, NewItem
from kwallet_bridge.store.wallets import FoldersTouched, FolderTouched, StoreEvent, WalletState
from support.entries import EXAMPLES, NASTY, password, stream, text_map

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kwallet_bridge.model import Entry
    from kwallet_bridge.store.entries import EntryStore

F = FolderName("Passwords")
K = Key("user@host")

ODD_NAMES = {
    "empty": "",
    "slash": "a/b//c",
    "wildcards": "*@*[a-c]?",
    "unicode": "ключ 鍵 \U0001f511 é",
    "newline": "a\nb",
    "spaces": "  x  ",
    "quotes": "\"'\\%{TITLE}",
    "long": "x" * 5000,
}


class World(ABC):
    """One open wallet ``wallet`` in a provider, seen by the store and by another program."""

    wallet = WalletName("kdewallet")
    store: EntryStore
    outside: ItemBackend
    collection: CollectionId
    unkept: Collection[str] = ()
    """Examples whose bytes the provider cannot keep: refused, or kept but for null and order."""

    @abstractmethod
    async def restart(self) -> None:
        """End provider and store, start both again, and open the wallet."""

    async def add(
        self, attributes: Mapping[str, str], value: bytes = b"", content_type: str = "text/plain"
    ) -> ItemId:
        """Add an item as another program, beside any that is there."""
        place = f"{attributes.get('server')}/{attributes.get('user')}"
        label = place if codec.is_entry(attributes) else "another's"
        item = NewItem(label, dict(attributes), ItemSecret(Secret(value), content_type))
        return await self.outside.create_item(self.collection, item, replace=False)

    async def items(self, **attributes: str) -> list[tuple[dict[str, str], bytes]]:
        """Show attributes and secrets of all items that have these attributes."""
        found = await self.outside.search(self.collection, attributes)
        infos = await self.outside.read_items(found)
        secrets = await self.outside.read_secrets(found)
        shown = [
            (codec.own_attributes(infos[i].attributes), secrets[i].value.reveal()) for i in found
        ]
        return sorted(shown, key=repr)

    def examples(self) -> dict[str, Entry]:
        """Give the examples that come back byte for byte."""
        return {name: entry for name, entry in EXAMPLES.items() if name not in self.unkept}

    def listen(self) -> asyncio.Queue[StoreEvent]:
        """Collect the store's events."""
        queue: asyncio.Queue[StoreEvent] = asyncio.Queue()
        self.store.subscribe(queue.put_nowait)
        return queue


async def expect(queue: asyncio.Queue[StoreEvent], wanted: StoreEvent) -> list[StoreEvent]:
    """Wait for an event; give what came before it."""
    seen = []
    async with asyncio.timeout(20):
        while (event := await queue.get()) != wanted:
            seen.append(event)
    return seen


NO_NULL = frozenset(name for name in EXAMPLES if name.startswith("map")) - {
    "map",
    "map empty",
    "map with placeholders",
    "map with controls",
}
"""Examples that a provider which rewrites maps cannot keep."""


class StoreContract:
    """Inherit, and add a fixture ``world``."""

    # --- values ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", EXAMPLES)
    async def test_every_kind_of_entry_survives(self, world: World, name: str) -> None:
        """An entry reads back byte for byte and under its type."""
        entry = EXAMPLES[name]
        if name in world.unkept:
            await self._is_refused_or_same(world, entry)
            return
        await world.store.write(world.wallet, F, K, entry)
        assert await world.store.read(world.wallet, F, K) == entry
        assert await world.store.entry_type(world.wallet, F, K) is entry.type

    async def _is_refused_or_same(self, world: World, entry: Entry) -> None:
        """What cannot be kept leaves the old entry, or its texts."""
        await world.store.write(world.wallet, F, K, password("old"))
        try:
            await world.store.write(world.wallet, F, K, entry)
        except ReadBackError:
            assert await world.store.read(world.wallet, F, K) == password("old")
            assert len(await world.items(server=F, user=K)) == 1
        else:
            back = await world.store.read(world.wallet, F, K)
            assert back is not None
            assert codec.same_texts(entry, back)

    async def test_every_kind_of_entry_survives_a_restart(self, world: World) -> None:
        """Entries of every kind, and an empty folder, are there after the provider's restart."""
        examples = world.examples()
        for name, entry in examples.items():
            await world.store.write(world.wallet, F, Key(name), entry)
        await world.store.create_folder(world.wallet, FolderName("empty"))
        await world.restart()
        found = await world.store.read_many(world.wallet, F, lambda _key, _type: True)
        assert {str(key): entry for key, entry in found.items()} == examples
        for name, entry in examples.items():
            assert await world.store.read(world.wallet, F, Key(name)) == entry
        assert await world.store.has_folder(world.wallet, FolderName("empty"))
        assert await world.store.list_entries(world.wallet, FolderName("empty")) == {}

    async def test_nasty_texts_survive_a_restart(self, world: World) -> None:
        """Forty nasty texts, as passwords, in maps and as bytes, are what they were, each type too.

        What a running provider gives back proves nothing: it may write what it cannot read. One that
        rewrites maps may refuse some of them, which then are not there.
        """
        made: dict[Key, Entry] = {}
        for number, text in enumerate(NASTY):
            made[Key(f"{number} password")] = password(text)
            made[Key(f"{number} map")] = text_map({text: text, "k": f"x{text}"})
            made[Key(f"{number} stream")] = stream(text.encode())
        for key, entry in list(made.items()):
            try:
                await world.store.write(world.wallet, F, key, entry)
            except ReadBackError:
                assert entry.type is EntryType.MAP
                assert world.unkept
                del made[key]
        await world.restart()
        found = await world.store.read_many(world.wallet, F, lambda _key, _type: True)
        assert dict(found) == made
        types = await world.store.list_entries(world.wallet, F)
        assert dict(types) == {key: entry.type for key, entry in made.items()}

    async def test_a_nasty_text_is_replaced_and_replaces(self, world: World) -> None:
        """Whatever form a text is kept in, the next value takes its place, after a restart too."""
        steps = [password("a\nb"), stream(b"a\nb"), password("x"), password("\\"), password("y z")]
        for entry in [*steps, text_map({"a": "\n"}), password(" c\n")]:
            await world.store.write(world.wallet, F, K, entry)
            assert await world.store.read(world.wallet, F, K) == entry
            assert await world.store.entry_type(world.wallet, F, K) is entry.type
            assert len(await world.items(server=F, user=K)) == 1
        await world.restart()
        assert await world.store.read(world.wallet, F, K) == password(" c\n")

    async def test_a_large_value_survives(self, world: World) -> None:
        """A value of one mebibyte is there after the restart."""
        entry = stream(bytes(range(256)) * 4096)
        await world.store.write(world.wallet, F, K, entry)
        await world.restart()
        assert await world.store.read(world.wallet, F, K) == entry

    @pytest.mark.parametrize("name", ODD_NAMES)
    async def test_odd_names_are_kept(self, world: World, name: str) -> None:
        """Folder and key may be any text that D-Bus carries, and are told apart exactly."""
        folder, key = FolderName(ODD_NAMES[name]), Key(ODD_NAMES[name])
        assert await world.store.write(world.wallet, folder, key, password("x")) is True
        assert await world.store.list_entries(world.wallet, folder) == {key: EntryType.PASSWORD}
        assert await world.store.read(world.wallet, folder, key) == password("x")
        await world.restart()
        assert await world.store.list_entries(world.wallet, folder) == {key: EntryType.PASSWORD}
        assert await world.store.read(world.wallet, folder, key) == password("x")
        assert await world.store.read(world.wallet, folder, Key(key + "x")) is None
        assert not await world.store.has_folder(world.wallet, FolderName(folder + "x"))
        assert await world.store.remove(world.wallet, folder, key) is True
        assert await world.store.has_folder(world.wallet, folder)

    @pytest.mark.parametrize("name", ["a\0b", "\ud800"])
    async def test_impossible_names_do_not_exist(self, world: World, name: str) -> None:
        """A name D-Bus cannot carry is absent when asked for and refused when written."""
        assert await world.store.read(world.wallet, FolderName(name), Key(name)) is None
        assert await world.store.entry_type(world.wallet, F, Key(name)) is None
        assert not await world.store.has_folder(world.wallet, FolderName(name))
        with pytest.raises(InvalidNameError):
            await world.store.write(world.wallet, F, Key(name), password("x"))
        with pytest.raises(InvalidNameError):
            await world.store.create_folder(world.wallet, FolderName(name))

    # --- one entry ------------------------------------------------------------------------------

    async def test_another_type_replaces_the_entry(self, world: World) -> None:
        """Writing another type leaves one item, of the new type."""
        for entry in (password("x"), stream(b"\0"), text_map({"a": "b"}), password("y")):
            await world.store.write(world.wallet, F, K, entry)
            assert await world.store.read(world.wallet, F, K) == entry
            assert len(await world.items(server=F, user=K)) == 1

    async def test_items_are_kdes(self, world: World) -> None:
        """An item has the four attributes and the text that kwalletd6 and QtKeychain look for."""
        await world.store.write(world.wallet, F, K, password("héllo"))
        attributes = {"server": F, "user": K, "type": "plaintext", "xdg:schema": "org.qt.keychain"}
        assert await world.items(server=F, user=K) == [(attributes, "héllo".encode())]

    async def test_removing_keeps_the_folder(self, world: World) -> None:
        """The last entry's removal leaves an empty folder; absent entries are told as absent."""
        await world.store.write(world.wallet, F, K, password("x"))
        assert await world.store.remove(world.wallet, F, Key("none")) is False
        assert await world.store.remove(world.wallet, F, K) is True
        assert await world.store.remove(world.wallet, F, K) is False
        assert await world.store.read(world.wallet, F, K) is None
        await world.restart()
        assert await world.store.list_folders(world.wallet) == (F,)
        assert await world.store.list_entries(world.wallet, F) == {}

    async def test_rename_moves_every_kind(self, world: World) -> None:
        """Renaming keeps type and bytes; the old key is gone."""
        for name, entry in world.examples().items():
            await world.store.write(world.wallet, F, Key(name), entry)
            await world.store.rename(world.wallet, F, Key(name), new_key=Key("new " + name))
            assert await world.store.read(world.wallet, F, Key("new " + name)) == entry
            assert await world.store.read(world.wallet, F, Key(name)) is None
        await world.restart()
        for name, entry in world.examples().items():
            assert await world.store.read(world.wallet, F, Key("new " + name)) == entry
            assert await world.store.read(world.wallet, F, Key(name)) is None

    async def test_rename_refuses_what_is_taken(self, world: World) -> None:
        """A taken key, the same key and a missing entry are refused and nothing is changed."""
        await world.store.write(world.wallet, F, K, password("x"))
        await world.store.write(world.wallet, F, Key("taken"), password("y"))
        with pytest.raises(EntryExistsError):
            await world.store.rename(world.wallet, F, K, new_key=Key("taken"))
        with pytest.raises(EntryExistsError):
            await world.store.rename(world.wallet, F, K, new_key=K)
        with pytest.raises(EntryNotFoundError):
            await world.store.rename(world.wallet, F, Key("none"), new_key=Key("new"))
        assert await world.store.read(world.wallet, F, K) == password("x")
        assert await world.store.read(world.wallet, F, Key("taken")) == password("y")

    # --- folders --------------------------------------------------------------------------------

    async def test_folders_are_made_once(self, world: World) -> None:
        """A folder is new once, has a marker without ``user``, and goes when removed."""
        assert await world.store.create_folder(world.wallet, F) is True
        assert await world.store.create_folder(world.wallet, F) is False
        assert await world.store.write(world.wallet, F, K, password("x")) is False
        marker = {"server": F, "type": "folder", "xdg:schema": "org.kde.KWallet.Folder"}
        assert await world.items(type="folder") == [(marker, b"")]
        await world.restart()
        assert await world.store.create_folder(world.wallet, F) is False
        assert await world.store.remove_folder(world.wallet, F) is True
        assert await world.store.remove_folder(world.wallet, F) is False
        assert await world.items() == []

    async def test_folders_and_keys_are_sorted_as_qt_does(self, world: World) -> None:
        """Lists ascend by UTF-16 code unit, each name once."""
        names = ["b", "a", "B", "", "\ufffd", "\U0001f511", "ab"]
        expected = ["", "B", "a", "ab", "b", "\U0001f511", "\ufffd"]
        for name in names:
            await world.store.write(world.wallet, FolderName(name), Key("1"), password("x"))
            await world.store.write(world.wallet, FolderName("b"), Key(name), password("x"))
        assert list(await world.store.list_folders(world.wallet)) == expected
        await world.restart()
        assert list(await world.store.list_folders(world.wallet)) == expected
        listed = await world.store.list_entries(world.wallet, FolderName("b"))
        assert list(listed) == ["", "1", *expected[1:]]

    async def test_reading_many_asks_for_what_is_wanted(self, world: World) -> None:
        """Only the wanted entries are read, in order."""
        await world.store.write(world.wallet, F, Key("b"), password("1"))
        await world.store.write(world.wallet, F, Key("a"), password("2"))
        await world.store.write(world.wallet, F, Key("c"), stream(b"3"))
        found = await world.store.read_many(
            world.wallet, F, lambda _key, kind: kind is EntryType.PASSWORD
        )
        assert list(found.items()) == [(Key("a"), password("2")), (Key("b"), password("1"))]
        assert await world.store.read_many(world.wallet, FolderName("none"), lambda *_: True) == {}

    # --- other people's items -------------------------------------------------------------------

    async def test_foreign_items_stay(self, world: World) -> None:
        """Items of other programs are never listed, changed or deleted, whatever we do beside."""
        foreign = [
            {"server": F, "user": K, "xdg:schema": "org.gnome.keyring.NetworkPassword"},
            {"server": F, "xdg:schema": "org.example.Other"},
            {"application": "browser", "xdg:schema": "chrome_libsecret_os_crypt_password_v2"},
            {"server": "elsewhere", "user": "me", "xdg:schema": "org.example.Other"},
        ]
        for attributes in foreign:
            await world.add(attributes, b"theirs")
        assert not await world.store.has_folder(world.wallet, F)
        assert await world.store.list_folders(world.wallet) == ()
        assert await world.store.read(world.wallet, F, K) is None
        await world.store.write(world.wallet, F, K, password("ours"))
        await world.store.write(world.wallet, F, K, stream(b"ours"))
        await world.store.rename(world.wallet, F, K, new_key=Key("new"))
        await world.store.remove(world.wallet, F, Key("new"))
        await world.store.remove_folder(world.wallet, F)
        await world.restart()
        left = sorted(attributes["xdg:schema"] for attributes, _value in await world.items())
        assert left == sorted(attributes["xdg:schema"] for attributes in foreign)
        assert all(value == b"theirs" for _attributes, value in await world.items())

    async def test_oo7s_migrated_entries_are_read_and_repaired(self, world: World) -> None:
        """An item without schema and of type ``password`` reads, and a write makes it KDE's."""
        await world.add(
            {"server": F, "user": K, "type": "password"}, b"old", "application/octet-stream"
        )
        assert await world.store.read(world.wallet, F, K) == password("old")
        assert await world.store.list_entries(world.wallet, F) == {K: EntryType.PASSWORD}
        assert await world.store.write(world.wallet, F, K, password("new")) is False
        await world.restart()
        assert await world.store.read(world.wallet, F, K) == password("new")
        kept = [a for a, _value in await world.items(server=F, user=K)]
        assert [a.get("xdg:schema") for a in kept] == ["org.qt.keychain"]

    async def test_twins_are_one_entry(self, world: World) -> None:
        """Two items of one key list once, and one is left after a write, none after removal."""
        ours = {"server": F, "user": K, "xdg:schema": "org.qt.keychain"}
        await world.add({**ours, "type": "base64"}, b"AA==")
        await world.add({**ours, "type": "plaintext"}, b"text")
        assert list(await world.store.list_entries(world.wallet, F)) == [K]
        await world.store.write(world.wallet, F, K, password("new"))
        assert await world.store.read(world.wallet, F, K) == password("new")
        assert len(await world.items(server=F, user=K)) == 1
        await world.add({**ours, "type": "map"}, b"{}")
        await world.store.remove(world.wallet, F, K)
        await world.restart()
        assert await world.store.read(world.wallet, F, K) is None

    @pytest.mark.parametrize("way", ["one", "many"])
    async def test_a_newer_twin_is_read_at_once(self, world: World, way: str) -> None:
        """What another program has just put beside an entry is what is read from then on."""
        ours = {"server": F, "xdg:schema": "org.qt.keychain"}
        for number in range(20):
            key = Key(f"{number}")
            await world.store.write(world.wallet, F, key, password("old"))
            assert await world.store.list_entries(world.wallet, F)
            await world.add({**ours, "user": key, "type": "map"}, b'{"a":"new"}')
            if way == "one":
                found = await world.store.read(world.wallet, F, key)
            else:
                many = await world.store.read_many(world.wallet, F, lambda *_: True)
                found = many.get(key)
            assert found == text_map({"a": "new"}), f"round {number}"
            assert await world.store.entry_type(world.wallet, F, key) is EntryType.MAP
            await world.store.remove(world.wallet, F, key)

    # --- many at once ---------------------------------------------------------------------------

    async def test_writes_to_one_key_do_not_mix(self, world: World) -> None:
        """Of many writes at once to one key the last started is what stays, as one item."""
        entries = [password("1"), stream(b"2"), text_map({"3": "3"}), password("4")]
        await asyncio.gather(*(world.store.write(world.wallet, F, K, entry) for entry in entries))
        assert await world.store.read(world.wallet, F, K) == entries[-1]
        await world.restart()
        assert await world.store.read(world.wallet, F, K) == entries[-1]
        assert len(await world.items(server=F, user=K)) == 1

    async def test_a_write_outlives_its_caller(self, world: World) -> None:
        """A started write ends although nobody waits for it any more."""
        await world.store.has_folder(world.wallet, F)
        task = asyncio.create_task(world.store.write(world.wallet, F, K, password("x")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert await world.store.remove(world.wallet, F, K) is True

    # --- events ---------------------------------------------------------------------------------

    async def test_changes_of_others_are_told_and_seen(self, world: World) -> None:
        """Another program's item is told once per folder, and the answers change with it."""
        events = world.listen()
        assert await world.store.list_folders(world.wallet) == ()
        ours = {"server": F, "user": K, "type": "plaintext", "xdg:schema": "org.qt.keychain"}
        item = await world.add(ours, b"theirs")
        seen = await expect(events, FolderTouched(world.wallet, F))
        assert seen == [FoldersTouched(world.wallet)]
        assert await world.store.read(world.wallet, F, K) == password("theirs")
        await world.outside.delete_item(item)
        seen = await expect(events, FolderTouched(world.wallet, F))
        assert seen == [FoldersTouched(world.wallet)]
        assert await world.store.read(world.wallet, F, K) is None
        assert await world.store.list_folders(world.wallet) == ()

    async def test_our_own_writes_are_not_told(self, world: World) -> None:
        """What the store writes itself brings no event; what others write next does."""
        await world.store.list_folders(world.wallet)
        events = world.listen()
        await world.store.write(world.wallet, F, K, password("x"))
        await world.store.write(world.wallet, F, K, stream(b"x"))
        await world.store.rename(world.wallet, F, K, new_key=Key("new"))
        await world.store.remove(world.wallet, F, Key("new"))
        await world.store.create_folder(world.wallet, FolderName("made"))
        await world.store.remove_folder(world.wallet, FolderName("made"))
        theirs = FolderName("theirs")
        await world.add({"server": theirs, "user": "u", "type": "map"}, b"{}")
        seen = await expect(events, FolderTouched(world.wallet, theirs))
        assert seen == [FoldersTouched(world.wallet)]

    # --- wallets --------------------------------------------------------------------------------

    async def test_the_wallet_is_listed_once(self, world: World) -> None:
        """The open wallet is listed and unlocked; any other name is absent."""
        assert list(await world.store.list_wallets()).count(world.wallet) == 1
        assert await world.store.wallet_state(world.wallet) is WalletState.UNLOCKED
        assert await world.store.wallet_state(WalletName("none")) is WalletState.ABSENT
        assert not await world.store.might_exist(WalletName("none"), F, K)
