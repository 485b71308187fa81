# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wallet files are pending, and how the daemon notices that this changed."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from support.services import APP, WALLET, Served, until
from support.wallet_files import place_bytes, place_gpg_wallet, place_wallet

from kwallet_bridge import qtstream
from kwallet_bridge.cli.wallets import start_without
from kwallet_bridge.daemon.pending import Decision, PendingDecisions, PendingWallets
from kwallet_bridge.errors import ElsewhereError, UsageError
from kwallet_bridge.kconfig import config_home
from kwallet_bridge.migrate.coverage import SourceFile
from kwallet_bridge.migrate.journal import journal_path, open_journal
from kwallet_bridge.migrate.model import Action, Kind, Place
from kwallet_bridge.migrate.pending import (
    ServedStore,
    Why,
    decline,
    find_pending,
    same_store,
)
from kwallet_bridge.migrate.wallets import count_unmoved, find_wallets
from kwallet_bridge.model import Entry, EntryType, FolderName, Handle, Key, WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.statefile import state_path, update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kwallet_bridge.migrate.coverage import Gap
    from kwallet_bridge.migrate.pending import PendingWallet

CONTENT = {"Chromium Keys": {"Chromium Safe Storage": "old"}, "Passwords": {}}
FOLDER, KEY = FolderName("Chromium Keys"), Key("Chromium Safe Storage")
MEMORY = "memory"


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of our own; gives the folder of its data."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("data", "state", "config"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    return tmp_path / "data"


def _pending(destination: str = MEMORY) -> Sequence[PendingWallet]:
    found = find_pending(
        journal=journal_path(),
        state=state_path(os.environ),
        store=ServedStore(destination),
    )
    return found.pending


def _why(destination: str = MEMORY) -> list[Why]:
    return [one.why for one in _pending(destination)]


def _move(path: Path, *, lacking: tuple[Gap, ...] = (), wallet: WalletName = WALLET) -> str:
    """Note a finished run, as the migrator does; gives its name."""
    source = str(path.absolute())
    with open_journal(journal_path()) as journal:
        run = journal.begin(MEMORY, [source])
        file = SourceFile.describe(source, wallet, path.read_bytes())
        journal.note_covered(MEMORY, run, [(file, lacking)])
        journal.end(run, "finished")
        return run.id


def _do_without(path: Path) -> None:
    update(state_path(os.environ), lambda state: state.with_declined(str(path), decline(path)))


# --- what is pending ----------------------------------------------------------------------------


def test_no_folder_and_no_wallet_are_nothing(data_home: Path) -> None:
    """Whoever never used KDE has nothing pending."""
    assert _why() == []
    (data_home / "kwalletd").mkdir(parents=True)
    (data_home / "kwalletd" / "kdewallet.salt").write_bytes(b"salt")
    (data_home / "kwalletd" / "kdewallet.kwl.AbC123").write_bytes(b"a broken save")
    (data_home / "kwalletd" / "folder.kwl").mkdir()
    os.mkfifo(data_home / "kwalletd" / "pipe.kwl")
    assert _why() == []


def test_wallets_without_entries_are_nothing(data_home: Path) -> None:
    """PAM's wallet of 60 bytes, and one with KDE's two empty folders."""
    assert place_wallet(data_home, {}).stat().st_size == 60
    place_wallet(data_home, {"Passwords": {}, "Form Data": {}}, name="work")
    assert _why() == []


def test_a_wallet_with_entries_is_pending(data_home: Path) -> None:
    """Its table tells which, and which are not there."""
    place_wallet(data_home, CONTENT, name="a;2Fb")
    (one,) = _pending()
    assert (one.why, one.wallet, one.undone) == (Why.NOT_MOVED, "a/b", False)
    assert one.expectation.holds(FOLDER, KEY)
    assert one.expectation.holds(FolderName("Passwords"))
    assert not one.expectation.holds(FOLDER, Key("other"))
    assert not one.expectation.holds(FolderName("other"))


def test_only_the_folder_of_todays_daemons_counts(data_home: Path, tmp_path: Path) -> None:
    """Wallets of KDE 4, backups, and those of another data folder hold nobody up."""
    place_wallet(tmp_path / ".local" / "share", CONTENT)
    old = place_wallet(data_home, CONTENT)
    target = tmp_path / ".kde" / "share" / "apps" / "kwallet" / "kdewallet.kwl"
    target.parent.mkdir(parents=True)
    old.rename(target)
    assert _why() == []


def test_what_cannot_be_read_is_never_taken_for_nothing(data_home: Path) -> None:
    """GnuPG's, empty, cut, foreign and newer files, and links that lead nowhere."""
    place_gpg_wallet(data_home, name="gpg")
    whole = place_wallet(data_home, CONTENT, name="x").read_bytes()
    place_bytes(data_home, b"", name="a-empty")
    place_bytes(data_home, whole[:59], name="b-cut")
    place_bytes(data_home, b"\0" * 100, name="c-foreign")
    place_bytes(data_home, whole[:13] + b"\x07" + whole[14:], name="d-newer")
    (data_home / "kwalletd" / "e-link.kwl").symlink_to("/nowhere/at/all.kwl")
    (data_home / "kwalletd" / "x.kwl").unlink()
    assert _why() == [Why.UNREADABLE] * 5 + [Why.GPG]
    assert all(one.hides_names for one in _pending())


def test_a_wallet_that_was_moved_is_not_pending(data_home: Path) -> None:
    """For the store it was moved into, under its own name, with the content it had."""
    path = place_wallet(data_home, CONTENT)
    run = _move(path)
    assert _why() == []
    assert _why("another store") == [Why.NOT_MOVED]
    os.utime(path, ns=(1, 1))
    assert _why() == []
    place_wallet(data_home, CONTENT | {"New": {"k": "v"}})
    assert _why() == [Why.NOT_MOVED]
    place_wallet(data_home, CONTENT)
    assert _why() == []
    path.rename(path.with_name("work.kwl"))
    assert _why() == [Why.NOT_MOVED]
    with open_journal(journal_path()) as journal:
        journal.end(journal.runs[run], "confirmed")
        journal.forget_names(journal.runs[run])
    path.with_name("work.kwl").rename(path)
    assert _why() == []


def test_of_a_wallet_that_was_saved_since_only_what_is_new_is_expected(data_home: Path) -> None:
    """What was moved and is no more in the store was removed there; KDE saves files for little."""
    content = {FOLDER: {KEY: "old", "refused": "x"}, "Passwords": {"p": "p"}}
    path = place_wallet(data_home, content)
    _move(path, lacking=((FOLDER, "refused"),))
    place_wallet(data_home, content | {"More": {"m": "m"}})
    (one,) = _pending()
    assert one.why is Why.NOT_MOVED
    expected = one.expectation
    assert expected.holds(FolderName("More"), Key("m"))
    assert expected.holds(FOLDER, Key("refused"))
    assert not expected.holds(FOLDER, KEY)
    assert not expected.holds(FolderName("Passwords"))
    _move(path)
    place_wallet(data_home, {FOLDER: {KEY: "changed"}})
    assert _why() == []


def test_what_a_store_could_not_keep_is_still_expected(data_home: Path) -> None:
    """And nothing else of the wallet: that is the store's own from now on."""
    _move(place_wallet(data_home, CONTENT), lacking=((FOLDER, KEY),))
    (one,) = _pending()
    assert one.why is Why.LEFT_OUT
    assert one.expectation.holds(FOLDER, KEY)
    assert not one.expectation.holds(FolderName("Passwords"))


def test_a_run_that_was_cut_off_or_taken_back_moved_nothing(data_home: Path) -> None:
    """What it may have left empty is known, and that a person took it back."""
    path = place_wallet(data_home, CONTENT)
    place = Place(WALLET, Kind.ENTRY, folder=FOLDER, key=KEY)
    with open_journal(journal_path()) as journal:
        run = journal.begin(MEMORY, [str(path)])
        journal.intend(run, [(place, Action.CREATE, "00")])
    (one,) = _pending()
    assert (one.why, one.undone) == (Why.NOT_MOVED, False)
    assert one.expectation.was_begun(FOLDER, KEY)
    assert not one.expectation.was_begun(FOLDER, Key("other"))
    with open_journal(journal_path()) as journal:
        journal.note_undoing(journal.runs[run.id])
        assert _why() == [Why.NOT_MOVED]
        journal.end(journal.runs[run.id], "undone")
    (one,) = _pending()
    assert one.undone


def test_a_wallet_that_was_moved_on_to_another_store_is_pending(data_home: Path) -> None:
    """What was removed from a store is not absent there; nor is it brought back unasked."""
    path = place_wallet(data_home, CONTENT)
    run = _move(path)
    assert _why() == []
    with open_journal(journal_path()) as journal:
        journal.note_moved_away(journal.runs[run], [(MEMORY, WALLET)])
    (one,) = _pending()
    assert (one.why, one.undone) == (Why.NOT_MOVED, True)
    assert one.expectation.holds(FOLDER, KEY)
    _move(path)
    assert _why() == []
    place_wallet(data_home, {**CONTENT, "More": {"a": "b"}})
    (one,) = _pending()
    assert (one.why, one.undone) == (Why.NOT_MOVED, False)


def test_runs_of_the_first_journals_count(data_home: Path) -> None:
    """They moved what the file was when they began: an older file, not one that was saved since."""
    path = place_wallet(data_home, CONTENT)
    now = int(time.time())
    lines = [
        {"type": "run", "version": 1, "run": "r", "at": now, "to": MEMORY, "from": [str(path)]},
        {"type": "end", "run": "r", "state": "finished", "at": now},
    ]
    journal_path().parent.mkdir(parents=True)
    journal_path().write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(path, (now - 5, now - 5))
    assert _why() == []
    os.utime(path, (now + 5, now + 5))
    assert _why() == [Why.NOT_MOVED]


@pytest.mark.parametrize("kind", ["wallet", "gpg", "damaged"])
def test_doing_without_lasts_until_the_file_changes(data_home: Path, kind: str) -> None:
    """A decision is about the file as it was."""
    place: dict[str, Callable[[], Path]] = {
        "wallet": lambda: place_wallet(data_home, CONTENT),
        "gpg": lambda: place_gpg_wallet(data_home),
        "damaged": lambda: place_bytes(data_home, b"damaged"),
    }
    path = place[kind]()
    assert len(_why()) == 1
    _do_without(path)
    assert _why() == []
    os.utime(path, (1, 1))
    assert len(_why()) == 1


def test_without_a_journal_nothing_counts_as_moved(data_home: Path) -> None:
    """Nor as declined without a state file: a damaged record opens no gate."""
    moved = place_wallet(data_home, CONTENT)
    _move(moved)
    declined = place_wallet(data_home, CONTENT | {"N": {"n": "n"}}, name="work")
    _do_without(declined)
    assert _why() == []
    journal_path().write_text("{oops\n")
    assert len(_why()) == 1
    state_path(os.environ).write_text("oops")
    assert len(_why()) == 2


def test_stores_go_by_several_names(tmp_path: Path) -> None:
    """A file is one file by whatever way it was named, and the bus has an address."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert same_store(f"file:{tmp_path}/link", f"file:{tmp_path}/real")
    assert same_store(f"oo7-file:{tmp_path}/real", f"file:{tmp_path}/real")
    assert same_store("file:~/real", f"file:{tmp_path}/real")
    assert not same_store("file:real", f"file:{tmp_path}/real")
    assert same_store("secret-service", "secret-service")
    assert same_store("secret-service@unix:x", "secret-service", bus_address="unix:x")
    assert not same_store("secret-service@unix:y", "secret-service", bus_address="unix:x")
    assert not same_store(f"file:{tmp_path}/real", "secret-service")


# --- the daemon ---------------------------------------------------------------------------------


class Answers:
    """Decides what it was told to, and counts."""

    def __init__(self, *answers: Decision, act: Callable[[PendingWallet], object]) -> None:
        self.answers = list(answers)
        self.asked: list[PendingWallet] = []
        self.act = act

    def can_decide(self, wallet: PendingWallet) -> bool:
        """Decide about anything."""
        return True

    async def decide(self, wallet: PendingWallet) -> Decision:
        """Give the next answer."""
        self.asked.append(wallet)
        await asyncio.sleep(0)
        await asyncio.to_thread(self.act, wallet)
        return self.answers.pop(0)


class World:
    """A service over memory that minds the wallet files of the home."""

    def __init__(
        self, asker: Answers | None = None, *, store: str = MEMORY, provider: str = ""
    ) -> None:
        self.pending = PendingWallets(
            os.environ, served=lambda: store, provider=lambda: provider, changed=self._change
        )
        self.changes = 0
        self.served = Served(
            sources=[self.pending],
            lacking=lambda store: PendingDecisions(self.pending, store, os.environ, asker=asker),
        )
        self.served.backend.add_collection("Login", alias="default")

    def _change(self) -> None:
        self.changes += 1
        self.served.store.distrust()

    async def has_key(self, handle: Handle) -> bool:
        """Ask as a browser does."""
        return await self.served.contents.has_entry(
            "", handle=handle, folder=FOLDER, key=KEY, appid=APP
        )

    async def read(self, handle: Handle) -> str:
        """Ask as a browser does."""
        return await self.served.contents.read_password(
            "", handle=handle, folder=FOLDER, key=KEY, appid=APP
        )

    async def remove(self, handle: Handle, key: Key = KEY) -> int:
        """Remove an entry as a program does."""
        return await self.served.contents.remove_entry(
            "", handle=handle, folder=FOLDER, key=key, appid=APP
        )

    async def write_as_migration(self, text: str = "old") -> None:
        """Write behind the gate, as another process does."""
        entry = Entry(EntryType.PASSWORD, Secret(qtstream.encode_string(text)))
        inner = self.served.inner
        await inner.write(WALLET, FOLDER, KEY, entry)
        await inner.create_folder(WALLET, FolderName("Passwords"))

    async def stop(self) -> None:
        """End."""
        self.pending.close()
        await self.served.service.stop()
        await self.served.store.close()


async def test_nobody_can_be_asked(data_home: Path) -> None:
    """The open succeeds, and the gate stands until a run has finished, or somebody does without."""
    path = place_wallet(data_home, CONTENT)
    world = World()
    handle = await world.served.open()
    assert handle > 0
    assert await world.has_key(handle)
    with pytest.raises(ElsewhereError, match="kwallet-bridge migrate"):
        await world.read(handle)
    _do_without(path)
    assert not await world.has_key(handle)
    assert await world.read(handle) == ""
    os.utime(path, (1, 1))
    assert await world.served.open() == handle
    assert await world.has_key(handle)
    await world.write_as_migration()
    assert await world.read(handle) == "old"
    _move(path)
    assert await world.read(handle) == "old"
    await world.stop()


async def test_a_finished_run_of_another_process_opens_the_gate(data_home: Path) -> None:
    """Without a restart, and without a wrong word on the way."""
    path = place_wallet(data_home, CONTENT)
    world = World()
    handle = await world.served.open()
    with pytest.raises(ElsewhereError):
        await world.read(handle)
    await world.write_as_migration()
    assert await world.read(handle) == "old"
    _move(path)
    removed = await world.served.contents.remove_entry(
        "", handle=handle, folder=FOLDER, key=KEY, appid=APP
    )
    assert removed == 0
    assert not await world.has_key(handle)
    await world.stop()


async def _fill_elsewhere(world: World) -> Handle:
    """Have the store hold what oo7 or KDE moved, but for one key of three."""
    handle = await world.served.open()
    await world.write_as_migration()
    entry = Entry(EntryType.PASSWORD, Secret(qtstream.encode_string("x")))
    await world.served.inner.write(WALLET, MAIL, Key("a"), entry)
    return handle


MAIL, SKIPPED = FolderName("Mail"), Key("skipped")
MOVED_IN_PART = CONTENT | {"Mail": {"a": "x", "skipped": "y"}}


@pytest.mark.parametrize("says", ["oo7", "KDE"])
async def test_what_others_say_they_moved_may_go_where_it_was_seen(
    data_home: Path, says: str
) -> None:
    """And stays gone; what they left out stays gated, and so does the folder it is in."""
    path = place_wallet(data_home, MOVED_IN_PART)
    world = World(store="secret-service", provider="oo7" if says == "oo7" else "gnome-keyring")
    handle = await _fill_elsewhere(world)
    with pytest.raises(ElsewhereError):
        await world.remove(handle)
    if says == "oo7":
        _stamp(path)
    else:
        _list_as_moved("other,kdewallet")
    contents = world.served.contents
    with pytest.raises(ElsewhereError):
        await contents.remove_entry("", handle=handle, appid=APP, folder=MAIL, key=SKIPPED)
    with pytest.raises(ElsewhereError):
        await contents.remove_folder("", handle=handle, appid=APP, folder=MAIL)
    with pytest.raises(ElsewhereError):
        await world.served.service.delete_wallet("", wallet=WALLET)
    assert not journal_path().exists()  # what was not removed is not noted either
    assert await world.remove(handle) == 0
    assert not await world.has_key(handle)
    assert await contents.remove_folder(
        "", handle=handle, appid=APP, folder=FolderName("Passwords")
    )
    assert await contents.has_entry("", handle=handle, appid=APP, folder=MAIL, key=SKIPPED)
    with pytest.raises(ElsewhereError):
        await contents.read_password("", handle=handle, appid=APP, folder=MAIL, key=SKIPPED)
    await world.stop()
    # Their word is needed no more for what is gone, and opens nothing else.
    path.with_name("kdewallet.kwl.migrated").unlink(missing_ok=True)
    _list_as_moved("")
    (left,) = _pending("secret-service")
    assert not left.expectation.may_hold(FOLDER)
    assert left.expectation.may_hold(MAIL, SKIPPED)
    assert [one.why for one in _pending("file:/other.keyring")] == [Why.NOT_MOVED]


async def test_a_wallet_that_others_moved_whole_may_go(data_home: Path) -> None:
    """Once it is unlocked, so that it can be seen; without their word nobody is asked for that."""
    path = place_wallet(data_home, CONTENT)
    world = World(store="secret-service", provider="oo7")
    await _fill_elsewhere(world)
    (box,) = await world.served.backend.collections()
    world.served.backend.set_locked(box.id, locked=True)
    with pytest.raises(ElsewhereError):
        await world.served.service.delete_wallet("", wallet=WALLET)
    assert await world.served.backend.is_locked(box.id)
    _stamp(path)
    assert await world.served.service.delete_wallet("", wallet=WALLET) == 0
    await world.pending.refresh()
    assert world.pending.wallets() == ()
    await world.stop()


@pytest.mark.parametrize(
    ("store", "provider", "later"),
    [
        ("secret-service", "gnome-keyring", 0),
        ("secret-service", "", 0),
        ("file:/x.keyring", "", 0),
        ("secret-service", "oo7", 1),
    ],
)
async def test_a_stamp_counts_while_oo7_serves_what_it_read(
    data_home: Path, store: str, provider: str, later: int
) -> None:
    """Not for another store, nor for a file that KDE saved since."""
    path = place_wallet(data_home, CONTENT)
    _stamp(path)
    stamped = path.with_name("kdewallet.kwl.migrated").stat().st_mtime_ns
    os.utime(path, ns=(stamped + later, stamped + later))
    world = World(store=store, provider=provider)
    handle = await _fill_elsewhere(world)
    with pytest.raises(ElsewhereError):
        await world.remove(handle)
    assert await world.read(handle) == "old"
    await world.stop()


async def test_nothing_goes_that_cannot_be_noted(data_home: Path) -> None:
    """While a migration holds the journal the removal is refused, and nothing is lost."""
    _stamp(place_wallet(data_home, CONTENT))
    world = World(store="secret-service", provider="oo7")
    handle = await _fill_elsewhere(world)
    with open_journal(journal_path()), pytest.raises(ElsewhereError):
        await world.remove(handle)
    assert await world.read(handle) == "old"
    assert await world.remove(handle) == 0
    await world.stop()


async def test_many_that_others_moved_may_go_at_once(data_home: Path) -> None:
    """The journal's lock, which refuses a second migration, refuses no second removal."""
    keys = [Key(f"k{number}") for number in range(10)]
    _stamp(place_wallet(data_home, {FOLDER: dict.fromkeys(keys, "v")}))
    world = World(store="secret-service", provider="oo7")
    handle = await world.served.open()
    entry = Entry(EntryType.PASSWORD, Secret(qtstream.encode_string("v")))
    for key in keys:
        await world.served.inner.write(WALLET, FOLDER, key, entry)
    assert await asyncio.gather(*(world.remove(handle, key) for key in keys)) == [0] * len(keys)
    await world.stop()


def _stamp(path: Path) -> None:
    """Say that a wallet file was moved, as oo7 does."""
    path.with_name(path.name + ".migrated").write_bytes(b"")


def _list_as_moved(names: str) -> None:
    """Say that wallets were moved, as KDE's kwalletd6 does."""
    rc = config_home(os.environ) / "kwalletrc"
    rc.parent.mkdir(parents=True, exist_ok=True)
    rc.write_text(f"[Migration]\nWalletsMigratedToSecretService={names}\n")


async def test_what_changes_under_an_open_handle_is_noticed(data_home: Path) -> None:
    """A wallet that comes, and a run that is taken back: nobody asks, and the gate stands."""
    path = place_wallet(data_home, {})
    world = World()
    handle = await world.served.open()
    assert not await world.has_key(handle)
    place_wallet(data_home, CONTENT)
    await until(lambda: bool(world.pending.pending))
    assert await world.has_key(handle)
    run = _move(path)
    assert not await world.has_key(handle)
    with open_journal(journal_path()) as journal:
        journal.note_undoing(journal.runs[run])
        await until(lambda: bool(world.pending.pending))
        assert await world.has_key(handle)
    path.unlink()
    await until(lambda: not world.pending.pending)
    assert not await world.has_key(handle)
    await world.stop()


@pytest.mark.parametrize("kind", ["gpg", "damaged"])
async def test_a_wallet_that_hides_its_names_is_not_opened(data_home: Path, kind: str) -> None:
    """Neither when it has to be made nor when it is open; after a decision it is."""
    place = place_gpg_wallet if kind == "gpg" else _place_damaged
    place(data_home, name="work")
    path = place(data_home)
    world = World()
    for name in (WALLET, WalletName("work")):
        with pytest.raises(ElsewhereError):
            await world.served.open(wallet=name)
        assert type(world.served.heard()[-1]).__name__ == "WalletAsyncOpened"
    assert len(await world.served.backend.collections()) == 1
    assert await world.served.open(wallet=WalletName("other")) > 0
    _do_without(path)
    handle = await world.served.open()
    assert not await world.has_key(handle)
    await world.stop()


def _place_damaged(data_home: Path, *, name: str = "kdewallet") -> Path:
    return place_bytes(data_home, b"damaged", name=name)


async def test_a_folder_that_cannot_be_listed_opens_nothing(data_home: Path) -> None:
    """A disk that is not mounted may hold every wallet; what was pending stays so."""
    place_wallet(data_home, CONTENT)
    world = World()
    handle = await world.served.open()
    assert await world.has_key(handle)
    (data_home / "kwalletd").rename(data_home / "away")
    (data_home / "kwalletd").symlink_to(data_home / "nowhere")
    with pytest.raises(ElsewhereError):
        await world.served.open(wallet=WalletName("other"))
    assert await world.has_key(handle)
    (data_home / "kwalletd").unlink()
    assert await world.served.open() == handle
    assert not await world.has_key(handle)
    await world.stop()


async def test_one_question_for_all_who_wait(data_home: Path) -> None:
    """Opens wait for what is decided; after "later" nobody is asked again until the file changes."""
    path = place_wallet(data_home, CONTENT)
    asker = Answers(Decision.LATER, Decision.WITHOUT, act=lambda _: None)
    world = World(asker)
    handles = await asyncio.gather(*(world.served.open() for _ in range(3)))
    assert len(set(handles)) == 1
    assert len(asker.asked) == 1
    await world.served.open()
    assert len(asker.asked) == 1
    assert await world.has_key(handles[0])
    os.utime(path, (1, 1))
    await world.served.open()
    assert len(asker.asked) == 2
    assert not await world.has_key(handles[0])
    await world.stop()


async def test_what_was_moved_while_an_open_waited_is_served(data_home: Path) -> None:
    """The program that asked first gets what was moved."""
    path = place_wallet(data_home, CONTENT)
    asker = Answers(Decision.MOVED, act=lambda _: _move(path))
    world = World(asker)
    await world.served.inner.unlock(WALLET)
    handle = await world.served.open()
    await world.write_as_migration()
    assert await world.read(handle) == "old"
    assert len(asker.asked) == 1
    await world.stop()


async def test_nobody_is_asked_about_what_is_there_or_was_taken_back(data_home: Path) -> None:
    """Another program moved it, or a person did not want it moved."""
    place_wallet(data_home, CONTENT)
    asker = Answers(act=lambda _: None)
    world = World(asker)
    await world.write_as_migration()
    handle = await world.served.open()
    assert await world.read(handle) == "old"
    path = place_wallet(data_home, {"F": {"k": "v"}})
    run = _move(path)
    with open_journal(journal_path()) as journal:
        journal.note_undoing(journal.runs[run])
        journal.end(journal.runs[run], "undone")
    await world.served.open()
    has = await world.served.contents.has_entry(
        "", handle=handle, folder=FolderName("F"), key=Key("k"), appid=APP
    )
    assert has
    await world.stop()


async def test_half_a_value_is_no_value(data_home: Path) -> None:
    """A run that was killed between an item and its secret left an empty password."""
    path = place_wallet(data_home, CONTENT)
    place = Place(WALLET, Kind.ENTRY, folder=FOLDER, key=KEY)
    with open_journal(journal_path()) as journal:
        run = journal.begin(MEMORY, [str(path)])
        journal.intend(run, [(place, Action.CREATE, "00")])
    world = World()
    await world.write_as_migration("")
    handle = await world.served.open()
    assert await world.has_key(handle)
    with pytest.raises(ElsewhereError):
        await world.read(handle)
    with pytest.raises(ElsewhereError):
        await world.served.contents.all_passwords("", handle=handle, folder=FOLDER, appid=APP)
    with pytest.raises(ElsewhereError):
        await world.served.contents.write_password(
            "", handle=handle, folder=FOLDER, key=KEY, value="new", appid=APP
        )
    await world.stop()


async def test_a_stores_own_files_wait_for_nothing(data_home: Path) -> None:
    """Where ksecretd serves, KDE's wallet files are what it keeps; another provider has them to get."""
    place_wallet(data_home, CONTENT)
    kind = "ksecretd"
    changes: list[int] = []
    pending = PendingWallets(
        os.environ,
        served=lambda: MEMORY,
        provider=lambda: kind,
        changed=lambda: changes.append(len(pending.wallets())),
    )
    await pending.refresh()
    assert (pending.wallets(), pending.readable) == ((), True)
    kind = "gnome-keyring"
    await pending.refresh()
    assert pending.wallets() == (WALLET,)
    kind = "ksecretd"
    await pending.refresh()
    assert pending.wallets() == ()
    assert changes == [1, 0]
    pending.close()


async def test_many_who_ask_at_once_share_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand opens of one client keep nobody's waiting behind a thousand looks at the disk."""
    pending = PendingWallets(os.environ, served=lambda: MEMORY)
    await pending.refresh()
    looks = 0
    look = PendingWallets._look

    async def counted(self: PendingWallets, before: object) -> object:
        nonlocal looks
        looks += 1
        return await look(self, before)  # type: ignore[arg-type]

    monkeypatch.setattr(PendingWallets, "_look", counted)
    first = asyncio.ensure_future(pending.refresh())
    await asyncio.sleep(0)
    await asyncio.gather(*(pending.refresh() for _ in range(1000)))
    assert first.done()
    assert looks <= 4  # each of two looks may be made again for a folder to watch
    pending.close()


# --- the command --------------------------------------------------------------------------------


def test_the_command_names_what_programs_wait_for(data_home: Path) -> None:
    """By name, by the file's name, or by its path; only of the folder that counts."""
    place_wallet(data_home, CONTENT, name="a;2Fb")
    other = place_gpg_wallet(data_home, name="other")
    elsewhere = data_home / "elsewhere.kwl"
    elsewhere.write_bytes(b"")
    for words in (["none"], [str(elsewhere)], ["a/b", "none"]):
        with pytest.raises(UsageError):
            start_without(os.environ, words)
    assert [one.pending for one in find_wallets(os.environ)] == [True, True]
    assert start_without(os.environ, ["a/b", str(other)]) == [other.with_name("a;2Fb.kwl"), other]
    assert [one.pending for one in find_wallets(os.environ)] == [False, False]


def test_what_is_offered_is_what_can_be_moved(data_home: Path, tmp_path: Path) -> None:
    """Wallets with entries, KDE 4's too, unless they were moved or a person does without."""
    place_wallet(data_home, {})
    assert count_unmoved(os.environ) == 0
    path = place_wallet(data_home, CONTENT)
    place_wallet(data_home, CONTENT, name="work")
    old = tmp_path / ".kde" / "share" / "apps" / "kwallet"
    old.mkdir(parents=True)
    (old / "kdewallet.kwl").write_bytes(path.read_bytes())
    (old / "empty.kwl").write_bytes(place_wallet(data_home, {}, name="empty").read_bytes())
    assert count_unmoved(os.environ) == 3
    _move(path)
    start_without(os.environ, ["work"])
    assert count_unmoved(os.environ) == 1


def test_a_stores_own_files_are_neither_listed_as_pending_nor_offered(
    data_home: Path, tmp_path: Path
) -> None:
    """Where ksecretd serves only KDE 4's are to be moved: it has no collection of those."""
    path = place_wallet(data_home, CONTENT)
    own = ServedStore("secret-service", "ksecretd")
    assert [one.pending for one in find_wallets(os.environ, own)] == [False]
    assert count_unmoved(os.environ, own) == 0
    assert count_unmoved(os.environ, own.known_as("secret-service")) == 0
    assert count_unmoved(os.environ, own.known_as("file:/other.keyring")) == 1
    for kind in ("gnome-keyring", "kwalletd6", ""):
        assert count_unmoved(os.environ, ServedStore("secret-service", kind)) == 1
    old = tmp_path / ".kde" / "share" / "apps" / "kwallet"
    old.mkdir(parents=True)
    (old / "kdewallet.kwl").write_bytes(path.read_bytes())
    assert count_unmoved(os.environ, own) == 1
