# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo, confirm and expiry of migrations over the memory backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.migration import Scene, wallet

from kwallet_bridge.errors import MigrationError, StoreTimeoutError, StoreUnavailableError
from kwallet_bridge.migrate import orders
from kwallet_bridge.migrate.journal import open_journal
from kwallet_bridge.migrate.model import Policy
from kwallet_bridge.migrate.undo import Confirmed, Undone, confirm_run, find_run, undo_run
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import Quirks

if TYPE_CHECKING:
    from pathlib import Path

    from kwallet_bridge.store.port import CollectionId

SOURCE = wallet({"Passwords": {"mail": "new", "other": "x", "map": {"a": "b"}}, "Empty": {}})
ENTRY = {
    "server": "Passwords",
    "user": "mail",
    "type": "plaintext",
    "xdg:schema": "org.qt.keychain",
}
OTHER_TYPE = ENTRY | {"type": "map"}
FOREIGN = {"application": "browser"}

Dump = list[tuple[str, dict[str, str], bytes, str]]


@pytest.fixture(params=[Quirks(), Quirks(replaces_exact_only=True, delete_takes_supersets=True)])
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Scene:
    """A default collection with another program's item in it."""
    backend = MemoryBackend(request.param)
    login = backend.add_collection("Login", alias="default")
    backend.add_item(login, FOREIGN, b"theirs", label="browser")
    return Scene(backend, tmp_path / "migrations.jsonl")


def _backend(scene: Scene) -> MemoryBackend:
    assert isinstance(scene.backend, MemoryBackend)
    return scene.backend


def _login(scene: Scene) -> CollectionId:
    return _backend(scene)._aliases["default"]


def _add(scene: Scene, attributes: dict[str, str], value: bytes, label: str = "l") -> None:
    """Add an item as the provider would keep it."""
    exact = scene.backend.quirks.replaces_exact_only
    added = {"xdg:content-type": "text/plain"} if exact else {}
    _backend(scene).add_item(_login(scene), attributes | added, value, label=label)


def _dump(scene: Scene) -> Dump:
    _backend(scene).restart()
    rows = _backend(scene).dump(_login(scene))
    return [
        (label, {k: v for k, v in attributes.items() if k != "xdg:content-type"}, value, kind)
        for label, attributes, value, kind in rows
    ]


async def _undo(scene: Scene, name: str = "last") -> list[Undone]:
    with open_journal(scene.journal) as journal:
        run = find_run(journal, name)
        done = await undo_run(scene.backend, journal, run, default_wallet="kdewallet")
    return [result.outcome for result in done]


def _state(scene: Scene) -> str:
    with open_journal(scene.journal) as journal:
        return find_run(journal, "last").state


async def test_undo_leaves_the_provider_as_found(scene: Scene) -> None:
    """Undoing a run removes all it wrote, its own items too, and puts replaced values back."""
    _add(scene, ENTRY, b"old", "my label")
    before = _dump(scene)
    await scene.migrate(SOURCE, Policy.REPLACE)
    assert _dump(scene) != before
    outcomes = await _undo(scene)
    assert sorted(outcomes) == [Undone.REMOVED] * 3 + [Undone.RESTORED]
    assert _dump(scene) == before


async def test_undo_brings_back_another_type(scene: Scene) -> None:
    """A replaced entry of another type comes back as it was."""
    _add(scene, OTHER_TYPE, b'{"k":"v"}')
    before = _dump(scene)
    await scene.migrate(SOURCE, Policy.REPLACE)
    await _undo(scene)
    assert _dump(scene) == before


async def test_undo_keeps_what_changed_since(scene: Scene) -> None:
    """An entry somebody changed after the run stays, and what it replaced stays kept."""
    _add(scene, ENTRY, b"old")
    await scene.migrate(SOURCE, Policy.REPLACE)
    changed = next(item for item in await scene.backend.search(_login(scene), {"user": "mail"}))
    _backend(scene).change_item(changed, b"newest")
    outcomes = await _undo(scene)
    assert outcomes.count(Undone.CHANGED) == 1
    assert _state(scene) == "finished"
    assert await _undo(scene) == [Undone.CHANGED]
    rows = _dump(scene)
    assert [value for _, attributes, value, _ in rows if attributes.get("user") == "mail"] == [
        b"newest"
    ]
    schemas = {attributes.get("xdg:schema", "") for _, attributes, _, _ in rows}
    assert "org.kwallet_bridge.Replaced" in schemas


async def test_an_entry_whose_old_value_is_lost_is_not_called_absent(scene: Scene) -> None:
    """Somebody tidied up what was kept for the undo: the entry stays as the run left it."""
    _add(scene, ENTRY, b"old")
    await scene.migrate(SOURCE, Policy.REPLACE)
    query = {"xdg:schema": "org.kwallet_bridge.Replaced"}
    for kept in await scene.backend.search(_login(scene), query):
        await scene.backend.delete_item(kept)
    assert sorted(await _undo(scene)) == [Undone.CHANGED] + [Undone.REMOVED] * 3
    assert await scene.backend.search(_login(scene), ENTRY)
    assert _state(scene) == "finished"


async def test_what_was_changed_since_keeps_the_run_open(scene: Scene) -> None:
    """Once it is what the run wrote again, or gone, the same undo ends the run."""
    _add(scene, ENTRY, b"old")
    before = _dump(scene)
    await scene.migrate(SOURCE, Policy.REPLACE)
    (mail,) = await scene.backend.search(_login(scene), {"user": "mail"})
    _backend(scene).change_item(mail, b"newest")
    await _undo(scene)
    (mail,) = await scene.backend.search(_login(scene), {"user": "mail"})
    _backend(scene).change_item(mail, b"new")
    assert await _undo(scene) == [Undone.RESTORED]
    assert _state(scene) == "undone"
    assert _dump(scene) == before


async def test_what_came_after_a_partial_undo_is_not_the_runs(scene: Scene) -> None:
    """A row that was taken back is done with, also if a person enters the same value again."""
    await scene.migrate(SOURCE)
    (mail,) = await scene.backend.search(_login(scene), {"user": "mail"})
    _backend(scene).change_item(mail, b"newest")
    await _undo(scene)
    _add(scene, ENTRY | {"user": "other"}, b"x")
    assert await _undo(scene) == [Undone.CHANGED]
    assert len(await scene.backend.search(_login(scene), {"user": "other"})) == 1


def _elsewhere(tmp_path: Path, scene: Scene) -> Scene:
    """Give another store behind the same name, which has the same entry of its own."""
    backend = MemoryBackend()
    login = backend.add_collection("Login", alias="default")
    backend.add_item(login, ENTRY, b"new", label="theirs")
    return Scene(backend, scene.journal)


@pytest.mark.parametrize("there", ["another store", "no collection"])
async def test_a_store_that_was_not_reached_ends_no_run(
    scene: Scene, tmp_path: Path, there: str
) -> None:
    """Undoing or confirming where the run never wrote removes nothing, and the run can still end."""
    before = _dump(scene)
    await scene.migrate(SOURCE)
    other = _elsewhere(tmp_path, scene)
    if there == "no collection":
        _backend(other).drop_collection(_login(other))
    assert set(await _undo(other)) == {Undone.UNREACHED}
    with open_journal(scene.journal) as journal:
        run = find_run(journal, "last")
        done = await confirm_run(other.backend, journal, run, default_wallet="kdewallet")
    assert done == Confirmed(0, (SOURCE.name,))
    assert _state(scene) == "finished"
    if there == "another store":
        assert [value for _, _, value, _ in _dump(other)] == [b"new"]
    assert set(await _undo(scene)) == {Undone.REMOVED}
    assert _state(scene) == "undone"
    assert _dump(scene) == before


async def test_an_interrupted_run_goes_on_only_in_its_own_store(
    scene: Scene, tmp_path: Path
) -> None:
    """The same names may lead to another store: what was begun there is not resumed here."""

    async def gate(called: str) -> None:
        if called == "create_item" and _backend(scene).calls["create_item"] == 3:
            raise StoreUnavailableError("gone")

    _backend(scene).gate = gate
    _, cut_off = await scene.migrate(SOURCE)
    _backend(scene).gate = None
    other = _elsewhere(tmp_path, scene)
    _, fresh = await other.migrate(SOURCE)
    assert cut_off is not None
    assert fresh is not None
    assert fresh.id != cut_off.id
    _, again = await scene.migrate(SOURCE)
    assert again is not None
    assert (again.id, again.state) == (cut_off.id, "finished")


async def test_undo_of_an_interrupted_run(scene: Scene) -> None:
    """A run cut off in the middle can be undone too."""
    _add(scene, ENTRY, b"old")
    before = _dump(scene)
    calls = 0

    async def gate(called: str) -> None:
        nonlocal calls
        calls += called == "create_item"
        if calls == 4:
            raise StoreUnavailableError("gone")

    _backend(scene).gate = gate
    job, _ = await scene.migrate(SOURCE, Policy.REPLACE)
    assert job.error is not None
    _backend(scene).gate = None
    await _undo(scene)
    assert _dump(scene) == before


async def test_undo_twice_is_refused(scene: Scene) -> None:
    """A run that was undone is not undone again."""
    await scene.migrate(SOURCE)
    await _undo(scene)
    with pytest.raises(MigrationError):
        await _undo(scene)


async def test_a_made_collection_goes_when_it_is_empty(scene: Scene) -> None:
    """A collection the run made is deleted with its last entry."""
    await scene.migrate(wallet({"f": {"k": "v"}}, "Work"))
    await _undo(scene)
    assert [seen.label for seen in await scene.backend.collections()] == ["Login"]


async def test_confirming_forgets_the_replaced(scene: Scene) -> None:
    """After confirming, neither kept items nor names remain, and the entries stay."""
    _add(scene, ENTRY, b"old")
    await scene.migrate(SOURCE, Policy.REPLACE)
    with open_journal(scene.journal) as journal:
        run = find_run(journal, "last")
        done = await confirm_run(scene.backend, journal, run, default_wallet="kdewallet")
        assert done == Confirmed(1, ())
    rows = _dump(scene)
    assert len(rows) == 5
    assert not any("kwallet_bridge" in str(attributes) for _, attributes, _, _ in rows)
    assert b"mail" not in scene.journal.read_bytes()
    with pytest.raises(MigrationError):
        await _undo(scene)


async def test_old_runs_are_confirmed_by_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was replaced is let go when a later run finds its time has passed."""
    _add(scene, ENTRY, b"old")
    await scene.migrate(SOURCE, Policy.REPLACE)
    monkeypatch.setattr(orders, "KEEP_DAYS", -1)
    await scene.migrate(wallet({"late": {"k": "v"}}))
    with open_journal(scene.journal) as journal:
        assert {run.state for run in journal.runs.values()} == {"confirmed"}
    assert not any(b"old" in value for _, _, value, _ in _dump(scene))


@pytest.mark.parametrize("number", range(1, 14))
async def test_a_cut_off_undo_is_repeated(scene: Scene, number: int) -> None:
    """An undo that fails at any write is completed by the next, and loses nothing."""
    _add(scene, ENTRY, b"old")
    _add(scene, {"server": "Passwords", "user": "map", "type": "plaintext"}, b"was text")
    before = _dump(scene)
    await scene.migrate(SOURCE, Policy.REPLACE)
    calls = 0

    async def gate(called: str) -> None:
        nonlocal calls
        calls += called in {"create_item", "delete_item"}
        if calls >= number:
            raise StoreUnavailableError("gone")

    _backend(scene).gate = gate
    try:
        await _undo(scene)
    except StoreUnavailableError:
        _backend(scene).gate = None
        await _undo(scene)
    _backend(scene).gate = None
    assert _dump(scene) == before


@pytest.mark.parametrize("number", range(1, 16))
async def test_a_cut_off_replacement_is_resumed(scene: Scene, number: int) -> None:
    """A run cut off at any write while replacing is completed, and its undo restores all."""
    _add(scene, ENTRY, b"old")
    _add(scene, {"server": "Passwords", "user": "map", "type": "plaintext"}, b"was text")
    before = _dump(scene)
    calls = 0

    async def gate(called: str) -> None:
        nonlocal calls
        calls += called in {"create_item", "delete_item", "set_attributes"}
        if calls >= number:
            raise StoreUnavailableError("gone")

    _backend(scene).gate = gate
    await scene.migrate(SOURCE, Policy.REPLACE)
    _backend(scene).gate = None
    job, _ = await scene.migrate(SOURCE, Policy.REPLACE)
    assert all(result.verified for result in job.results)
    entries = [row for row in _dump(scene) if "user" in row[1]]
    assert len(entries) == 3
    await _undo(scene)
    assert _dump(scene) == before


@pytest.mark.parametrize("ending", ["undo", "confirm"])
async def test_an_end_that_is_not_seen_to_be_saved_is_none(scene: Scene, ending: str) -> None:
    """The run stays open while something may come back; the same again waits anew, and ends it."""
    _add(scene, ENTRY, b"old")
    _, run = await scene.migrate(SOURCE, Policy.REPLACE)
    assert run is not None
    saved: list[CollectionId] = []
    left = 0

    async def save(collection: CollectionId) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreTimeoutError("not saved")
        saved.append(collection)

    with open_journal(scene.journal) as journal:
        found = find_run(journal, run.id)
        end, state = (undo_run, "undone") if ending == "undo" else (confirm_run, "confirmed")
        for seen in range(2 if ending == "undo" else 1):  # undoing waits twice
            left = seen
            with pytest.raises(StoreTimeoutError):
                await end(scene.backend, journal, found, default_wallet="kdewallet", save=save)
            assert found.state == "finished"
        left = 1
        saved.clear()
        await end(scene.backend, journal, found, default_wallet="kdewallet", save=save)
        assert found.state == state
    assert saved == [_login(scene)]
