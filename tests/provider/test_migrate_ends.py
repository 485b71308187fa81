# SPDX-License-Identifier: GPL-3.0-or-later
"""Every end of a migration, brought about with the real command; the page gives words and code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.fake_provider import Fault
from support.hosted import HostedFake
from support.migrated import connect, read_everything
from support.paths import ROOT, VECTORS
from support.peers import GnomeKeyring, Ksecretd
from support.private_bus import private_bus

from kwallet_bridge.migrate.journal import open_journal
from kwallet_bridge.model import Entry, EntryType, FolderName, Key, WalletName
from kwallet_bridge.qtstream import encode_string
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.private_bus import PrivateBus

PAGE = ROOT / "docs/reference/migration-ends.md"
COMMAND = [sys.executable, "-m", "kwallet_bridge"]
PLACEHOLDERS = {"RUN": r"\d{8}-\d{6}-[0-9a-f]{4}", "N": r"\d+", "PATH": r"/\S+"}
EXPORT = """<?xml version="1.0"?>
<wallet name="kdewallet"><folder name="Passwords">
<password name="mail">new</password><password name="other">x</password>{more}</folder></wallet>
"""
BAD = '<stream name="bad">!</stream>'
ITEM = '<wallet name="kdewallet"><item label="l"><secret>AQID</secret></item></wallet>'
FILE_PASSWORD = "long enough for a file"


@dataclass(frozen=True)
class End:
    """What the page says of one end."""

    printed: tuple[str, ...]
    code: int

    def require(self, done: subprocess.CompletedProcess[str]) -> None:
        """Check that a command ended so."""
        output = done.stdout + done.stderr
        for words in self.printed:
            parts = re.split(r"\b(RUN|N|PATH)\b", words)
            pattern = "".join(PLACEHOLDERS.get(part) or re.escape(part) for part in parts)
            assert re.search(r"^\s*" + pattern, output, re.MULTILINE), (words, output)
        assert done.returncode == self.code, output
        assert "Traceback" not in output


def read_page() -> dict[str, End]:
    """Read the tables: words in backquotes, then the code."""
    ends = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[2].isdigit():
            ends[cells[0]] = End(tuple(re.findall("`([^`]+)`", cells[1])), int(cells[2]))
    return ends


class Stage:
    """A bus of its own, an export to migrate, and the journal."""

    def __init__(self, bus: PrivateBus) -> None:
        self.bus = bus
        self.export = bus.home / "export.xml"
        self.write_export()

    def write_export(self, text: str = EXPORT.format(more="")) -> None:
        """Write what is migrated."""
        self.export.write_text(text)

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.bus.run([*COMMAND, *words], stdin=stdin, env=self.env, check=False)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [*COMMAND, *words],
            env=self.bus.env | self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    @property
    def env(self) -> dict[str, str]:
        """What the command needs to be found."""
        return {"PYTHONPATH": str(ROOT)}

    def migrate(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Migrate the export."""
        return self.run("migrate", str(self.export), *words)

    def states(self) -> list[str]:
        """Give the states of the runs, by ``--runs``."""
        lines = self.run("migrate", "--runs", "--json").stdout.splitlines()
        runs = [json.loads(line) for line in lines]
        return ["in part" if run["undone_in_part"] else run["state"] for run in runs]

    def journal(self) -> Path:
        """Name the journal's file."""
        return self.bus.home / ".local/state/kwallet-bridge/migrations.jsonl"

    def entries(self) -> dict[str, str]:
        """Read every password of the default wallet, as programs are given them."""

        async def read() -> dict[str, bytes]:
            opened = await connect(self.bus.address)
            try:
                found = await read_everything(opened)
                return {key: v for folder in found.values() for key, (_, v) in folder.items()}
            finally:
                await opened.close()

        return {key: value[4:].decode("utf-16-be") for key, value in asyncio.run(read()).items()}

    def write(self, key: str, text: str) -> None:
        """Write a password as another program."""

        async def store() -> None:
            opened = await connect(self.bus.address)
            try:
                wallet, folder = WalletName("kdewallet"), FolderName("Passwords")
                await opened.store.unlock(wallet)
                entry = Entry(EntryType.PASSWORD, Secret(encode_string(text)))
                await opened.store.write(wallet, folder, Key(key), entry)
            finally:
                await opened.close()

        asyncio.run(store())


@pytest.fixture
def stage(bus: PrivateBus) -> Stage:
    """Give a stage with nobody on it."""
    return Stage(bus)


@pytest.fixture
def keyring(bus: PrivateBus) -> Iterator[GnomeKeyring]:
    """Have gnome-keyring on the stage."""
    with GnomeKeyring(bus) as peer:
        yield peer


NEW = {"mail": "new", "other": "x"}


# --- migrating ----------------------------------------------------------------------------------


def dry_run(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """Only the plan is shown."""
    end.require(stage.migrate("--dry-run"))
    keyring.restart()
    assert (stage.entries(), stage.states()) == ({}, [])


def done(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """Everything arrived."""
    end.require(stage.migrate())
    keyring.restart()
    assert (stage.entries(), stage.states()) == (NEW, ["finished"])


def nothing_to_do(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """Everything had arrived before."""
    stage.migrate()
    end.require(again := stage.migrate())
    assert "take this back" not in again.stdout
    keyring.restart()
    assert (stage.entries(), stage.states()) == (NEW, ["finished"])


def conflicts(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """Another value was there."""
    stage.write("mail", "old")
    end.require(stage.migrate())
    keyring.restart()
    assert (stage.entries(), stage.states()) == ({**NEW, "mail": "old"}, ["finished"])


def partly(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """An entry and another source cannot be read."""
    stage.write_export(EXPORT.format(more=BAD))
    end.require(stage.migrate(str(stage.bus.home / "absent.xml")))
    keyring.restart()
    assert (stage.entries(), stage.states()) == (NEW, ["finished"])


def source_changed(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """The export was written anew since."""
    stage.migrate()
    more = '<password name="third">3</password>'
    stage.write_export(EXPORT.format(more=more).replace("new", "newer"))
    end.require(stage.migrate())
    keyring.restart()
    assert stage.entries() == {**NEW, "third": "3"}
    assert stage.states() == ["finished", "finished"]
    for run in ("last", _first_run(stage)):
        assert stage.run("migrate", "--undo", run).returncode == 0
    assert (stage.entries(), stage.states()) == ({}, ["undone", "undone"])


def _first_run(stage: Stage) -> str:
    with open_journal(stage.journal()) as journal:
        return next(iter(journal.runs))


def verification_failed(stage: Stage, fake: HostedFake, end: End) -> None:
    """The provider keeps something else than it was given."""
    fake.do(lambda provider: setattr(provider.vault, "_as_kept", lambda _a, value, _t: value[:-1]))
    stage.write_export(ITEM)
    end.require(stage.migrate())
    assert stage.states() == ["finished"]
    assert stage.run("migrate", "--undo", "last").returncode == 3  # it is not what was written


def cut_off(stage: Stage, fake: HostedFake, end: End) -> None:
    """The provider goes away amid the writes: after the key and one entry."""
    fake.fail("CreateItem", Fault(), Fault(), Fault(die="before"))
    end.require(stage.migrate())
    assert stage.states() == ["running"]
    fake.restart()
    again = stage.migrate()
    assert again.returncode == 0, again.stdout
    assert (stage.entries(), stage.states()) == (NEW, ["finished"])
    assert len(_items(fake)) == len(NEW) + 1  # and the run's key


def _items(fake: HostedFake) -> list[dict[str, str]]:
    return fake.do(
        lambda provider: [
            item.attributes
            for collection in provider.vault.collections.values()
            for item in collection.items.values()
        ]
    )


def interrupted(stage: Stage, fake: HostedFake, end: End) -> None:
    """A person presses Ctrl+C while the provider does not answer."""
    asked = threading.Event()
    fake.do(lambda provider: provider.when_called("CreateItem", 3, asked.set))
    release = fake.do(lambda _: asyncio.Event())
    fake.fail("CreateItem", Fault(), Fault(), Fault(wait=release))
    child = stage.start("migrate", str(stage.export))
    assert asked.wait(30)
    child.send_signal(signal.SIGINT)
    fake.do(lambda _: release.set())  # a write that was begun ends
    output, errors = child.communicate()
    end.require(subprocess.CompletedProcess([], child.returncode, output, errors))
    assert stage.states() == ["running"]
    assert stage.migrate().returncode == 0
    assert (stage.entries(), stage.states()) == (NEW, ["finished"])


def cancelled(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """A person says no where a conflict is asked about."""
    stage.write("mail", "old")
    asking = ("--on-conflict", "ask", "--json", "--answers", "-")
    told = stage.run("migrate", str(stage.export), *asking, stdin='{"id": 1, "cancel": true}\n')
    message = json.loads(told.stdout)["message"]
    plain = subprocess.CompletedProcess(
        [], told.returncode, f"kwallet-bridge migrate: {message}", ""
    )
    end.require(plain)
    keyring.restart()
    assert (stage.entries(), stage.states()) == ({"mail": "old"}, [])


def refused_by_a_person(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """The keyring is locked and nobody opens it."""
    right, keyring.password = keyring.password, "wrong"
    keyring.restart()
    end.require(stage.migrate())
    assert stage.states() == []
    keyring.password = right
    keyring.restart()
    assert stage.entries() == {}


def no_provider(stage: Stage, end: End) -> None:
    """Nobody keeps secrets on this bus."""
    end.require(stage.migrate())
    assert stage.states() == []


def wrong_password(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """The wallet file does not open."""
    place = stage.bus.home / "old.kwl"
    shutil.copy(VECTORS / "pw-005.kwl", place)
    shutil.copy(VECTORS / "pw-005.salt", place.with_suffix(".salt"))
    end.require(stage.run("migrate", "--password-file", "-", str(place), stdin="wrong"))
    assert (stage.entries(), stage.states()) == ({}, [])
    assert keyring.process is not None


def another_at_work(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """The journal is another command's."""
    with open_journal(stage.journal()):
        end.require(stage.migrate())
    assert (stage.entries(), stage.states()) == ({}, [])
    assert keyring.process is not None


def moved(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """Everything went from the provider into a file."""
    stage.migrate()
    store = _file(stage)
    end.require(stage.run("copy", "--move", "--from", "secret-service", *store))
    keyring.restart()
    assert (stage.entries(), stage.states()) == ({}, ["finished", "moved"])
    assert stage.run("migrate", *store[2:], "--undo", "last").returncode == 40
    back = stage.run("copy", "--from", store[1], "--from-password-file", store[3])
    assert (back.returncode, stage.entries()) == (0, NEW)


def _move(stage: Stage) -> tuple[str, ...]:
    """Migrate, and name the move of it all into a file."""
    assert stage.migrate().returncode == 0
    return "copy", "--move", "--from", "secret-service", *_file(stage)


def _require_moved(stage: Stage, move: tuple[str, ...], *, left: int) -> None:
    """Check that nothing was lost half way, and that the same command does the rest."""
    assert (len(stage.entries()), stage.states()) == (left, ["finished", "moved"])
    again = stage.run(*move)
    assert again.returncode == 0, again.stdout
    assert f"{left} removed from the source" in again.stdout
    assert stage.entries() == {}
    back = stage.run("copy", "--from", move[5], "--from-password-file", move[7])
    assert (back.returncode, stage.entries()) == (0, NEW)


def move_stopped(stage: Stage, fake: HostedFake, end: End) -> None:
    """The source goes away before the second of two entries is removed."""
    move = _move(stage)
    fake.fail("Delete", Fault(), Fault(die="before"))
    end.require(stage.run(*move))
    fake.restart()
    _require_moved(stage, move, left=1)


def move_interrupted(stage: Stage, fake: HostedFake, end: End) -> None:
    """A person presses Ctrl+C while the source does not answer."""
    move = _move(stage)
    asked = threading.Event()
    fake.do(lambda provider: provider.when_called("Delete", 2, asked.set))
    fake.fail("Delete", Fault(), Fault(silent=True, act=False))
    child = stage.start(*move)
    assert asked.wait(30)
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate()
    end.require(subprocess.CompletedProcess([], child.returncode, output, errors))
    _require_moved(stage, move, left=1)


def undoing_stopped(stage: Stage, fake: HostedFake, end: End) -> None:
    """The provider goes away before the second of two entries is removed."""
    stage.migrate()
    fake.fail("Delete", Fault(), Fault(die="before"))
    end.require(stage.run("migrate", "--undo", "last"))
    fake.restart()
    assert (len(stage.entries()), stage.states()) == (1, ["in part"])
    assert stage.run("migrate", "--undo", "last").returncode == 0
    assert (stage.states(), _items(fake)) == (["undone"], [])


def confirming_stopped(stage: Stage, fake: HostedFake, end: End) -> None:
    """The provider goes away before the second kept item is removed."""
    stage.write("mail", "old")
    stage.write("other", "old")
    stage.migrate("--on-conflict", "replace")
    kept = len(_items(fake)) - len(NEW)
    fake.fail("Delete", Fault(), Fault(die="before"))
    end.require(stage.run("migrate", "--confirm", "last"))
    fake.restart()
    assert (stage.entries(), stage.states()) == (NEW, ["finished"])
    assert len(_items(fake)) == len(NEW) + kept - 1
    assert stage.run("migrate", "--confirm", "last").returncode == 0
    assert (stage.entries(), stage.states()) == (NEW, ["confirmed"])
    assert len(_items(fake)) == len(NEW)


def _file(stage: Stage, spec: str = "file:{}/a.keyring") -> tuple[str, ...]:
    """Name a keyring file and its password for the command line."""
    password = stage.bus.home / "password"
    password.write_text(FILE_PASSWORD)
    return "--to", spec.format(stage.bus.home), "--to-password-file", str(password)


# --- taking back --------------------------------------------------------------------------------


def undone(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """All that the run wrote goes, and what it replaced comes back."""
    stage.write("mail", "old")
    stage.migrate("--on-conflict", "replace")
    end.require(stage.run("migrate", "--undo", "last"))
    keyring.restart()
    assert (stage.entries(), stage.states()) == ({"mail": "old"}, ["undone"])
    assert b"mail" not in stage.journal().read_bytes()


def undone_in_part(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """What was changed since stays."""
    stage.migrate()
    stage.write("mail", "newest")
    end.require(stage.run("migrate", "--undo", "last"))
    keyring.restart()
    assert (stage.entries(), stage.states()) == ({"mail": "newest"}, ["in part"])
    end.require(stage.run("migrate", "--undo", "last"))
    assert stage.run("migrate", "--confirm", "last").returncode == 0
    assert (stage.entries(), stage.states()) == ({"mail": "newest"}, ["confirmed"])


def nothing_had_been_written(stage: Stage, fake: HostedFake, end: End) -> None:
    """The provider refused already the run's key."""
    fake.fail("CreateItem", Fault(die="before"))
    assert stage.migrate().returncode == 5
    fake.restart()
    end.require(stage.run("migrate", "--undo", "last"))
    assert (stage.states(), _items(fake)) == (["undone"], [])


def destination_gone(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """The stick with the file is not there; the run was begun in another folder."""
    stick, elsewhere = stage.bus.home / "stick", stage.bus.home / "elsewhere"
    for folder in (stick, elsewhere):
        folder.mkdir()
    store = _file(stage, "file:a.keyring")
    bus = stage.bus
    command = ["env", "-C", str(stick), *COMMAND, "migrate", str(stage.export), *store]
    assert bus.run(command, env=stage.env).returncode == 0
    password = store[2:]
    kept = stick / "a.keyring"
    kept.rename(elsewhere / "kept")
    end.require(stage.run("migrate", *password, "--undo", "last"))
    assert (kept.exists(), stage.states()) == (False, ["finished"])
    (elsewhere / "kept").rename(kept)
    command = ["env", "-C", str(elsewhere), *COMMAND, "migrate", *password, "--undo", "last"]
    assert bus.run(command, env=stage.env).stdout == "2 removed\n"
    assert stage.states() == ["undone"]
    assert keyring.process is not None


def destination_is_another(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """Another keyring has the name by now, with an entry that looks like the run's."""
    stage.migrate()
    keyring.stop()
    mine = keyring.file.read_bytes()
    keyring.file.unlink()
    keyring.start()
    stage.write("mail", "new")
    end.require(stage.run("migrate", "--undo", "last"))
    assert (stage.entries(), stage.states()) == ({"mail": "new"}, ["finished"])
    keyring.stop()
    keyring.file.write_bytes(mine)
    keyring.start()
    assert stage.run("migrate", "--undo", "last").stdout == "2 removed\n"
    assert (stage.entries(), stage.states()) == ({}, ["undone"])


def confirmed(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """What was replaced is let go."""
    stage.write("mail", "old")
    stage.migrate("--on-conflict", "replace")
    end.require(stage.run("migrate", "--confirm", "last"))
    keyring.restart()
    assert (stage.entries(), stage.states()) == (NEW, ["confirmed"])
    assert b"mail" not in stage.journal().read_bytes()


def confirmed_nowhere(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """Another keyring has the name by now."""
    stage.migrate()
    keyring.stop()
    keyring.file.unlink()
    keyring.start()
    end.require(stage.run("migrate", "--confirm", "last"))
    assert stage.states() == ["finished"]


def over_already(stage: Stage, keyring: GnomeKeyring, end: End) -> None:
    """There is nothing to take back any more."""
    stage.migrate()
    stage.run("migrate", "--undo", "last")
    stage.write("mail", "new")
    end.require(stage.run("migrate", "--undo", "last"))
    keyring.restart()
    assert (stage.entries(), stage.states()) == ({"mail": "new"}, ["undone"])


# --- over a provider that saves late ------------------------------------------------------------


class Unsaved:
    """ksecretd that may write no file, as on a full disk, and which is then ended.

    What it had not saved is lost with it, so its next start shows what is on the disk.
    """

    def __init__(self, keyring: Ksecretd) -> None:
        self._keyring = keyring

    def __enter__(self) -> None:
        assert self._keyring.process is not None
        pid = self._keyring.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def __exit__(self, *_: object) -> None:
        self._keyring.stop()
        self._keyring.start()


def not_seen_to_save(stage: Stage, keyring: Ksecretd, end: End) -> None:
    """The provider ends before it saved; the same command writes what was lost."""
    stage.write("third", "kept")  # makes the file, once it is saved
    keyring.restart()
    with Unsaved(keyring):
        end.require(stage.migrate())
        assert stage.states() == ["running"]
    assert stage.entries() == {"third": "kept"}
    assert stage.migrate().returncode == 0
    _require_saved(stage, keyring, {**NEW, "third": "kept"}, "finished")


def _require_saved(stage: Stage, keyring: Ksecretd, entries: dict[str, str], state: str) -> None:
    """End the provider at once: what was said to be so outlasts that."""
    keyring.stop()
    keyring.start()
    assert (stage.entries(), stage.states()[-1]) == (entries, state)


def undoing_not_seen_to_save(stage: Stage, keyring: Ksecretd, end: End) -> None:
    """What the undo removed comes back; the next undo removes it, and it stays away."""
    stage.write("third", "kept")
    assert stage.migrate().returncode == 0
    with Unsaved(keyring):
        end.require(stage.run("migrate", "--undo", "last"))
        assert stage.states() == ["in part"]
    assert stage.entries() == {**NEW, "third": "kept"}
    assert stage.run("migrate", "--undo", "last").stdout == "2 removed\n"
    _require_saved(stage, keyring, {"third": "kept"}, "undone")


def confirming_not_seen_to_save(stage: Stage, keyring: Ksecretd, end: End) -> None:
    """The old value that was let go is kept again; the next confirmation ends it."""
    stage.write("mail", "old")
    assert stage.migrate("--on-conflict", "replace").returncode == 0
    with Unsaved(keyring):
        end.require(stage.run("migrate", "--confirm", "last"))
        assert stage.states() == ["finished"]
    assert "; 1 kept items are gone" in stage.run("migrate", "--confirm", "last").stdout
    _require_saved(stage, keyring, NEW, "confirmed")


OVER_GNOME_KEYRING: dict[str, Callable[[Stage, GnomeKeyring, End], None]] = {
    "dry run": dry_run,
    "done": done,
    "nothing to do": nothing_to_do,
    "conflicts": conflicts,
    "partly": partly,
    "source changed": source_changed,
    "cancelled": cancelled,
    "refused by a person": refused_by_a_person,
    "wrong password": wrong_password,
    "another migration at work": another_at_work,
    "moved": moved,
    "undone": undone,
    "undone in part": undone_in_part,
    "destination gone": destination_gone,
    "destination is another": destination_is_another,
    "confirmed": confirmed,
    "confirmed nowhere": confirmed_nowhere,
    "over already": over_already,
}
OVER_STAND_IN: dict[str, Callable[[Stage, HostedFake, End], None]] = {
    "cut off": cut_off,
    "interrupted": interrupted,
    "move stopped midway": move_stopped,
    "move interrupted": move_interrupted,
    "undoing stopped midway": undoing_stopped,
    "confirming stopped midway": confirming_stopped,
    "verification failed": verification_failed,
    "nothing had been written": nothing_had_been_written,
}
OVER_KSECRETD: dict[str, Callable[[Stage, Ksecretd, End], None]] = {
    "not seen to save": not_seen_to_save,
    "undoing not seen to save": undoing_not_seen_to_save,
    "confirming not seen to save": confirming_not_seen_to_save,
}


def test_every_end_of_the_page_is_brought_about() -> None:
    """No row without a scene, and no scene without a row."""
    scenes = {*OVER_GNOME_KEYRING, *OVER_STAND_IN, *OVER_KSECRETD, "no provider"}
    assert set(read_page()) == scenes


@pytest.mark.parametrize("situation", OVER_GNOME_KEYRING)
def test_over_gnome_keyring(stage: Stage, keyring: GnomeKeyring, situation: str) -> None:
    """The real provider: words, code and what is on disk are as the page says."""
    OVER_GNOME_KEYRING[situation](stage, keyring, read_page()[situation])


@pytest.mark.parametrize("situation", OVER_STAND_IN)
def test_over_a_provider_that_misbehaves(stage: Stage, situation: str) -> None:
    """The stand-in, which fails where it is told to."""
    with HostedFake(stage.bus.address) as fake:
        OVER_STAND_IN[situation](stage, fake, read_page()[situation])


@pytest.mark.peers
@pytest.mark.parametrize("situation", OVER_KSECRETD)
def test_over_a_provider_that_saves_late(situation: str) -> None:
    """KDE's own provider, in the root that KWB_SID_ROOT names."""
    with private_bus(Path(os.environ["KWB_SID_ROOT"])) as bus, Ksecretd(bus) as keyring:
        OVER_KSECRETD[situation](Stage(bus), keyring, read_page()[situation])


def test_without_a_provider(stage: Stage) -> None:
    """Nobody on the bus."""
    no_provider(stage, read_page()["no provider"])
