# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.keyrings import PASSWORD, entry_attributes, keyring_bytes, quick_key

from kwallet_bridge.daemon.opened import OpenedPasswords
from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreConflictError,
    StoreDamagedError,
    StoreError,
    StoreIncompleteError,
    StoreLockedError,
    StorePasswordError,
    StoreRefusedError,
    UsageError,
)
from kwallet_bridge.keyringfile import file, gvariant
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.folder import file_name, label_of
from kwallet_bridge.keyringfile.format import encode_keyring, open_item, parse_keyring
from kwallet_bridge.keyringfile.notes import note_path
from kwallet_bridge.keyringfile.sources import (
    CREDENTIAL,
    AskedPassword,
    FilePassword,
    KeyRequest,
    KnownPassword,
    find_credential,
)
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.port import (
    DEFAULT_ALIAS,
    BackendEvent,
    CollectionId,
    CollectionsTouched,
    ItemId,
    ItemSecret,
    ItemTouched,
    NewItem,
)
from kwallet_bridge.store.wallets import WalletState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from kwallet_bridge.keyringfile.format import Keyring
    from kwallet_bridge.keyringfile.keys import CipherKey

MAIN = CollectionId("default.keyring")
_OPEN: list[KeyringFileBackend] = []


@pytest.fixture(autouse=True)
async def closed_backends() -> AsyncIterator[None]:
    """Close what a test opened: a user may have few folder watches."""
    yield
    while _OPEN:
        await _OPEN.pop().close()


def backend_at(
    path: Path, password: Secret = PASSWORD, *, files_content_type: bool = False
) -> KeyringFileBackend:
    """Open a backend with a password that is known."""
    _OPEN.append(
        KeyringFileBackend(path, KnownPassword(password), files_content_type=files_content_type)
    )
    return _OPEN[-1]


async def somebody() -> bool:
    """Have a person be there."""
    return True


def answering(path: Path, answers: Sequence[Secret | None]) -> tuple[KeyringFileBackend, list[str]]:
    """Open a backend whose person gives these answers; gives also what was asked."""
    asked: list[str] = []
    rest = list(answers)

    async def ask(request: KeyRequest) -> Secret | None:
        await asyncio.sleep(0)
        asked.append(repr(request))
        return rest.pop(0)

    return KeyringFileBackend(path, AskedPassword(ask, can_ask=somebody)), asked


def new_item(folder: str, key: str, value: bytes) -> NewItem:
    """A KWallet password to be stored."""
    return NewItem(f"{folder}/{key}", entry_attributes(folder, key), ItemSecret(Secret(value)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three entries."""
    found = tmp_path / "default.keyring"
    found.write_bytes(keyring_bytes(3))
    return found


async def values(backend: KeyringFileBackend, collection: CollectionId = MAIN) -> set[bytes]:
    """Read every secret."""
    secrets = await backend.read_secrets(await backend.search(collection, {}))
    return {secret.value.reveal() for secret in secrets.values()}


async def test_new_wallet_is_the_file(tmp_path: Path) -> None:
    """The default wallet is made at the path itself, private, and outlives the backend."""
    path = tmp_path / "new" / "default.keyring"
    backend = backend_at(path)
    assert await backend.collections() == []
    assert await backend.read_alias(DEFAULT_ALIAS) is None
    made = await backend.create_collection("kdewallet")
    assert made == await backend.read_alias(DEFAULT_ALIAS)
    await backend.create_item(made, new_item("f", "k", b"v"), replace=True)
    await backend.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    later = backend_at(path)
    assert [c.label for c in await later.collections()] == ["kdewallet"]
    with pytest.raises(StoreLockedError):
        await later.search(made, {})
    await later.unlock(made)
    assert await values(later, made) == {b"v"}


async def test_other_wallets_are_siblings(path: Path) -> None:
    """Another wallet is a file beside; deleting it leaves nothing of it behind."""
    backend = backend_at(path)
    made = await backend.create_collection("Work/äöü")
    await backend.create_item(made, new_item("f", "k", b"v"), replace=True)
    await backend.create_item(made, new_item("f", "k", b"w"), replace=True)
    assert [c.label for c in await backend_at(path).collections()] == ["kdewallet", "Work/äöü"]
    with pytest.raises(StoreRefusedError):
        await backend.create_collection("Work/äöü")
    await backend.delete_collection(made)
    assert [p.name for p in path.parent.iterdir() if "Work" in p.name] == [f".{made}.lock"]
    with pytest.raises(StoreError):
        await backend.is_locked(made)


async def test_a_file_beside_it_is_not_the_default_wallet(path: Path) -> None:
    """Where the main file was not made yet, the only file beside it stays another wallet."""
    path.unlink()
    backend = backend_at(path)
    await backend.create_collection("Work")
    store = EntryStore(backend_at(path))
    assert await store.wallet_state(WalletName("kdewallet")) is WalletState.ABSENT
    assert await store.list_wallets() == ("Work",)


@pytest.mark.parametrize("label", ["default", ".hidden", "a/b", "..", "100%", "kde wallet", "ü"])
def test_labels_survive_file_names(label: str) -> None:
    """A label is read back from the file's name, which is never hidden nor the main file's."""
    name = file_name(label, reserved="default.keyring")
    assert label_of(name) == label
    assert "/" not in name
    assert not name.startswith(".")
    assert name != "default.keyring"


async def test_foreign_keyrings_are_no_siblings(path: Path) -> None:
    """Files of gnome-keyring's own formats in the folder are not collections."""
    path.with_name("login.keyring").write_bytes(b"GnomeKeyring\n\r\0\n\0\0\0\0")
    path.with_name("plain.keyring").write_bytes(b"[keyring]\n")
    assert [c.id for c in await backend_at(path).collections()] == [MAIN]


async def test_replacing_keeps_place_and_birth(path: Path) -> None:
    """A replaced item keeps its id, its place and the time it was made; others keep their bytes."""
    before = parse_keyring(path.read_bytes())
    backend = backend_at(path)
    await backend.unlock(MAIN)
    (old,) = await backend.search(MAIN, {"user": "key 1"})
    new = await backend.create_item(MAIN, new_item("folder 0", "key 1", b"new"), replace=True)
    assert new == old
    info = (await backend.read_items([new]))[new]
    assert info.created == 1
    assert info.modified > 2
    after = parse_keyring(path.read_bytes())
    assert [after.items[n] == before.items[n] for n in range(3)] == [True, False, True]
    assert after.header.usage == before.header.usage + 1
    assert after.header.salt == before.header.salt
    assert parse_keyring(file.backup_path(path).read_bytes()) == before


async def test_subset_does_not_replace(path: Path) -> None:
    """An item with fewer attributes is added, not taken for the one that has more."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    less = NewItem("x", {"server": "folder 0", "user": "key 1"}, ItemSecret(Secret(b"x")))
    await backend.create_item(MAIN, less, replace=True)
    assert len(await backend.search(MAIN, {"user": "key 1"})) == 2


async def test_attributes_and_deletion(path: Path) -> None:
    """Attributes are exchanged whole, a deleted item is gone, deleting it again is no error."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    (item,) = await backend.search(MAIN, {"user": "key 1"})
    await backend.set_attributes(item, {"user": "other"})
    assert await backend.search(MAIN, {"user": "other"}) == [item]
    assert await backend.search(MAIN, {"user": "key 1"}) == []
    await backend.delete_item(item)
    await backend.delete_item(item)
    assert await backend.read_items([item]) == {}
    with pytest.raises(StoreRefusedError):
        await backend.set_attributes(item, {})


async def test_wrong_password_changes_nothing(path: Path) -> None:
    """A wrong password opens nothing and leaves the file as it was."""
    before = path.read_bytes()
    backend = backend_at(path, Secret(b"wrong"))
    with pytest.raises(StorePasswordError):
        await backend.unlock(MAIN)
    with pytest.raises(StoreLockedError):
        await backend.create_item(MAIN, new_item("f", "k", b"v"), replace=True)
    assert path.read_bytes() == before


async def test_person_may_mistype_twice(path: Path) -> None:
    """A person is asked three times, and told that the answer was wrong."""
    wrong = Secret(b"wrong")
    backend, asked = answering(path, [wrong, wrong, PASSWORD])
    await backend.unlock(MAIN)
    assert [word.endswith("again=True)") for word in asked] == [False, True, True]
    backend, _ = answering(path, [wrong, wrong, wrong])
    with pytest.raises(PromptDismissedError):
        await backend.unlock(MAIN)
    backend, _ = answering(path, [None])
    with pytest.raises(PromptDismissedError):
        await backend.unlock(MAIN)


async def test_concurrent_unlocks_ask_once(path: Path) -> None:
    """Two who unlock at once share one prompt, and one leaving does not end it."""
    backend, asked = answering(path, [PASSWORD])
    first = asyncio.create_task(backend.unlock(MAIN))
    second = asyncio.create_task(backend.unlock(MAIN))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert len(asked) == 1
    assert not await backend.is_locked(MAIN)


async def test_prompt_ends_with_the_last_caller(path: Path) -> None:
    """When the last caller leaves the prompt is cancelled, and the next one asks anew."""
    waiting, left = asyncio.Event(), asyncio.Event()

    async def ask(_request: KeyRequest) -> Secret | None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return None

    backend = KeyringFileBackend(path, AskedPassword(ask, can_ask=somebody))
    caller = asyncio.create_task(backend.unlock(MAIN))
    await waiting.wait()
    caller.cancel()
    await left.wait()
    waiting.clear()
    again = asyncio.create_task(backend.unlock(MAIN))
    await waiting.wait()
    again.cancel()


async def test_short_password_makes_no_file(tmp_path: Path) -> None:
    """A new file wants four bytes: a person is asked again, a fixed password is refused."""
    path = tmp_path / "default.keyring"
    with pytest.raises(StoreRefusedError):
        await backend_at(path, Secret(b"abc")).create_collection("kdewallet")
    assert not path.exists()
    backend, asked = answering(path, [Secret(b"abc"), Secret(b"abcd")])
    await backend.create_collection("kdewallet")
    assert len(asked) == 2


async def test_lock_forgets_the_key(path: Path) -> None:
    """After locking, nothing is read or written until the password is given again."""
    backend, asked = answering(path, [PASSWORD, PASSWORD])
    await backend.unlock(MAIN)
    key = backend._boxes[MAIN].key
    assert key is not None
    items = await backend.search(MAIN, {})
    await backend.lock(MAIN)
    assert bytes(key._view) == bytes(16)
    with pytest.raises(StoreLockedError):
        await backend.read_secrets(items)
    with pytest.raises(StoreLockedError):
        await backend.search(MAIN, {})
    await backend.unlock(MAIN)
    assert len(await backend.read_secrets(items)) == 3
    assert len(asked) == 2


async def test_many_writes_share_saves(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes asked at once share few saves, and each is on disk when acknowledged."""
    saves: list[int] = []
    real = file.replace_file

    def counting(path: Path, data: bytes, **how: Any) -> file.Stamp:
        stamp = real(path, data, **how)
        saves.append(len(parse_keyring(data).items))
        return stamp

    monkeypatch.setattr(file, "replace_file", counting)
    backend = backend_at(path)
    await backend.unlock(MAIN)
    seen: list[int] = []

    async def write(n: int) -> None:
        item = await backend.create_item(MAIN, new_item("f", str(n), b"v"), replace=True)
        seen.append(len(parse_keyring(path.read_bytes()).items))
        assert (await backend.read_secrets([item]))[item].value.reveal() == b"v"

    await asyncio.gather(*(write(n) for n in range(100)))
    assert len(saves) <= 3
    assert saves[-1] == 103
    assert set(seen) == {103}


async def test_refused_change_spares_the_others(path: Path) -> None:
    """A change that cannot be done fails alone; those that share its save succeed."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    results = await asyncio.gather(
        backend.create_item(MAIN, new_item("f", "a", b"v"), replace=True),
        backend.create_item(MAIN, new_item("f", "b\0", b"v"), replace=True),
        backend.create_item(MAIN, new_item("f", "c", b"v"), replace=True),
        return_exceptions=True,
    )
    assert [isinstance(r, StoreRefusedError) for r in results] == [False, True, False]
    assert len(await backend.search(MAIN, {"server": "f"})) == 2


async def test_a_fault_of_ours_does_not_end_the_saver(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error nobody foresaw is its callers' error; what is queued behind it is saved at once."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    real = file.replace_file
    entered, go = threading.Event(), threading.Event()

    def failing(path: Path, data: bytes, **how: Any) -> file.Stamp:
        if not entered.is_set():
            entered.set()
            go.wait(10)
            raise ZeroDivisionError
        return real(path, data, **how)

    monkeypatch.setattr(file, "replace_file", failing)
    first = asyncio.create_task(backend.create_item(MAIN, new_item("f", "a", b"v"), replace=True))
    await asyncio.to_thread(entered.wait, 10)
    second = asyncio.create_task(backend.create_item(MAIN, new_item("f", "b", b"v"), replace=True))
    await asyncio.sleep(0)
    go.set()
    async with asyncio.timeout(10):
        with pytest.raises(StoreError, match="foresaw"):
            await first
        await second
    assert len(await backend.search(MAIN, {"server": "f"})) == 1


async def test_a_fault_in_one_change_is_not_the_others(path: Path) -> None:
    """Of the changes that share a save only the one that breaks is lost."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    box = backend._boxes[MAIN]

    def broken(_keyring: Keyring, _key: CipherKey) -> int:
        raise KeyError("private")

    results = await asyncio.gather(
        box.change(broken),
        backend.create_item(MAIN, new_item("f", "a", b"v"), replace=True),
        return_exceptions=True,
    )
    assert isinstance(results[0], StoreError)
    assert "private" not in str(results[0])
    assert await backend.search(MAIN, {"server": "f"}) == [results[1]]


def test_a_removed_lock_keeps_nobody_out_of_the_new_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited for a lock file that was removed meanwhile locks the one that is there now."""
    waits = threading.Event()
    real = file._wait_for_lock

    def wait(descriptor: int, deadline: float) -> None:
        waits.set()
        real(descriptor, deadline)

    with ThreadPoolExecutor() as threads:
        with file.writer_lock(path):
            monkeypatch.setattr(file, "_wait_for_lock", wait)
            waiting = threads.submit(_locked_inode, path)
            assert waits.wait(10)
            note_path(path).unlink()
        assert waiting.result() == note_path(path).stat().st_ino


def _locked_inode(path: Path) -> int:
    with file.writer_lock(path) as descriptor:
        return os.fstat(descriptor).st_ino


async def test_cancelled_write_is_finished(path: Path) -> None:
    """A write whose caller left is done nevertheless."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    task = asyncio.create_task(backend.create_item(MAIN, new_item("f", "k", b"v"), replace=True))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await backend._boxes[MAIN].settle()
    assert len(await backend.search(MAIN, {"server": "f"})) == 1


async def test_two_backends_lose_nothing(path: Path) -> None:
    """Two writers on one file interleave without losing an entry, and see each other's."""
    one, two = backend_at(path), backend_at(path)
    await one.unlock(MAIN)
    await two.unlock(MAIN)
    for n in range(10):
        await asyncio.gather(
            one.create_item(MAIN, new_item("one", str(n), b"1"), replace=True),
            two.create_item(MAIN, new_item("two", str(n), b"2"), replace=True),
        )
    for backend in (one, two):
        assert len(await backend.search(MAIN, {})) == 23


async def test_foreign_change_is_noticed(path: Path) -> None:
    """What another program changes is told as events; items that stayed keep their ids."""
    events: list[BackendEvent] = []
    backend = backend_at(path)
    await backend.unlock(MAIN)
    kept, changed, gone = await backend.search(MAIN, {})
    backend.subscribe(events.append)
    other = backend_at(path)
    await other.unlock(MAIN)
    await other.create_item(MAIN, new_item("folder 0", "key 1", b"new"), replace=True)
    await other.delete_item((await other.search(MAIN, {"user": "key 2"}))[0])
    await other.create_item(MAIN, new_item("folder 0", "key 3", b"made"), replace=False)
    secrets = await backend.read_secrets([kept, changed, gone])
    assert {i: s.value.reveal() for i, s in secrets.items()} == {kept: b"value 0", changed: b"new"}
    (made,) = await backend.search(MAIN, {"user": "key 3"})
    assert set(events) == {ItemTouched(MAIN, item) for item in (changed, gone, made)}


async def test_foreign_change_is_told_unasked(path: Path) -> None:
    """The kernel tells of another program's change while we do nothing."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    await backend.collections()
    events: asyncio.Queue[BackendEvent] = asyncio.Queue()
    backend.subscribe(events.put_nowait)
    path.with_name("other").write_bytes(keyring_bytes(4))
    path.with_name("other").replace(path)
    async with asyncio.timeout(10):
        assert isinstance(await events.get(), ItemTouched)
        path.with_name("new.keyring").write_bytes(keyring_bytes(1))
        while not isinstance(await events.get(), CollectionsTouched):
            pass
    await backend.close()


async def test_write_after_foreign_change_keeps_it(path: Path) -> None:
    """A write begins anew from what another program has put in place meanwhile."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    await backend.search(MAIN, {})
    path.write_bytes(keyring_bytes(5))
    await backend.create_item(MAIN, new_item("f", "k", b"v"), replace=True)
    assert len(parse_keyring(path.read_bytes()).items) == 6


async def test_foreign_password_is_not_mixed(path: Path) -> None:
    """When another program changed the password, nothing is written and the file counts locked."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    events: list[BackendEvent] = []
    backend.subscribe(events.append)
    other = backend_at(path.with_name("other.keyring"), Secret(b"another"))
    made = await other.create_collection("kdewallet")
    await other.create_item(made, new_item("f", "k", b"v"), replace=True)
    path.with_name("other.keyring").replace(path)
    before = path.read_bytes()
    with pytest.raises(StoreConflictError):
        await backend.create_item(MAIN, new_item("f", "k", b"w"), replace=True)
    with pytest.raises(StoreLockedError):
        await backend.search(MAIN, {})
    assert path.read_bytes() == before
    assert CollectionsTouched() in events


async def test_a_password_is_kept_while_its_file_is_open(path: Path) -> None:
    """It goes when the file is locked, deleted, or got another password from somebody else."""
    kept = OpenedPasswords()
    backend = KeyringFileBackend(path, KnownPassword(PASSWORD), keeper=kept)
    _OPEN.append(backend)
    assert kept.find("kdewallet") is None
    await backend.unlock(MAIN)
    assert (kept.find("kdewallet"), kept.find("other")) == (PASSWORD, None)
    await backend.lock(MAIN)
    assert kept.find("kdewallet") is None
    made = await backend.create_collection("other")
    assert (kept.find("kdewallet"), kept.find("other")) == (None, PASSWORD)
    await backend.delete_collection(made)
    assert kept.find("other") is None
    await backend.unlock(MAIN)
    other = backend_at(path.with_name("foreign.keyring"), Secret(b"another"))
    made = await other.create_collection("kdewallet")
    await other.create_item(made, new_item("f", "k", b"v"), replace=True)
    path.with_name("foreign.keyring").replace(path)
    with pytest.raises(StoreConflictError):
        await backend.create_item(MAIN, new_item("f", "k", b"w"), replace=True)
    with pytest.raises(StoreLockedError):
        await backend.search(MAIN, {})
    assert kept.find("kdewallet") is None


async def test_a_wrong_password_is_not_kept(path: Path) -> None:
    """Nor is any while the store ends."""
    kept = OpenedPasswords()
    wrong = KeyringFileBackend(path, KnownPassword(Secret(b"wrong")), keeper=kept)
    _OPEN.append(wrong)
    with pytest.raises(StorePasswordError):
        await wrong.unlock(MAIN)
    assert kept.find("kdewallet") is None
    right = KeyringFileBackend(path, KnownPassword(PASSWORD), keeper=kept)
    await right.unlock(MAIN)
    await right.close()
    assert kept.find("kdewallet") is None


async def test_vanished_file_is_not_made_again(path: Path) -> None:
    """A write to a file that was deleted fails instead of making it with one entry."""
    backend = backend_at(path)
    await backend.unlock(MAIN)
    path.unlink()
    with pytest.raises(StoreError):
        await backend.create_item(MAIN, new_item("f", "k", b"w"), replace=True)
    assert not path.exists()


async def test_unreadable_items_are_kept(path: Path) -> None:
    """Items of another password or damaged ones are counted, and kept bit for bit.

    What is found is served; that there is no more is not said, except to a copy that salvages.
    """
    keyring = parse_keyring(path.read_bytes())
    keyring.items[1] = keyring.items[1][:-40] + bytes(40)
    path.write_bytes(encode_keyring(keyring))
    backend = backend_at(path)
    await backend.unlock(MAIN)
    assert backend.unreadable(MAIN) == 1
    with pytest.raises(StoreIncompleteError) as told:
        await backend.search(MAIN, {})
    secrets = await backend.read_secrets([ItemId(found) for found in told.value.found])
    assert {secret.value.reveal() for secret in secrets.values()} == {b"value 0", b"value 2"}
    salvaging = KeyringFileBackend(path, KnownPassword(PASSWORD), salvages=True)
    _OPEN.append(salvaging)
    await salvaging.unlock(MAIN)
    assert await values(salvaging) == {b"value 0", b"value 2"}
    await backend.create_item(MAIN, new_item("folder 0", "key 1", b"again"), replace=True)
    after = parse_keyring(path.read_bytes())
    assert list(after.items.values())[:3] == list(keyring.items.values())


async def test_damaged_file_is_refused(path: Path) -> None:
    """A truncated file is listed, and refused with its error when it is opened."""
    path.write_bytes(path.read_bytes()[:-7])
    backend = backend_at(path)
    assert len(await backend.collections()) == 1
    with pytest.raises(StoreDamagedError):
        await backend.unlock(MAIN)


@pytest.mark.parametrize("backup", ["whole", "damaged", "missing"])
async def test_a_damaged_file_names_its_backup(path: Path, backup: str) -> None:
    """Who cannot open a damaged file is told of the copy beside it, if that one can be read."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    if backup != "missing":
        file.backup_path(path).write_bytes(whole if backup == "whole" else whole[:-9])
    with pytest.raises(StoreDamagedError) as told:
        await backend_at(path).unlock(MAIN)
    assert ("with ~ at the end" in str(told.value)) == (backup == "whole")


async def test_content_type_by_choice(path: Path) -> None:
    """For oo7 the content type is filed among the attributes, and replaces an item without it."""
    backend = backend_at(path, files_content_type=True)
    await backend.unlock(MAIN)
    secret = ItemSecret(Secret(b"\0"), "application/octet-stream")
    attributes = entry_attributes("folder 0", "key 1")
    item = await backend.create_item(MAIN, NewItem("l", attributes, secret), replace=True)
    assert await backend.search(MAIN, {"user": "key 1"}) == [item]
    assert (await backend.read_secrets([item]))[item].content_type == "application/octet-stream"
    assert (await backend.read_items([item]))[item].attributes == attributes
    assert len(await backend.search(MAIN, {"xdg:content-type": "application/octet-stream"})) == 1


async def test_unsorted_twin_is_replaced(path: Path) -> None:
    """An item whose hashed names another program left unsorted is replaced, not doubled."""
    keyring = parse_keyring(path.read_bytes())
    hashed, blob = gvariant.split_pair(keyring.items[1])
    pairs = list(gvariant.parse_bytes_dict(hashed).items())[::-1]
    keyring.items[1] = gvariant.join_pair(gvariant.encode_bytes_dict(pairs), blob)
    path.write_bytes(encode_keyring(keyring))
    backend = backend_at(path)
    await backend.unlock(MAIN)
    await backend.create_item(MAIN, new_item("folder 0", "key 1", b"new"), replace=True)
    assert await values(backend) == {b"value 0", b"new", b"value 2"}


async def test_password_file(tmp_path: Path) -> None:
    """A password file loses one line feed, and is refused when others may read it."""
    path = tmp_path / "pw"
    path.write_bytes(b"secret\n\n")
    path.chmod(0o600)
    request = KeyRequest("x")
    assert await FilePassword(path).read_password(request) == Secret(b"secret\n")
    path.chmod(0o640)
    with pytest.raises(UsageError):
        await FilePassword(path).read_password(request)
    path.chmod(0o600)
    path.write_bytes(b"\n")
    with pytest.raises(StorePasswordError):
        await FilePassword(path).read_password(request)
    with pytest.raises(UsageError):
        await FilePassword(tmp_path / "none").read_password(request)


async def test_systemd_credential(tmp_path: Path) -> None:
    """The credential is found where systemd puts it, and only if it is there."""
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert await asyncio.to_thread(find_credential, environment) is None
    assert await asyncio.to_thread(find_credential, {}) is None
    (tmp_path / CREDENTIAL).write_bytes(b"fromsystemd")
    source = await asyncio.to_thread(find_credential, environment)
    assert source is not None
    assert await source.read_password(KeyRequest("x")) == Secret(b"fromsystemd")


async def test_nothing_prints(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No repr and no log line holds a password, a value or a name."""
    caplog.set_level("DEBUG")
    backend = backend_at(path)
    await backend.unlock(MAIN)
    await backend.create_item(MAIN, new_item("canary-folder", "k", b"canary-value"), replace=True)
    keyring = parse_keyring(path.read_bytes())
    plain = open_item(quick_key(), keyring.items[3])
    text = caplog.text + repr((keyring, plain, KeyRequest("canary-label"), backend._boxes))
    assert "canary" not in text
    assert "testpw" not in text


async def test_it_is_reachable_only_while_an_open_may_succeed(path: Path, tmp_path: Path) -> None:
    """Without a usable password file, or over a file that cannot be read, nobody is told yes."""
    secret = tmp_path / "password"
    backend = KeyringFileBackend(path, FilePassword(secret))
    _OPEN.append(backend)
    assert not await backend.is_reachable()
    secret.write_bytes(PASSWORD.reveal())
    secret.chmod(0o644)
    assert not await backend.is_reachable()
    secret.chmod(0o600)
    assert await backend.is_reachable()
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    assert not await backend.is_reachable()
    path.write_bytes(whole)
    assert await backend.is_reachable()
    await backend.unlock(MAIN)
    secret.unlink()
    assert await backend.is_reachable()


async def test_a_file_that_was_there_and_is_gone_is_not_reachable(path: Path) -> None:
    """Its opens fail, so nobody is told that they may succeed; one not made yet may be made."""
    path.unlink()
    assert await backend_at(path).is_reachable()
    lost = KeyringFileBackend(path, KnownPassword(PASSWORD), served=True)
    _OPEN.append(lost)
    assert not await lost.is_reachable()
