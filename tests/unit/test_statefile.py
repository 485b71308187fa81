# SPDX-License-Identifier: GPL-3.0-or-later
"""The state file: whole or not at all, private, and nothing in it by guess."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge import statefile
from kwallet_bridge.errors import StateError
from kwallet_bridge.statefile import Decision, Declined, MadeBy, State, StoreKind, load, update

if TYPE_CHECKING:
    from pathlib import Path

DECISION = Decision(StoreKind.PROVIDER, MadeBy.FIRST_OPEN, 1_700_000_000, provider="oo7")
FILE = Decision(StoreKind.FILE, MadeBy.INSTALL, 1_700_000_001, path="/home/a/\udcff.keyring")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give where the file of a scratch home lies."""
    return tmp_path / "state" / "kwallet-bridge" / "store.json"


def _decide(state: State) -> State:
    return replace(state, decision=DECISION, provider_served=1_700_000_000)


def _refuse(state: State) -> State:
    raise AssertionError("nothing may be changed over a file that was not understood")


def test_a_file_that_is_not_there_knows_nothing_and_is_not_made(path: Path) -> None:
    """Reading makes neither the file nor its folder, and finds nothing under any name."""
    state = load(path)
    assert state == State()
    assert state.find_wallet("kdewallet") is None
    assert state.find_declined("/a.kwl") is None
    assert not path.parent.exists()
    with pytest.raises(ValueError, match="no key"):
        state.digest("kdewallet")


def test_what_was_written_is_read(path: Path) -> None:
    """Every field comes back, a path of odd bytes too, and the key stays the same."""

    def fill(state: State) -> State:
        state = replace(state, decision=FILE, provider_served=7)
        state = state.with_wallet("kdewallet", {"mark": "ab", "names": ["cd"]})
        return state.with_declined("/home/a/kdewallet.kwl", Declined(60, 123_456_789_012, 9))

    written = update(path, fill)
    assert load(path) == written
    assert written.decision == FILE
    assert written.find_wallet("kdewallet") == {"mark": "ab", "names": ["cd"]}
    assert written.find_declined("/home/a/kdewallet.kwl") == Declined(60, 123_456_789_012, 9)
    again = update(path, lambda state: state.with_wallet("kdewallet", None))
    assert again.key == written.key
    assert again.find_wallet("kdewallet") is None
    assert len(written.key) == statefile.KEY_BYTES


def test_it_is_private_and_holds_no_name(path: Path) -> None:
    """Only its owner may look into file and folder, and no name can be read in it."""
    path.parent.mkdir(parents=True, mode=0o755)
    path.parent.chmod(0o755)
    update(
        path, lambda s: s.with_wallet("My Bank", {}).with_declined("/x/Bank.kwl", Declined(1, 2))
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "Bank" not in path.read_text()
    assert "key" not in repr(load(path))


def test_digests_differ_by_key_and_by_where_texts_end(tmp_path: Path) -> None:
    """Two files digest one name differently, and "ab", "c" is not "a", "bc"."""
    one = update(tmp_path / "1/store.json", _decide)
    two = update(tmp_path / "2/store.json", _decide)
    assert one.digest("kdewallet") != two.digest("kdewallet")
    assert one.digest("kdewallet") == one.digest("kdewallet")
    assert len({one.digest(*texts) for texts in [("ab", "c"), ("a", "bc"), ("abc",), ("\0",)]}) == 4
    assert one.digest("\ud800") != one.digest("?")


def test_what_a_newer_program_adds_is_kept(path: Path) -> None:
    """Keys that are not known, at the top and inside, survive a change."""
    update(path, lambda s: _decide(s).with_declined("/a", Declined(1, 2)))
    content = json.loads(path.read_text())
    content["window"] = {"shown": True}
    content["store"]["confirmed"] = 1
    next(iter(content["declined"].values()))["why"] = "later"
    path.write_text(json.dumps(content))
    update(path, lambda s: replace(s, provider_served=99))
    after = json.loads(path.read_text())
    content["provider_served"] = 99
    assert after == content


def test_a_newer_version_is_an_error_and_untouched(path: Path) -> None:
    """A version that is not known is neither read nor overwritten."""
    update(path, _decide)
    content = json.loads(path.read_text()) | {"version": statefile.VERSION + 1}
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    with pytest.raises(StateError, match="newer kwallet-bridge"):
        load(path)
    with pytest.raises(StateError, match="newer kwallet-bridge"):
        update(path, _refuse)
    assert path.read_bytes() == before


def test_cut_at_any_length_it_is_an_error_and_untouched(path: Path) -> None:
    """No part of the file passes for the file, an empty one least of all."""
    update(path, lambda s: _decide(s).with_wallet("w", {"mark": "m"}))
    whole = path.read_bytes()
    for length in range(len(whole.rstrip())):
        path.write_bytes(whole[:length])
        with pytest.raises(StateError, match="decide anew"):
            load(path)
        with pytest.raises(StateError, match="decide anew"):
            update(path, _refuse)
        assert path.read_bytes() == whole[:length]


@pytest.mark.parametrize(
    "change",
    [
        {"key": "00"},
        {"key": 5},
        {"version": True},
        {"store": []},
        {"store": {"kind": "memory", "made_by": "window", "made_at": 1}},
        {"store": {"kind": "file", "made_by": "window"}},
        {"store": {"kind": "file", "made_by": "window", "made_at": "now"}},
        {"wallets": {"a": 1}},
        {"declined": {"a": {"size": "1", "modified_ns": 2}}},
        {"provider_served": None},
    ],
)
def test_a_field_of_another_shape_is_damage(path: Path, change: dict[str, object]) -> None:
    """Whatever is not as it was written is an error, never a default."""
    update(path, _decide)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StateError, match="it is damaged"):
        load(path)


@pytest.mark.parametrize("text", ["[]", "null", "[" * 100_000, '{"version": NaN}', "\xff"])
def test_text_that_is_no_object_is_damage(path: Path, text: str) -> None:
    """Other JSON, JSON nested without end and no JSON at all are one error."""
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(StateError, match="it is damaged"):
        load(path)


def test_only_a_regular_file_of_bounded_size_is_read(path: Path, tmp_path: Path) -> None:
    """A pipe does not stall, a link leads nowhere, and a file without end is not read."""
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(StateError, match="no regular file"):
        load(path)
    path.unlink()
    update(tmp_path / "elsewhere.json", _decide)
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(StateError, match="symbolic links"):
        load(path)
    path.unlink()
    path.touch()
    os.truncate(path, statefile.MOST_BYTES + 1)
    with pytest.raises(StateError, match="too large"):
        load(path)


def test_a_failed_change_leaves_everything(path: Path) -> None:
    """What ``change`` raises comes out, and the file is as it was."""
    update(path, _decide)
    before = path.read_bytes()

    def fail(state: State) -> State:
        raise KeyError

    with pytest.raises(KeyError):
        update(path, fail)
    assert path.read_bytes() == before
    assert update(path, lambda state: state) == load(path)


def test_nothing_is_left_beside_it(path: Path) -> None:
    """What a killed writer left goes with the next change."""
    update(path, _decide)
    (path.parent / ".store.json.abcd").write_text("half")
    update(path, lambda s: replace(s, provider_served=5))
    assert {each.name for each in path.parent.iterdir()} == {"store.json", ".store.json.lock"}


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Where no folder can be made the error names the file."""
    (tmp_path / "state").touch()
    with pytest.raises(StateError, match="cannot be written: Not a directory"):
        update(tmp_path / "state" / "kwallet-bridge" / "store.json", _decide)


def test_changes_of_many_writers_all_count(path: Path) -> None:
    """Ten writers at once lose no change of each other's."""

    def note(name: str) -> None:
        update(path, lambda state: state.with_wallet(name, {"n": name}))

    threads = [threading.Thread(target=note, args=(str(each),)) for each in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load(path).wallets) == 10


def test_a_lock_file_that_was_replaced_excludes_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited at a lock file that is at the path no more takes the one that is."""
    update(path, _decide)
    lock = path.parent / ".store.json.lock"
    real, replaced = fcntl.flock, list[int]()

    def replace_first(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        if not replaced:
            replaced.append(lock.stat().st_ino)
            (path.parent / "fresh").touch(0o600)
            (path.parent / "fresh").rename(lock)

    held = []

    def look(state: State) -> State:
        descriptor = os.open(lock, os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                real(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append(True)
        finally:
            os.close(descriptor)
        return state

    monkeypatch.setattr(fcntl, "flock", replace_first)
    update(path, look)
    assert held == [True]


def test_a_lock_that_is_kept_is_an_error_not_a_wait_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind another writer that never ends nothing is written, and that is said."""
    update(path, _decide)
    monkeypatch.setattr(statefile, "LOCK_PATIENCE", 0.02)
    descriptor = os.open(path.parent / ".store.json.lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(StateError, match="keeps the lock"):
            update(path, _refuse)
    finally:
        os.close(descriptor)


def test_where_it_lies(tmp_path: Path) -> None:
    """XDG_STATE_HOME counts where it is absolute, else the home folder's standard place."""
    home = {"HOME": str(tmp_path)}
    standard = tmp_path / ".local/state/kwallet-bridge/store.json"
    assert statefile.state_path(home) == standard
    assert statefile.state_path(home | {"XDG_STATE_HOME": "state"}) == standard
    chosen = statefile.state_path(home | {"XDG_STATE_HOME": "/var/s"})
    assert str(chosen) == "/var/s/kwallet-bridge/store.json"
