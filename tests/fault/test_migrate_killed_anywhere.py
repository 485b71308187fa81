# SPDX-License-Identifier: GPL-3.0-or-later
"""Real commands over real gnome-keyring, killed at every write, and what is said afterwards.

``tests/unit/test_migrate_kill_sweep.py`` does the same inside one process over a store in memory,
at more points and over more providers' ways. Here the words count too: whatever a command prints
afterwards is compared with what is in the provider and in the source.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
from typing import TYPE_CHECKING

import pytest
from support.doomed import Doomed, Ended
from support.kwl_writer import NEWEST, SALT, FolderSpec, make_lock, write_wallet
from support.migrated import KDEWALLET, connect

from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.model import Entry, EntryType, FolderName, Key
from kwallet_bridge.qtstream import encode_map, encode_string
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

PASSWORD = b"written for this test"
THEIRS = "Secret Service/theirs"
FOLDERS: list[FolderSpec] = [
    (
        "Passwords",
        [
            ("changes", EntryType.PASSWORD, encode_string("now")),
            ("lines", EntryType.PASSWORD, encode_string("a\nb")),
            ("same", EntryType.PASSWORD, encode_string("s")),
        ],
    ),
    ("Others", [("map", EntryType.MAP, encode_map({"a": "b"})), ("odd", 7, b"of no known type")]),
    ("Streams", [("bytes", EntryType.STREAM, b"\0\xff")]),
    ("Empty", []),
    ("Secret Service", [("theirs", EntryType.PASSWORD, encode_string("x"))]),
]
BEFORE = {"changes": "then", "same": "s", "mine": "stays"}
MOST_POINTS = 400
Items = list[tuple[str, str, bytes]]


class Stage:
    """gnome-keyring with entries of its own, a wallet file of every kind of entry, and commands."""

    def __init__(self, bus: PrivateBus, keyring: GnomeKeyring, doomed: Doomed) -> None:
        self.bus = bus
        self.keyring = keyring
        self._doomed = doomed
        folder = bus.data / "kwalletd"
        folder.mkdir(parents=True)
        self.wallet = folder / "kdewallet.kwl"
        lock = make_lock(NEWEST, Profile.KF5, PASSWORD)
        self.wallet.write_bytes(write_wallet(lock, FOLDERS))
        self.wallet.with_suffix(".salt").write_bytes(SALT)
        named = {"application": "theirs", "xdg:schema": "org.example.Theirs"}
        attributes = {THEIRS: {"attributes": named}}
        (folder / "kdewallet_attributes.json").write_text(json.dumps(attributes))
        self._password = bus.home / "password"
        self._password.write_bytes(PASSWORD)
        self._source = self._files()
        asyncio.run(_store(bus, BEFORE))

    def _files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.wallet.parent.iterdir()}

    def require_source(self) -> None:
        """Check that nothing of the source was touched."""
        assert self._files() == self._source

    def run(self, *words: str, point: int = 0) -> Ended:
        """Run a command."""
        return self._doomed.run(*words, point=point)

    def migrate(self, *, point: int = 0) -> Ended:
        """Migrate the wallet, over what the provider holds."""
        words = ("--on-conflict", "replace", "--password-file", str(self._password))
        return self.run("migrate", *words, str(self.wallet), point=point)

    def undo(self, *, point: int = 0) -> Ended:
        """Take the last run back."""
        return self.run("migrate", "--undo", "last", point=point)

    def runs(self) -> list[tuple[str, str]]:
        """Give the runs and their states, as ``--runs`` prints them."""
        lines = self.run("migrate", "--runs").printed.splitlines()
        return [(line.split("  ")[0], line.split("  ")[2]) for line in lines]

    def items(self, *, restart: bool = False) -> Items:
        """Show every item of the provider, the migrator's own too."""
        if restart:
            self.keyring.restart()
        return asyncio.run(_read(self.bus))

    def forget(self) -> None:
        """Have no journal; the provider is as it was."""
        for path in (self.bus.home / ".local/state/kwallet-bridge").iterdir():
            path.unlink()


async def _store(bus: PrivateBus, passwords: dict[str, str]) -> None:
    opened = await connect(bus.address)
    try:
        await opened.store.unlock(KDEWALLET)
        for key, text in passwords.items():
            entry = Entry(EntryType.PASSWORD, Secret(encode_string(text)))
            await opened.store.write(KDEWALLET, FolderName("Passwords"), Key(key), entry)
    finally:
        await opened.close()


async def _read(bus: PrivateBus) -> Items:
    opened = await connect(bus.address)
    try:
        backend = opened.backend
        collection = await backend.read_alias("default")
        assert collection is not None
        infos = await backend.read_items(await backend.search(collection, {}))
        secrets = await backend.read_secrets(list(infos))
        return sorted(
            (info.label, json.dumps(dict(info.attributes), sort_keys=True), value)
            for item, info in infos.items()
            for value in [secrets[item].value.reveal()]
        )
    finally:
        await opened.close()


@pytest.fixture
def stage(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[Stage]:
    """A stage with nothing migrated yet."""
    with Doomed(bus) as doomed:
        yield Stage(bus, gnome_keyring, doomed)


def _of_programs(items: Items) -> Items:
    """Leave out the migrator's own."""
    return [item for item in items if "org.kwallet_bridge." not in item[1]]


def _kept(items: Items) -> list[bytes]:
    """Give the values that a run keeps of what it replaced."""
    packed = [value for _, names, value in items if "org.kwallet_bridge.Replaced" in names]
    return [base64.b64decode(json.loads(base64.b64decode(one))["secret"]) for one in packed]


def _require_nothing_lost_or_doubled(items: Items, before: Items) -> None:
    for item in before:
        assert item in items or item[2] in _kept(items)
    names = [names for _, names, _ in _of_programs(items)]
    assert len(names) == len(set(names))


def _require_true_words(stage: Stage, complete: Items) -> str:
    """Compare what three commands say with what is there; gives the last run's state, if any."""
    there = _of_programs(stage.items())
    runs = stage.runs()
    state = runs[-1][1] if runs else ""
    listed = stage.run("migrate", "--list").printed
    examined = stage.run("doctor").printed
    moved = re.search(r"moved by run (\S+)$", listed, re.MULTILINE)
    assert bool(moved) == (state == "finished"), (listed, runs)
    # All may be there before the run has noted its end: then nothing is waited for.
    waited_for = "programs get an error" in listed
    assert (" 0 not moved or changed since" in examined) != waited_for, (listed, examined)
    assert not (moved and waited_for), listed
    if moved:
        assert moved[1] == runs[-1][0]
    if not waited_for:
        assert there == complete, listed
    stage.require_source()
    return state


def _counts(ended: Ended) -> dict[str, int]:
    """Read what an undo says it did."""
    found = re.findall(r"^(\d+) (removed|restored|absent)$", ended.printed, re.MULTILINE)
    if ended.printed == "nothing had been written\n":
        return {"removed": 0, "restored": 0, "absent": 0}
    assert len(found) == len(ended.printed.splitlines()), ended
    return {"removed": 0, "restored": 0, "absent": 0} | {word: int(n) for n, word in found}


def _undo(stage: Stage, before: Items) -> None:
    """Undo, and compare what it says with what was there and what is there now."""
    there = _of_programs(stage.items())
    names = {names for _, names, _ in before}
    counts = _counts(ended := stage.undo())
    assert ended.code == 0, ended
    assert counts["removed"] == sum(item[1] not in names for item in there), (ended, there)
    changed = sum(item not in there for item in before)
    assert changed <= counts["restored"] <= 1, (ended, there)  # unchanged, but kept already
    assert stage.runs()[-1][1] == "undone"
    assert stage.items(restart=True) == before


class Whole:
    """What a migration comes to that nobody kills: what is there, and what is printed."""

    def __init__(self, stage: Stage) -> None:
        self.before = stage.items()
        self.first = _without_run(stage.migrate())
        self.items = _of_programs(stage.items(restart=True))
        assert len(self.items) == len(self.before) + 5
        self.again = _without_run(stage.migrate())
        assert "5 created, 1 replaced, 1 same, 1 unsupported; 7 verified" in self.first.printed
        assert "7 same, 1 unsupported; 7 verified" in self.again.printed
        assert stage.undo().printed == "5 removed\n1 restored\n"
        assert stage.items() == self.before
        stage.forget()


def _without_run(ended: Ended) -> Ended:
    return Ended(ended.code, re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN", ended.printed))


def _points(work: Callable[[int], Ended]) -> Iterator[int]:
    """Give each point at which ``work`` was killed, up to the first that it does not reach."""
    for point in range(1, MOST_POINTS):
        if work(point).code != -signal.SIGKILL:
            assert point > 20
            return
        yield point
    pytest.fail("there are more points than were tried")


@pytest.mark.timeout(600)
def test_a_migration_killed_anywhere_is_told_of_and_completed(stage: Stage) -> None:
    """The same command does the rest and says so; its undo takes everything back."""
    whole = Whole(stage)
    for _ in _points(lambda point: stage.migrate(point=point)):
        _require_nothing_lost_or_doubled(stage.items(restart=True), whole.before)
        state = _require_true_words(stage, whole.items)
        assert state in {"", "cut off", "finished"}
        begun = stage.runs()
        ended = _without_run(stage.migrate())
        assert ended == (whole.again if state == "finished" else whole.first)
        assert _of_programs(stage.items()) == whole.items
        ((run, now),) = stage.runs()
        assert now == "finished"
        assert not begun or run == begun[0][0]
        _undo(stage, whole.before)
        stage.forget()


@pytest.mark.timeout(600)
def test_a_migration_killed_anywhere_is_taken_back(stage: Stage) -> None:
    """Undo removes what had been written, no more and no less, and counts it."""
    whole = Whole(stage)
    for _ in _points(lambda point: stage.migrate(point=point)):
        if stage.runs():
            _undo(stage, whole.before)
        assert stage.items() == whole.before
        stage.forget()


@pytest.mark.timeout(600)
def test_an_undo_killed_anywhere_is_told_of_and_completed(stage: Stage) -> None:
    """What is left is neither called moved nor undone, and the same command ends it."""
    whole = Whole(stage)

    def migrate_and_undo(point: int) -> Ended:
        assert stage.migrate().code == whole.first.code
        return stage.undo(point=point)

    for _ in _points(migrate_and_undo):
        _require_nothing_lost_or_doubled(stage.items(restart=True), whole.before)
        state = _require_true_words(stage, whole.items)
        if state == "undone":
            assert stage.items() == whole.before
            assert "this run is undone already" in stage.undo().printed
        else:
            _undo(stage, whole.before)
        stage.forget()
