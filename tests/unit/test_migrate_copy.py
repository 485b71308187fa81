# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying and moving between stores, over two memory backends."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.keyrings import PASSWORD, keyring_bytes
from support.migration import Scene

from kwallet_bridge.cli.main import run
from kwallet_bridge.errors import (
    StorePasswordError,
    StoreRefusedError,
    StoreUnavailableError,
    UsageError,
)
from kwallet_bridge.keyringfile import box
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.format import encode_keyring, parse_keyring
from kwallet_bridge.migrate import moving
from kwallet_bridge.migrate import run as migrate_run
from kwallet_bridge.migrate.coverage import SourceFile, digest_content
from kwallet_bridge.migrate.journal import journal_path, open_journal, peek_records
from kwallet_bridge.migrate.model import Outcome
from kwallet_bridge.migrate.moving import Copied, ensure_apart, read_jobs, remove_copied
from kwallet_bridge.migrate.orders import carry_out
from kwallet_bridge.migrate.verify import MISSING
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.memory import MemoryBackend

if TYPE_CHECKING:
    from pathlib import Path

    from kwallet_bridge.migrate.model import Result
    from kwallet_bridge.store.port import ItemId

ENTRY = {"server": "f", "user": "k", "type": "plaintext", "xdg:schema": "org.qt.keychain"}
ITEMS: list[tuple[str, dict[str, str], bytes, str]] = [
    ("f/k", ENTRY, b"v", "text/plain"),
    (
        "f/",
        {"server": "e", "type": "folder", "xdg:schema": "org.kde.KWallet.Folder"},
        b"",
        "text/plain",
    ),
    ("Chrome", {"application": "chrome"}, b"\0\xff", "application/octet-stream"),
    ("bare", {}, b"1", "text/plain"),
    ("twin", {"a": "b"}, b"1", "text/plain"),
    ("twin", {"a": "b"}, b"2", "text/plain"),
]


def _fill(backend: MemoryBackend) -> None:
    login = backend.add_collection("Login", alias="default")
    work = backend.add_collection("Work")
    for label, attributes, value, content_type in ITEMS:
        backend.add_item(login, attributes, value, label=label, content_type=content_type)
    backend.add_item(work, ENTRY, b"w", label="f/k")


@pytest.fixture
def source(tmp_path: Path) -> Scene:
    """A store with two collections."""
    backend = MemoryBackend()
    _fill(backend)
    return Scene(backend, tmp_path / "unused")


@pytest.fixture
def target(tmp_path: Path) -> Scene:
    """A store with an empty default collection."""
    backend = MemoryBackend()
    backend.add_collection("Main", alias="default")
    return Scene(backend, tmp_path / "journal")


def _dump(scene: Scene) -> list[list[tuple[str, dict[str, str], bytes, str]]]:
    assert isinstance(scene.backend, MemoryBackend)
    return [
        [row for row in scene.backend.dump(box) if "run" not in row[1]]
        for box in scene.backend._boxes
    ]


async def _copy(source: Scene, target: Scene) -> list[Copied]:
    opened = await source.open_store()
    copied = await read_jobs(opened, [], collection=None, only_entries=False)
    await carry_out([one.job for one in copied], target.orders())
    return copied


async def test_everything_is_copied_as_it_is(source: Scene, target: Scene) -> None:
    """Entries and other programs' items arrive with label, attributes, bytes and content type."""
    before = _dump(source)
    await _copy(source, target)
    assert _dump(target) == before
    assert _dump(source) == before
    copied = await _copy(source, target)
    assert not any(one.job.plan and one.job.plan.writes for one in copied)


async def test_moving_removes_what_arrived(source: Scene, target: Scene) -> None:
    """A move leaves the source empty, but for what changed after it was read."""
    before = _dump(source)
    copied = await _copy(source, target)
    assert isinstance(source.backend, MemoryBackend)
    (changed,) = await source.backend.search(copied[0].collection, {"application": "chrome"})
    source.backend.change_item(changed, b"newer")
    removed = await remove_copied(await source.open_store(), copied)
    assert removed == sum(len(box) for box in before) - 1
    assert [[row[2] for row in box] for box in _dump(source)] == [[b"newer"], []]


async def test_moving_keeps_what_did_not_arrive(source: Scene, target: Scene) -> None:
    """What conflicts with the destination stays in the source."""
    assert isinstance(target.backend, MemoryBackend)
    target.backend.add_item(target.backend._aliases["default"], ENTRY, b"other", label="f/k")
    copied = await _copy(source, target)
    await remove_copied(await source.open_store(), copied)
    assert [len(box) for box in _dump(source)] == [1, 0]


async def test_nothing_is_moved_onto_itself(source: Scene) -> None:
    """However a store is spelled, moving it onto itself is refused and removes nothing."""
    before = _dump(source)
    copied = await _copy(source, source)
    assert all(result.verified for one in copied for result in one.job.results)
    with pytest.raises(UsageError):
        await ensure_apart(await source.open_store(), await source.open_store(), copied)
    assert _dump(source) == before


async def test_another_store_is_another(source: Scene, target: Scene) -> None:
    """A copy elsewhere is no copy onto itself, and finding that out leaves nothing behind."""
    copied = await _copy(source, target)
    before = _dump(target)
    await ensure_apart(await source.open_store(), await target.open_store(), copied)
    assert _dump(target) == before


async def test_collections_are_joined_without_twins(source: Scene, target: Scene) -> None:
    """Two collections into one make one collection, one entry of a name, and a told conflict."""
    opened = await source.open_store()
    copied = await read_jobs(opened, [], collection="All", only_entries=False)
    jobs = {id(one.job): one.job for one in copied}
    await carry_out([*jobs.values()], target.orders())
    assert isinstance(target.backend, MemoryBackend)
    (made,) = [one.id for one in await target.backend.collections() if one.label == "All"]
    assert len(await target.backend.search(made, ENTRY)) == 1
    await remove_copied(await source.open_store(), copied)
    assert [[row[2] for row in box] for box in _dump(source)] == [[], [b"w"]]


def test_what_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy out of a file with a damaged item says so, and ends with 3."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    keyring = parse_keyring(keyring_bytes(3))
    keyring.items[1] = keyring.items[1][:-40] + bytes(40)
    (tmp_path / "one").mkdir()
    source, password = tmp_path / "one/old.keyring", tmp_path / "password"
    source.write_bytes(encode_keyring(keyring))
    password.write_bytes(PASSWORD.reveal())
    command = ["copy", "--from", f"file:{source}", "--from-password-file", str(password)]
    target = ["--to", f"file:{tmp_path / 'two/new.keyring'}", "--to-password-file", str(password)]
    assert run([*command, *target, "--json"]) == 3
    (copied,) = json.loads(capsys.readouterr().out)["wallets"]
    assert (copied["left_out"], copied["counts"]) == (1, {"password": {"created": 2}})
    assert copied["folders"] == [{"folder": "folder 0", "counts": {"password": {"created": 2}}}]
    assert run([*command, *target]) == 3
    shown = capsys.readouterr().out
    assert "left out: 1 " in shown
    assert "folder 0/: 2 password same" in shown


def _file_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    password = tmp_path / "password"
    password.write_bytes(PASSWORD.reveal())
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.keyring").write_bytes(keyring_bytes(2))
    return [
        *("copy", "--from", f"file:{tmp_path}/in/a.keyring", "--from-password-file", str(password)),
        *("--to", f"file:{tmp_path}/out/x.keyring", "--to-password-file", str(password)),
    ]


@pytest.mark.parametrize(
    ("named", "files"), [((), ["b.keyring", "x.keyring"]), (("kdewallet",), ["x.keyring"])]
)
def test_a_file_brings_its_siblings_unless_wallets_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...], files: list[str]
) -> None:
    """A file is a store with the files beside it; naming the default wallet means it alone."""
    (tmp_path / "out").mkdir()
    assert run([*_file_scene(tmp_path, monkeypatch), *named]) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.keyring")) == files


def test_a_short_password_is_refused_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is begun with a password that no new file takes, so nothing has to be resumed."""
    command = _file_scene(tmp_path, monkeypatch)
    short = tmp_path / "short"
    short.write_bytes(b"abc\n")
    command[-1] = str(short)
    assert run([*command, "--dry-run"]) == 0
    assert run(command) == StoreRefusedError.exit_code
    capsys.readouterr()
    assert run(["migrate", "--runs"]) == 0
    assert capsys.readouterr().out == ""
    assert list(tmp_path.glob("out/*.keyring")) == []


def test_nothing_is_moved_into_a_file_that_does_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a move removes anything the file is opened again with what was typed.

    Here the new file has another key than its password gives; only a derivation of it can tell.
    """
    command = [*_file_scene(tmp_path, monkeypatch), "--move"]
    before = {path: path.read_bytes() for path in tmp_path.glob("in/*.keyring")}
    real = box._create

    def mistaken(path: Path, _password: Secret) -> object:
        return real(path, Secret(b"a slip of the hand"))

    with monkeypatch.context() as patch:
        patch.setattr(box, "_create", mistaken)
        assert run(command) == StorePasswordError.exit_code
    assert {path: path.read_bytes() for path in tmp_path.glob("in/*.keyring")} == before


def test_a_move_of_which_nothing_arrived_is_a_copy_that_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was removed from the source, so taking it back removes no last copy."""
    command = [*_file_scene(tmp_path, monkeypatch), "kdewallet", "--move"]

    async def find_nothing(*seen: object) -> list[Result]:
        results = seen[-1]
        assert isinstance(results, list)
        return [replace(one, outcome=Outcome.FAILED, reason=MISSING) for one in results]

    with monkeypatch.context() as patch:
        patch.setattr(migrate_run, "verify", find_nothing)
        assert run(command) == 8
    assert "To take this back" in capsys.readouterr().out
    password = ("--to-password-file", str(tmp_path / "password"))
    assert run(["migrate", *password, "--undo", "last"]) == 0
    assert "removed" in capsys.readouterr().out


def test_a_move_whose_source_changed_meanwhile_is_never_said_to_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing could be removed, but the run is a move all the same, and undo refuses it."""
    command = [*_file_scene(tmp_path, monkeypatch), "kdewallet", "--move"]
    monkeypatch.setattr(moving, "_find_unchanged", lambda *_: [])
    assert run(command) == 0
    shown = capsys.readouterr().out
    assert "0 removed from the source" in shown
    assert "To take this back" not in shown


def test_a_move_that_is_stopped_says_how_much_it_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command removes the rest."""
    command = [*_file_scene(tmp_path, monkeypatch), "kdewallet", "--move"]
    real, deletions = KeyringFileBackend.delete_item, iter(["the probe", "the first entry"])

    async def delete(backend: KeyringFileBackend, item: ItemId) -> None:
        if next(deletions, None) is None:
            raise StoreUnavailableError("the disk is gone")
        await real(backend, item)

    with monkeypatch.context() as patch:
        patch.setattr(KeyringFileBackend, "delete_item", delete)
        assert run(command) == StoreUnavailableError.exit_code
    shown = capsys.readouterr().out
    assert "the disk is gone" in shown
    assert "1 removed from the source" in shown
    assert run(command) == 0
    assert "1 removed from the source" in capsys.readouterr().out


@pytest.mark.parametrize("move", [False, True])
def test_what_was_moved_away_is_not_covered_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, move: bool
) -> None:
    """A move takes along that a wallet file is in the store; a copy leaves it in both."""
    command = _file_scene(tmp_path, monkeypatch)
    origin, goal = (f"file:{tmp_path}/{one}.keyring" for one in ("in/a", "out/x"))
    file = SourceFile("/home/me/kdewallet.kwl", WalletName("kdewallet"), digest_content(b"one"))
    other = replace(file, wallet=WalletName("work"))
    with open_journal(journal_path()) as journal:
        journal.note_covered(origin, None, [(file, ()), (other, ())])
        journal.note_covered("secret-service", None, [(file, ())])
    assert run([*command, "kdewallet", *(["--move"] if move else [])]) == 0
    left = {(one.destination, one.file) for one in peek_records(journal_path()).coverage}
    stays = {("secret-service", file), (origin, other), (goal, file)}
    assert left == (stays if move else stays | {(origin, file)})


def test_a_file_behind_a_link_is_the_same_for_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy to a link goes where it leads; the link stays, for a daemon that follows it."""
    command = _file_scene(tmp_path, monkeypatch)
    (tmp_path / "out").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "out/x.keyring").symlink_to(tmp_path / "disk/real.keyring")
    (tmp_path / "disk/real.keyring").write_bytes(keyring_bytes(0))
    assert run([*command, "kdewallet"]) == 0
    assert (tmp_path / "out/x.keyring").is_symlink()
    assert len(parse_keyring((tmp_path / "disk/real.keyring").read_bytes()).items) > 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x.keyring"]


@pytest.mark.parametrize("ending", ["--undo", "--confirm"])
@pytest.mark.parametrize("name", ["NONSENSE", "last"])
def test_an_unknown_run_is_a_wrong_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, name: str
) -> None:
    """A run that the journal does not know ends with 2, not with a word about the journal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run(["migrate", ending, name]) == 2
