# SPDX-License-Identifier: GPL-3.0-or-later
"""The public module over a real gnome-keyring and over a file, beside other clients of both."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import secretstorage
from support.keyrings import PASSWORD
from support.secret_tool import SecretTool

from kwallet_bridge.keyring import (
    AbsentError,
    Change,
    ChangeKind,
    DamagedError,
    DismissedError,
    Keyring,
    LockedError,
    PasswordError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

TEXT = PASSWORD.reveal().decode()
SITE = {"service": "example.org", "user": "ann"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A keyring file that is not there yet."""
    return tmp_path / "t.keyring"


@pytest.fixture
async def over_service(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> AsyncIterator[Keyring]:
    """A keyring over the real program."""
    async with Keyring.open(address=bus.address) as opened:
        yield opened


@pytest.fixture
async def over_file(path: Path) -> AsyncIterator[Keyring]:
    """A keyring file."""
    async with Keyring.open_file(path, TEXT) as opened:
        yield opened


@pytest.fixture(params=["over_service", "over_file"])
def keyring(request: pytest.FixtureRequest) -> Keyring:
    """Either of them."""
    found: Keyring = request.getfixturevalue(request.param)
    return found


async def test_what_is_stored_is_found_and_read(keyring: Keyring) -> None:
    """An item comes back with its label, attributes, secret and times, and others do not."""
    made = await keyring.create_item("Ann's", SITE, "s3cret")
    other = await keyring.create_item("Bob's", SITE | {"user": "bob"}, b"\x00\xff")
    (found,) = await keyring.search_items({"user": "ann"})
    assert found == made
    details = await found.details()
    assert (details.label, await found.label()) == ("Ann's", "Ann's")
    assert {k: details.attributes[k] for k in SITE} == SITE
    assert details.created
    assert await found.modified() >= details.created
    assert await found.secret_text() == "s3cret"
    assert await other.secret() == b"\x00\xff"
    assert await keyring.read_secrets([other, made]) == [b"\x00\xff", b"s3cret"]
    assert [one.label for one in await keyring.read_details([other, made])] == ["Bob's", "Ann's"]
    assert set(await keyring.items()) == {made, other}
    assert await keyring.search_items({"user": "carl"}) == []


async def test_replace_replaces_and_without_it_there_are_two(keyring: Keyring) -> None:
    """``replace`` leaves one item with the new secret; without it another one is made."""
    await keyring.create_item("a", SITE, "one")
    await keyring.create_item("a", SITE, "two")
    (only,) = await keyring.search_items(SITE)
    assert await only.secret() == b"two"
    await keyring.create_item("b", SITE, "three", replace=False)
    found = await keyring.search_items(SITE)
    assert sorted(await keyring.read_secrets(found)) == [b"three", b"two"]


async def test_an_item_is_changed_in_its_place(keyring: Keyring) -> None:
    """Label, secret and attributes are set, and the item keeps its name and what was not set."""
    item = await keyring.create_item("old", SITE, "old secret")
    await item.set_label("new")
    await item.set_secret("new secret")
    assert (await item.label(), await item.secret()) == ("new", b"new secret")
    await item.set_attributes({"service": "example.com"})
    (found,) = await keyring.search_items({"service": "example.com"})
    assert found == item
    assert await keyring.search_items(SITE) == []
    assert (await item.label(), await item.secret()) == ("new", b"new secret")


async def test_a_twin_is_never_replaced_by_setting_the_other(keyring: Keyring) -> None:
    """Where the store could take one item for another, setting is refused and both stay."""
    one = await keyring.create_item("a", SITE, "one")
    two = await keyring.create_item("a", SITE, "two", replace=False)
    with pytest.raises(RefusedError):
        await one.set_secret("other")
    assert await keyring.read_secrets([one, two]) == [b"one", b"two"]


async def test_deleted_is_absent(keyring: Keyring) -> None:
    """Deleting takes what matches and nothing else; reading what is gone says so."""
    item = await keyring.create_item("a", SITE, "x")
    left = await keyring.create_item("b", {"service": "other"}, "y")
    assert await keyring.delete_items(SITE) == 1
    with pytest.raises(AbsentError):
        await item.secret()
    with pytest.raises(AbsentError):
        await keyring.read_secrets([left, item])
    with pytest.raises(ValueError, match="every item"):
        await keyring.delete_items({})
    assert list(await keyring.items()) == [left]


async def test_a_locked_keyring_says_so(keyring: Keyring) -> None:
    """Locked, a secret is neither read nor written, and nobody is told that it is absent."""
    item = await keyring.create_item("a", SITE, "x")
    assert not await keyring.is_locked()
    await keyring.lock()
    assert await keyring.is_locked()
    with pytest.raises(LockedError):
        await item.secret()
    with pytest.raises(LockedError):
        await keyring.create_item("b", SITE, "y")


async def test_changes_are_told_from_the_moment_of_watching(keyring: Keyring) -> None:
    """A watch gives the change made after it, and closing it ends the iteration."""
    await keyring.items()
    async with keyring.watch() as watch:
        item = await keyring.create_item("a", SITE, "x")
        async with asyncio.timeout(10):
            told = [change async for change in _until(watch, item.id)]
    assert told[-1].kind is ChangeKind.ITEMS
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def _until(watch: AsyncIterator[Change], item: str) -> AsyncIterator[Change]:
    async for change in watch:
        yield change
        if change.item == item:
            return


async def test_nobody_to_ask_is_a_dismissal(over_service: Keyring) -> None:
    """Where the provider can ask nobody, unlocking ends as dismissed, not as locked."""
    await over_service.lock()
    with pytest.raises(DismissedError):
        await over_service.unlock()


async def test_no_provider_is_absent(bus: PrivateBus) -> None:
    """Without a provider, and without a bus, opening says that it is absent."""
    with pytest.raises(AbsentError):
        await Keyring.open(address=bus.address)
    with pytest.raises(AbsentError):
        await Keyring.open(address=f"unix:path={bus.folder}/none")


async def test_a_files_troubles_have_their_own_names(path: Path) -> None:
    """A wrong password, a short one, damage and a lost file are told apart."""
    with pytest.raises(RefusedError):
        await Keyring.open_file(path, "abc")
    async with Keyring.open_file(path, TEXT) as keyring:
        await keyring.create_item("a", SITE, "x")
    with pytest.raises(PasswordError):
        await Keyring.open_file(path, "another")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DamagedError):
        await Keyring.open_file(path, TEXT)
    path.unlink()
    with pytest.raises(AbsentError):
        await Keyring.open_file(path, TEXT)


async def test_secretstorage_and_this_read_each_other(
    over_service: Keyring, bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one stores in the provider the other finds by attributes and reads, both ways."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
    await over_service.create_item("ours", SITE, "Grüße")

    def exchange() -> tuple[str, bytes]:
        with closing(secretstorage.dbus_init()) as connection:
            collection = secretstorage.get_default_collection(connection)
            (item,) = collection.search_items(SITE)
            collection.create_item("theirs", {"service": "theirs"}, b"\x00theirs")
            return item.get_label(), item.get_secret()

    assert await asyncio.to_thread(exchange) == ("ours", "Grüße".encode())
    (found,) = await over_service.search_items({"service": "theirs"})
    assert (await found.label(), await found.secret()) == ("theirs", b"\x00theirs")


async def test_secret_tool_and_this_read_each_others_file(path: Path) -> None:
    """What one stores in the file the other finds by attributes and reads, both ways."""
    tool = SecretTool(path)
    await asyncio.to_thread(tool.store, "F", "K", b"theirs")
    async with Keyring.open_file(path, TEXT) as keyring:
        (found,) = await keyring.search_items({"server": "F", "user": "K"})
        assert await found.secret() == b"theirs"
        await found.set_secret("changed")
        await keyring.create_item("ours", SITE, "ours")
    words = [word for pair in SITE.items() for word in pair]
    assert await asyncio.to_thread(tool.run, "lookup", *words) == (0, b"ours")
    assert await asyncio.to_thread(tool.lookup, "F", "K") == (0, b"changed")


async def test_migrating_moves_what_was_named_and_nothing_else(
    over_service: Keyring, over_file: Keyring
) -> None:
    """Twins and all arrive, are gone from the host, and what was not named stays there."""
    await over_service.create_item("one", SITE, "1")
    await over_service.create_item("one", SITE, "2", replace=False)
    stays = await over_service.create_item("stays", {"service": "other"}, "3")
    await over_file.create_item("before", SITE, "0")
    assert await over_file.migrate([{"service": "example.org"}], source=over_service) == 2
    found = await over_file.search_items(SITE)
    assert sorted(await over_file.read_secrets(found)) == [b"1", b"2"]
    assert list(await over_service.items()) == [stays]
    assert await over_file.migrate([{"service": "example.org"}], source=over_service) == 0


async def test_what_cannot_be_written_is_not_removed(
    over_service: Keyring, over_file: Keyring
) -> None:
    """A migration into a locked file fails as locked, and the item stays with the host."""
    item = await over_service.create_item("one", SITE, "1")
    await over_file.lock()
    with pytest.raises(LockedError):
        await over_file.migrate([SITE], source=over_service)
    assert await item.secret() == b"1"
