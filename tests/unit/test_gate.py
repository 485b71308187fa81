# SPDX-License-Identifier: GPL-3.0-or-later
"""The name gate: what programs hear of places that are known from elsewhere."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from support.services import APP, WALLET, Served

from kwallet_bridge import qtstream
from kwallet_bridge.errors import ElsewhereError
from kwallet_bridge.model import Entry, EntryType, FolderName, Handle, Key, WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.expected import HiddenNames, NameDigests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from kwallet_bridge.store.expected import Expectation, Removal

KNOWN = FolderName("Keys")
HERE, LACKING = Key("here"), Key("lacking")
OTHER = FolderName("Mail")
NEW = FolderName("New")
ADVICE = "move it first"


class Record:
    """A source of one expectation, of which a refresh may make another or none."""

    def __init__(self, *names: WalletName, expectation: Expectation) -> None:
        self.names = list(names)
        self.expectation = expectation
        self.refreshed = 0
        self.at_refresh: Callable[[], Awaitable[object]] | None = None

    def wallets(self) -> Sequence[WalletName]:
        """Name them."""
        return self.names

    def expected(self, _: WalletName) -> Sequence[Expectation]:
        """Give the one."""
        return (self.expectation,)

    async def release(self, wallet: WalletName, removal: Removal) -> None:
        """Let nothing go."""

    async def refresh(self) -> None:
        """Count, and do what the test wants to happen then."""
        self.refreshed += 1
        if self.at_refresh is not None:
            await self.at_refresh()


def _digest(name: str) -> bytes:
    return hashlib.sha256(b"key" + name.encode()).digest()


def digests(folders: dict[str, set[str]]) -> NameDigests:
    """Expect these names."""
    table = {_digest(name): {_digest(key) for key in keys} for name, keys in folders.items()}
    return NameDigests(_digest, table, ADVICE)


def _password(text: str) -> Entry:
    return Entry(EntryType.PASSWORD, Secret(qtstream.encode_string(text)))


class World:
    """A wallet that holds ``Keys/here`` and ``Mail/a``, while ``record`` knows of more."""

    def __init__(self, expectation: Expectation, wallet: WalletName = WALLET) -> None:
        self.record = Record(wallet, expectation=expectation)
        self.served = Served(sources=[self.record])
        self.served.backend.add_collection("Login", alias="default")
        self.handle = Handle(0)

    async def fill(self) -> None:
        """Write what is there, before anything is expected."""
        names, self.record.names = self.record.names, []
        self.handle = await self.served.open()
        for folder, key in ((KNOWN, HERE), (OTHER, Key("a"))):
            await self.served.store.write(WALLET, folder, key, _password("old"))
        self.record.names = names
        self.served.heard()

    async def ask(self, member: str, **rest: object) -> object:
        """Call a method of the interface with the handle."""
        method = getattr(self.served.contents, member)
        return await method("", handle=self.handle, appid=APP, **rest)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Expect two keys of a folder that has one of them, and a folder that is not there."""
    made = World(digests({"Keys": {"here", "lacking"}, "Gone": {"x"}, "Empty": set()}))
    await made.fill()
    yield made
    await made.served.service.stop()
    await made.served.store.close()


async def test_deleting_what_is_pending_asks_nobody(world: World) -> None:
    """It is refused before a locked wallet is unlocked for it."""
    served = world.served
    (box,) = await served.backend.collections()
    served.backend.set_locked(box.id, locked=True)
    with pytest.raises(ElsewhereError):
        await served.service.delete_wallet("", wallet=WALLET)
    assert await served.backend.is_locked(box.id)
    world.record.names = []
    assert await served.service.delete_wallet("", wallet=WALLET) == 0
    assert not await served.backend.is_locked(box.id)


TRUE = [
    ("has_folder", {"folder": KNOWN}),
    ("has_folder", {"folder": "Gone"}),
    ("has_folder", {"folder": "Empty"}),
    ("has_entry", {"folder": KNOWN, "key": HERE}),
    ("has_entry", {"folder": KNOWN, "key": LACKING}),
    ("has_entry", {"folder": "Gone", "key": "x"}),
]
REFUSED = [
    ("list_folders", {}),
    ("list_entries", {"folder": KNOWN}),
    ("list_entries", {"folder": "Gone"}),
    ("entry_type", {"folder": KNOWN, "key": LACKING}),
    ("entry_type", {"folder": "Gone", "key": "x"}),
    ("read_entry", {"folder": KNOWN, "key": LACKING}),
    ("read_map", {"folder": "Gone", "key": "x"}),
    ("read_password", {"folder": KNOWN, "key": LACKING}),
    ("read_entry_list", {"folder": KNOWN, "key": "*"}),
    ("read_map_list", {"folder": "Gone", "key": "x"}),
    ("read_password_list", {"folder": KNOWN, "key": "l*"}),
    ("all_entries", {"folder": KNOWN}),
    ("all_maps", {"folder": "Gone"}),
    ("all_passwords", {"folder": KNOWN}),
    ("create_folder", {"folder": "Gone"}),
    ("create_folder", {"folder": "Empty"}),
    ("remove_folder", {"folder": KNOWN}),
    ("remove_folder", {"folder": "Gone"}),
    ("write_entry", {"folder": KNOWN, "key": LACKING, "value": b"x"}),
    ("write_map", {"folder": "Gone", "key": "x", "value": b""}),
    ("write_password", {"folder": KNOWN, "key": LACKING, "value": "x"}),
    ("rename_entry", {"folder": KNOWN, "old_name": LACKING, "new_name": "n"}),
    ("rename_entry", {"folder": KNOWN, "old_name": HERE, "new_name": "n"}),
    ("rename_entry", {"folder": "Gone", "old_name": "n", "new_name": "x"}),
    ("remove_entry", {"folder": KNOWN, "key": LACKING}),
    ("remove_entry", {"folder": KNOWN, "key": HERE}),
    ("remove_entry", {"folder": "Gone", "key": "x"}),
]
SERVED: list[tuple[str, dict[str, object], object]] = [
    ("has_folder", {"folder": "nowhere"}, False),
    ("has_entry", {"folder": KNOWN, "key": "nowhere"}, False),
    ("has_entry", {"folder": "Gone", "key": "nowhere"}, False),
    ("entry_type", {"folder": KNOWN, "key": HERE}, 1),
    ("entry_type", {"folder": KNOWN, "key": "nowhere"}, 0),
    ("read_password", {"folder": KNOWN, "key": HERE}, "old"),
    ("read_password", {"folder": KNOWN, "key": "nowhere"}, ""),
    ("list_entries", {"folder": OTHER}, ["a"]),
    ("list_entries", {"folder": "Empty"}, []),
    ("all_passwords", {"folder": OTHER}, {"a": "old"}),
    ("write_password", {"folder": KNOWN, "key": HERE, "value": "new"}, 0),
    ("write_password", {"folder": "Gone", "key": "y", "value": "new"}, 0),
    ("create_folder", {"folder": NEW}, True),
    ("rename_entry", {"folder": OTHER, "old_name": "a", "new_name": "b"}, 0),
    ("remove_entry", {"folder": OTHER, "key": "a"}, 0),
    ("remove_folder", {"folder": OTHER}, True),
]


@pytest.mark.parametrize(("member", "rest"), TRUE)
async def test_what_is_expected_is_there(
    world: World, member: str, rest: dict[str, object]
) -> None:
    """Whoever asks for an expected place hears that it exists."""
    assert await world.ask(member, **rest) is True


@pytest.mark.parametrize(("member", "rest"), REFUSED)
async def test_what_cannot_be_answered_is_refused(
    world: World, member: str, rest: dict[str, object]
) -> None:
    """Values, lists, writes and removals of what is lacking are errors, and change nothing."""
    with pytest.raises(ElsewhereError, match=ADVICE):
        await world.ask(member, **rest)
    assert await world.ask("read_password", folder=KNOWN, key=HERE) == "old"
    world.record.names = []
    assert not await world.ask("has_entry", folder=KNOWN, key=LACKING)
    assert not await world.ask("has_folder", folder="Gone")


@pytest.mark.parametrize(("member", "rest", "answer"), SERVED)
async def test_everything_else_is_served(
    world: World, member: str, rest: dict[str, object], answer: object
) -> None:
    """What is there, or expected by nobody, is answered as ever, without another look."""
    assert await world.ask(member, **rest) == answer
    assert world.record.refreshed == 0


async def test_a_list_that_leaves_nothing_out_is_given(world: World) -> None:
    """Once everything expected is there the gate stands in nobody's way, but for removals."""
    names, world.record.names = world.record.names, []
    store = world.served.store
    await store.write(WALLET, KNOWN, LACKING, _password("moved"))
    await store.write(WALLET, FolderName("Gone"), Key("x"), _password("moved"))
    await store.create_folder(WALLET, FolderName("Empty"))
    world.record.names = names
    assert await world.ask("list_entries", folder=KNOWN) == ["here", "lacking"]
    folders = await world.ask("list_folders")
    assert isinstance(folders, list)
    assert {"Keys", "Gone", "Empty", "Mail"} < set(folders)
    with pytest.raises(ElsewhereError):
        await world.ask("remove_entry", folder=KNOWN, key=LACKING)


async def test_a_wallet_that_is_expected_stays(world: World) -> None:
    """It cannot be deleted while a part of it is elsewhere."""
    with pytest.raises(ElsewhereError):
        await world.served.service.delete_wallet("", wallet=WALLET)
    assert await world.ask("has_entry", folder=KNOWN, key=HERE)


async def test_closed_questions(world: World) -> None:
    """Nobody hears "does not exist" of what is expected, whether the wallet is there or not."""
    service = world.served.service
    absent = WalletName("work")
    world.record.names.append(absent)
    for wallet in (WALLET, absent):
        for folder in ("Gone", "Empty"):
            place = {"wallet": wallet, "folder": FolderName(folder)}
            assert not await service.folder_does_not_exist("", **place)  # type: ignore[arg-type]
        assert not await service.key_does_not_exist("", wallet=wallet, folder=KNOWN, key=LACKING)
        assert await service.folder_does_not_exist("", wallet=wallet, folder=NEW)
        assert await service.key_does_not_exist("", wallet=wallet, folder=KNOWN, key=Key("no"))
    assert await service.list_wallets("") == [WALLET, absent]


async def test_a_wallet_goes_by_all_its_names() -> None:
    """What is expected of the collection's own label is expected of the default wallet."""
    world = World(digests({"Keys": {"lacking"}}), wallet=WalletName("Login"))
    await world.fill()
    assert await world.ask("has_entry", folder=KNOWN, key=LACKING) is True
    assert await world.served.service.list_wallets("") == [WALLET]


async def test_names_that_nobody_can_tell() -> None:
    """Where the names are hidden what is here is served, and nothing is told absent."""
    world = World(HiddenNames(ADVICE))
    await world.fill()
    assert await world.ask("read_password", folder=KNOWN, key=HERE) == "old"
    assert await world.ask("has_entry", folder=KNOWN, key=HERE) is True
    service = world.served.service
    assert not await service.folder_does_not_exist("", wallet=WALLET, folder=NEW)
    refused: list[tuple[str, dict[str, object]]] = [
        ("has_folder", {"folder": NEW}),
        ("has_entry", {"folder": KNOWN, "key": "n"}),
        ("list_folders", {}),
        ("list_entries", {"folder": OTHER}),
        ("all_entries", {"folder": NEW}),
        ("write_password", {"folder": NEW, "key": "n", "value": "x"}),
        ("create_folder", {"folder": NEW}),
        ("remove_entry", {"folder": OTHER, "key": "a"}),
    ]
    for member, rest in refused:
        with pytest.raises(ElsewhereError):
            await world.ask(member, **rest)


async def test_what_was_moved_meanwhile_is_asked_for_again(world: World) -> None:
    """Written and finished between the store's answer and the gate's: the new value is given."""

    async def finish() -> None:
        world.record.names = []
        await world.served.store.write(WALLET, KNOWN, LACKING, _password("moved"))

    world.record.at_refresh = finish
    assert await world.ask("read_password", folder=KNOWN, key=LACKING) == "moved"
    assert world.record.refreshed == 1


async def test_a_decision_to_do_without_is_noticed(world: World) -> None:
    """Once nothing is expected any more, absent is the answer and writes go through."""

    async def finish() -> None:
        world.record.names = []

    world.record.at_refresh = finish
    assert await world.ask("write_password", folder=KNOWN, key=LACKING, value="mine") == 0
    assert await world.ask("read_password", folder=KNOWN, key=LACKING) == "mine"
