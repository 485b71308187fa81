# SPDX-License-Identifier: GPL-3.0-or-later
"""Every damage a small keyring file can suffer, heard through the whole store.

After each the store is opened anew, as by a restarted daemon, and asked everything: an answer is
the truth or an error, never "there is no such thing".
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import pytest
from support.keyrings import PASSWORD, entry_item

from kwallet_bridge import qtstream
from kwallet_bridge.errors import (
    BridgeError,
    StoreDamagedError,
    StoreError,
    StoreIncompleteError,
    StoreMissingError,
    StoreOutdatedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.keyringfile import file
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.folder import default_path, resolve_path
from kwallet_bridge.keyringfile.format import (
    Header,
    Keyring,
    PlainItem,
    encode_keyring,
    parse_keyring,
    seal_item,
)
from kwallet_bridge.keyringfile.keys import CipherKey
from kwallet_bridge.keyringfile.notes import note_path
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.keyringfile.watch import FolderWatch
from kwallet_bridge.model import Entry, EntryType, FolderName, Key, WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.identity import Identity
from kwallet_bridge.store.wallets import StoreSettings, WalletState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

_T = TypeVar("_T")
WALLET = WalletName("kdewallet")
FOLDER, BARE, NONE = FolderName("F"), FolderName("E"), FolderName("N")
HEADER = Header(bytes(range(32)), iterations=1, modified=1000, usage=5)
KEY = CipherKey.derive(PASSWORD, HEADER)
VALUES = {Key("a"): b"one", Key("b"): b"two"}
OTHERS = {"account": "x", "xdg:schema": "org.example"}
"""What an item of another program is filed under."""


def marker_item(folder: str) -> PlainItem:
    """A folder's marker."""
    made = codec.folder_marker(FolderName(folder))
    return PlainItem(made.attributes, made.label, 1, 1, made.secret.value)


def small_keyring(usage: int = 5) -> Keyring:
    """Two entries in one folder, another folder that is empty, and somebody else's item."""
    keyring = Keyring(replace(HEADER, usage=usage))
    for key, value in VALUES.items():
        keyring.add(seal_item(KEY, entry_item(FOLDER, key, value)))
    keyring.add(seal_item(KEY, marker_item(BARE)))
    keyring.add(seal_item(KEY, PlainItem(OTHERS, "x", 1, 1, Secret(b"theirs"))))
    return keyring


def stored(value: bytes) -> Entry:
    """A password."""
    return Entry(EntryType.PASSWORD, Secret(qtstream.encode_string(value.decode())))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small file in a folder of its own."""
    folder = tmp_path / "keyrings"
    folder.mkdir()
    found = folder / "default.keyring"
    found.write_bytes(encode_keyring(small_keyring()))
    return found


@asynccontextmanager
async def opened(path: Path, *, served: bool = False) -> AsyncIterator[EntryStore]:
    """A store as a daemon opens it at its start."""
    backend = KeyringFileBackend(path, KnownPassword(PASSWORD), served=served)
    store = EntryStore(backend, StoreSettings(default_wallet=WALLET))
    try:
        yield store
    finally:
        await store.close()


@dataclass
class Heard:
    """How many questions were answered, and how many were answered by an error."""

    answers: int = 0
    errors: int = 0

    async def ask(self, question: Awaitable[_T], *truths: object) -> None:
        """Have a question answered by one of the truths, or by an error."""
        try:
            answer = await question
        except BridgeError:
            self.errors += 1
        else:
            assert answer in truths
            self.answers += 1


async def hear(path: Path, *, served: bool = False) -> Heard:
    """Open the store anew and ask it everything."""
    heard = Heard()
    async with opened(path, served=served) as store:
        await heard.ask(store.wallet_state(WALLET), WalletState.LOCKED)
        await heard.ask(store.might_exist(WALLET, FOLDER, Key("a")), True)
        await heard.ask(store.might_exist(WALLET, FOLDER, None), True)
        await heard.ask(store.list_wallets(), (WALLET,))
        try:
            await store.unlock(WALLET)
        except BridgeError:
            heard.errors += 1
            return heard
        for key, value in VALUES.items():
            await heard.ask(store.entry_type(WALLET, FOLDER, key), EntryType.PASSWORD)
            await heard.ask(store.read(WALLET, FOLDER, key), stored(value))
            await heard.ask(store.might_exist(WALLET, FOLDER, key), True)
        await heard.ask(store.has_folder(WALLET, FOLDER), True)
        await heard.ask(store.has_folder(WALLET, BARE), True)
        await heard.ask(store.has_folder(WALLET, NONE), False)
        await heard.ask(store.entry_type(WALLET, FOLDER, Key("c")), None)
        everything = {key: stored(value) for key, value in VALUES.items()}
        await heard.ask(store.read_many(WALLET, FOLDER, lambda *_: True), everything)
        await heard.ask(
            store.list_entries(WALLET, FOLDER), dict.fromkeys(VALUES, EntryType.PASSWORD)
        )
        await heard.ask(store.list_folders(WALLET), [BARE, FOLDER], (BARE, FOLDER))
    return heard


ALL = 17
"""Questions that an undamaged file answers."""


async def test_a_whole_file_answers_everything(path: Path) -> None:
    """The measure of the tests below: without damage every question has its answer."""
    assert await hear(path) == Heard(answers=ALL, errors=0)


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch no folder: the kernel takes ten milliseconds to end each watch."""

    async def start(_watch: FolderWatch) -> bool:
        return False

    monkeypatch.setattr(FolderWatch, "start", start)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("pattern", ["one bit", "all bits"])
async def test_every_byte_flipped(path: Path, pattern: str) -> None:
    """Whichever byte is damaged, nothing that is there is called absent."""
    whole = path.read_bytes()
    harmless, at_unlock, later = 0, 0, 0
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8 if pattern == "one bit" else 0xFF
        path.write_bytes(damaged)
        note_path(path).unlink(missing_ok=True)
        heard = await hear(path)
        assert path.read_bytes() == damaged
        harmless += not heard.errors
        at_unlock += heard.errors == 1 and heard.answers < ALL - 1
        later += heard.errors > 0 and heard.answers > ALL // 3
    # What nothing depends on: the header's time and count, another program's item.
    assert 0 < harmless < len(whole) // 2
    assert at_unlock
    assert later


@pytest.mark.usefixtures("unwatched")
async def test_cut_at_every_length(path: Path) -> None:
    """A file cut anywhere, to nothing too, is an error."""
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        note_path(path).unlink(missing_ok=True)
        heard = await hear(path)
        assert heard.errors > 0
        assert path.read_bytes() == whole[:size]


@pytest.mark.usefixtures("unwatched")
async def test_a_page_of_zeros(path: Path) -> None:
    """What a broken disk leaves: a stretch of zeros, over the end of one item and the next."""
    whole = path.read_bytes()
    places = range(0, len(whole) - 64, 16)
    noticed = 0
    for at in places:
        path.write_bytes(whole[:at] + bytes(64) + whole[at + 64 :])
        note_path(path).unlink(missing_ok=True)
        noticed += (await hear(path)).errors > 0
    assert noticed > len(places) // 2  # the rest was another program's item


async def test_replaced_by_an_older_one(path: Path) -> None:
    """A file older than the one last seen is an error until a person removes the note."""
    assert await hear(path) == Heard(answers=ALL)
    older = small_keyring(usage=4)
    older.remove(0)
    path.write_bytes(encode_keyring(older))
    heard = await hear(path)
    assert heard.errors == 1
    assert heard.answers < ALL // 2
    async with opened(path) as store:
        with pytest.raises(StoreOutdatedError, match="note"):
            await store.unlock(WALLET)
    note_path(path).unlink()
    async with opened(path) as store:
        await store.unlock(WALLET)
        assert await store.entry_type(WALLET, FOLDER, Key("a")) is None


async def test_another_file_of_an_earlier_time(path: Path) -> None:
    """A backup from before a change of the password is older too, although its counts differ."""
    assert await hear(path) == Heard(answers=ALL)
    header = replace(HEADER, salt=bytes(32), modified=999, usage=99)
    key = CipherKey.derive(PASSWORD, header)
    path.write_bytes(encode_keyring(Keyring(header, {0: seal_item(key, marker_item("x"))}, 1)))
    async with opened(path) as store:
        with pytest.raises(StoreOutdatedError):
            await store.unlock(WALLET)


async def test_replaced_by_an_older_one_while_it_is_open(path: Path) -> None:
    """The daemon that runs does not believe the older file either, nor write over it."""
    async with opened(path) as store:
        await store.unlock(WALLET)
        await store.write(WALLET, FOLDER, Key("c"), stored(b"three"))
        older = encode_keyring(small_keyring())
        path.write_bytes(older)
        with pytest.raises(StoreOutdatedError):
            await store.read(WALLET, FOLDER, Key("c"))
        with pytest.raises(StoreOutdatedError):
            await store.write(WALLET, FOLDER, Key("d"), stored(b"four"))
        assert path.read_bytes() == older


@pytest.mark.parametrize("trace", ["copy", "note", "both", "state"])
async def test_a_file_that_is_gone(path: Path, trace: str) -> None:
    """Whatever tells that there was one: none is made, and the copy stays as it is."""
    whole = path.read_bytes()
    if trace in {"note", "both"}:
        await hear(path)
        assert note_path(path).exists()
    if trace in {"copy", "both"}:
        file.backup_path(path).write_bytes(whole)
    path.unlink()
    served = trace == "state"
    assert (await hear(path, served=served)).errors == 1
    async with opened(path, served=served) as store:
        with pytest.raises(StoreMissingError, match="backup"):
            await store.unlock(WALLET)
        await store.create_wallet(WALLET)  # there is one, so nothing is made
        assert not path.exists()
    if trace in {"copy", "both"}:
        assert file.backup_path(path).read_bytes() == whole
    # What the message says to do is enough.
    path.write_bytes(whole)
    note_path(path).unlink(missing_ok=True)
    assert await hear(path, served=served) == Heard(answers=ALL)


async def test_a_file_that_goes_while_it_is_open(path: Path) -> None:
    """What is known stays known, what is not is an error, and no write makes the file anew."""
    async with opened(path) as store:
        await store.unlock(WALLET)
        assert await store.has_folder(WALLET, FOLDER)
        path.unlink()
        with pytest.raises(StoreMissingError):
            await store.read(WALLET, FOLDER, Key("a"))
        with pytest.raises(StoreError):
            await store.entry_type(WALLET, FOLDER, Key("b"))
        with pytest.raises(StoreError):
            await store.write(WALLET, FOLDER, Key("c"), stored(b"three"))
        assert await store.list_wallets() == (WALLET,)
    assert not path.exists()


async def test_a_file_deleted_by_us_is_gone_rightly(path: Path) -> None:
    """Who deletes a wallet may make it anew; nothing of the old one is mourned."""
    async with opened(path) as store:
        await store.create_wallet(WalletName("other"))
        await store.write(WalletName("other"), FOLDER, Key("a"), stored(b"one"))
        await store.delete_wallet(WalletName("other"))
        assert await store.list_wallets() == (WALLET,)
    async with opened(path) as store:
        assert await store.wallet_state(WalletName("other")) is WalletState.ABSENT
        await store.create_wallet(WalletName("other"))
        assert await store.entry_type(WalletName("other"), FOLDER, Key("a")) is None


async def test_an_unmounted_folder(path: Path) -> None:
    """A folder that goes, and the bare mount point that it leaves, are no empty store."""
    aside = path.parent.with_name("disk")
    async with opened(path) as store:
        await store.unlock(WALLET)
        path.parent.rename(aside)
        with pytest.raises(StoreUnavailableError, match="mounted"):
            await store.read(WALLET, FOLDER, Key("a"))
        await Heard().ask(store.list_wallets(), (WALLET,))
        path.parent.mkdir()
        with pytest.raises(StoreMissingError):
            await store.read(WALLET, FOLDER, Key("a"))
        with pytest.raises(StoreError):
            await store.write(WALLET, FOLDER, Key("c"), stored(b"three"))
        assert await store.list_wallets() == (WALLET,)
        assert list(path.parent.glob("*.keyring")) == []
        for left in path.parent.iterdir():
            left.unlink()
        path.parent.rmdir()
        aside.rename(path.parent)
        assert await store.read(WALLET, FOLDER, Key("a")) == stored(b"one")


async def test_an_unmounted_folder_at_the_start(path: Path) -> None:
    """Where the file is known to have served, a start without its folder makes none."""
    path.parent.rename(path.parent.with_name("disk"))
    heard = await hear(path, served=True)
    assert not heard.answers
    async with opened(path, served=True) as store:
        with pytest.raises(StoreUnavailableError):
            await store.create_wallet(WALLET)
    assert not path.parent.exists()


# --- the copy of the last good content ------------------------------------------------------------


async def test_the_last_good_copy_outlives_a_damaged_file(path: Path) -> None:
    """A write to a file with a damaged item leaves the copy that still has it."""
    whole = path.read_bytes()
    file.backup_path(path).write_bytes(whole)
    keyring = parse_keyring(whole)
    raw = keyring.items[1]
    keyring.items[1] = raw[:-60] + bytes(30) + raw[-30:]
    path.write_bytes(encode_keyring(keyring))
    async with opened(path) as store:
        await store.unlock(WALLET)
        for value in (b"1", b"2"):
            await store.write(WALLET, FOLDER, Key("a"), stored(value))
    assert file.backup_path(path).read_bytes() == whole
    async with opened(path) as store:
        await store.unlock(WALLET)
        assert await store.read(WALLET, FOLDER, Key("a")) == stored(b"2")
        with pytest.raises(StoreIncompleteError, match="copy"):
            await store.read(WALLET, FOLDER, Key("b"))
        with pytest.raises(StoreIncompleteError):
            await store.write(WALLET, FOLDER, Key("b"), stored(b"new"))
        with pytest.raises(StoreIncompleteError):
            await store.remove(WALLET, FOLDER, Key("b"))
        # It is known to be this one: others may still be told absent.
        assert await store.entry_type(WALLET, FOLDER, Key("c")) is None
        await store.write(WALLET, FOLDER, Key("c"), stored(b"three"))
    assert parse_keyring(path.read_bytes()).items[1] == keyring.items[1]


async def test_items_of_another_program_hide_no_entry(path: Path) -> None:
    """What was written under another password with other attributes cannot be an entry."""
    keyring = parse_keyring(path.read_bytes())
    other = CipherKey.derive(Secret(b"another"), HEADER)
    keyring.add(seal_item(other, PlainItem(OTHERS, "x", 1, 1, Secret(b"x"))))
    path.write_bytes(encode_keyring(keyring))
    assert await hear(path) == Heard(answers=ALL)


async def test_a_wallet_with_items_of_another_password_is_not_deleted(path: Path) -> None:
    """Deleting a wallet takes its entries; the file stays, for what the password does not open."""
    keyring = parse_keyring(path.read_bytes())
    other = CipherKey.derive(Secret(b"another"), HEADER)
    kept = seal_item(other, entry_item(FOLDER, "secret", b"x"))
    keyring.add(kept)
    second = path.with_name("second.keyring")
    second.write_bytes(encode_keyring(keyring))
    wallet = WalletName("second")
    async with opened(path) as store:
        await store.unlock(wallet)
        await store.delete_wallet(wallet)
    left = parse_keyring(second.read_bytes()).items.values()
    assert kept in left
    assert len(left) == 2  # it, and the other program's
    backend = KeyringFileBackend(path, KnownPassword(PASSWORD))
    collection = (await backend.collections())[1].id
    await backend.unlock(collection)
    with pytest.raises(StoreRefusedError, match="not deleted"):
        await backend.delete_collection(collection)
    await backend.close()
    assert second.exists()


# --- files beside it -----------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["empty", "version", "magic", "forbidden", "dangling", "gone"])
async def test_a_damaged_sibling_is_no_absent_wallet(path: Path, damage: str) -> None:
    """A wallet whose file does not begin like one is listed, and an error to use."""
    sibling = path.with_name("work.keyring")
    whole = encode_keyring(small_keyring())
    flipped = bytearray(whole)
    flipped[16 if damage == "version" else 3] ^= 1
    if damage == "dangling":
        sibling.symlink_to(path.with_name("elsewhere"))
    elif damage == "gone":
        file.backup_path(sibling).write_bytes(whole)
    else:
        sibling.write_bytes(b"" if damage == "empty" else flipped)
    if damage == "forbidden":
        sibling.unlink()
        sibling.symlink_to(sibling.name)  # a loop cannot be read, not even by root
    wallet = WalletName("work")
    before = sorted(found.name for found in path.parent.iterdir())
    async with opened(path) as store:
        assert list(await store.list_wallets()) == [WALLET, wallet]
        assert await store.wallet_state(wallet) is WalletState.LOCKED
        assert await store.might_exist(wallet, FOLDER, None)
        with pytest.raises(StoreError):
            await store.unlock(wallet)
        await store.create_wallet(wallet)  # there is one already
    assert sorted(found.name for found in path.parent.iterdir()) == before


async def test_what_others_put_beside_it_stops_nothing(path: Path) -> None:
    """A FIFO, a folder and a device under a wallet's name are no wallets, and nobody waits."""
    os.mkfifo(path.with_name("fifo.keyring"))
    os.mkfifo(note_path(path))
    path.with_name("folder.keyring").mkdir()
    path.with_name("device.keyring").symlink_to("/dev/zero")
    begun = time.monotonic()
    assert await hear(path) == Heard(answers=ALL)
    assert time.monotonic() - begun < 30


async def test_a_fifo_in_its_place_is_an_error(path: Path) -> None:
    """The file itself exchanged for a FIFO makes nobody wait."""
    path.unlink()
    os.mkfifo(path)
    assert (await hear(path)).errors == 1
    async with opened(path) as store:
        with pytest.raises(StoreError, match="no regular file"):
            await store.unlock(WALLET)


async def test_a_temporary_file_of_another_wallet_is_left_alone(path: Path) -> None:
    """A save of ``a`` does not take away what ``a.keyring.b`` is just writing."""
    main = path.with_name("a.keyring")
    path.rename(main)
    theirs = main.with_name(f".a.keyring.b.keyring.{'0' * 16}.tmp")
    left = main.with_name(f".a.keyring.{'0' * 16}.tmp")
    theirs.touch()
    left.touch()
    async with opened(main) as store:
        await store.unlock(WALLET)
        await store.write(WALLET, FOLDER, Key("c"), stored(b"three"))
    assert theirs.exists()
    assert not left.exists()


@pytest.mark.parametrize("damage", ["item", "head"])
async def test_a_damaged_file_can_be_closed(
    path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can tell whether others use it too, so it stays unlocked, and the log says so."""
    caplog.set_level("INFO")
    async with opened(path) as store:
        store.identify_with(Identity(path.with_name("state"), tell=lambda _: None))
        await store.unlock(WALLET)
        data = bytearray(path.read_bytes())
        data[-40 if damage == "item" else 20] ^= 1
        path.write_bytes(bytes(data))
        await store.lock(WALLET)
        assert "stays unlocked" in caplog.text


# --- where it is -----------------------------------------------------------------------------------


async def test_a_link_stays_a_link(path: Path) -> None:
    """Whoever opens the file through a link writes behind it, and locks there too."""
    link = path.parent.with_name("link.keyring")
    link.symlink_to(path)
    resolved = await asyncio.to_thread(resolve_path, str(link), {})
    assert resolved == path
    for given in (resolved, link):
        async with opened(given) as store:
            await store.unlock(WALLET)
            await store.write(WALLET, FOLDER, Key("c"), stored(str(given).encode()))
        assert link.is_symlink()
        assert not note_path(link).exists()
        async with opened(path) as store:
            await store.unlock(WALLET)
            assert await store.read(WALLET, FOLDER, Key("c")) == stored(str(given).encode())


async def test_a_link_to_nowhere_is_a_lost_file(path: Path) -> None:
    """A link whose disk is not there makes no new file where it leads."""
    link = path.parent.with_name("link.keyring")
    link.symlink_to(path)
    path.unlink()
    async with opened(link) as store:
        with pytest.raises(StoreMissingError):
            await store.unlock(WALLET)
    assert not path.exists()


@pytest.mark.parametrize("left", ["nothing in it", "copy", "note"])
def test_the_standard_place_is_not_left_for_damage(tmp_path: Path, left: str) -> None:
    """A damaged or lost standard file is still the standard file, even beside gnome-keyring's."""
    environ = {"HOME": str(tmp_path)}
    shared = default_path(environ)
    shared.parent.mkdir(parents=True)
    if left == "nothing in it":
        shared.touch()
        assert default_path(environ) == shared
        return
    (shared.parent / "login.keyring").write_bytes(b"[keyring]\n")
    assert default_path(environ) != shared
    if left == "copy":
        file.backup_path(shared).write_bytes(encode_keyring(small_keyring()))
    else:
        note_path(shared).write_bytes(b"kwallet-bridge keyring note 1 there 00 1 1\n")
    assert default_path(environ) == shared


def test_damage_is_an_error_of_its_own() -> None:
    """A person can tell the cases apart by their exit codes."""
    kinds = (StoreDamagedError, StoreMissingError, StoreOutdatedError, StoreUnavailableError)
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
