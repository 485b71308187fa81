# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairing what other migrations left, over the memory backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.migration import KDEWALLET, Scene

from kwallet_bridge.errors import WalletNotFoundError
from kwallet_bridge.migrate.journal import open_journal
from kwallet_bridge.migrate.model import Outcome, Policy
from kwallet_bridge.migrate.orders import carry_out
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.migrate.undo import find_run, undo_run
from kwallet_bridge.model import WalletName
from kwallet_bridge.store.memory import MemoryBackend

if TYPE_CHECKING:
    from pathlib import Path

    from kwallet_bridge.store.port import CollectionId

SOUND = {"type": "plaintext", "xdg:schema": "org.qt.keychain"}
LEFT: list[tuple[str, dict[str, str], bytes]] = [
    ("Kdewallet", {"server": "P", "user": "oo7", "type": "password"}, b"one"),
    ("text", {"server": "P"}, b"two"),
    ("map", {"server": "P", "login": "anna", "pin": "1"}, b""),
    ("bytes", {"server": "P"}, b"\xff\0"),
    ("newer", {"server": "P", "user": ""} | SOUND, b"three"),
]
FOREIGN: list[tuple[str, dict[str, str], bytes]] = [
    ("P/", {"server": "P", "user": ""} | SOUND, b"an empty key"),
    (
        "mail",
        {"server": "imap", "user": "x", "xdg:schema": "org.gnome.keyring.NetworkPassword"},
        b"m",
    ),
    ("imap", {"server": "imap", "protocol": "imap", "xdg:schema": "org.example.Mail"}, b"n"),
]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A collection as oo7 and KeepSecret leave it, with sound and foreign items in it."""
    backend = MemoryBackend()
    login = backend.add_collection("Login", alias="default")
    for label, attributes, value in LEFT + FOREIGN:
        backend.add_item(login, attributes, value, label=label)
    return Scene(backend, tmp_path / "journal")


def _login(scene: Scene) -> CollectionId:
    assert isinstance(scene.backend, MemoryBackend)
    return scene.backend._aliases["default"]


def _dump(scene: Scene) -> list[tuple[str, dict[str, str], bytes, str]]:
    assert isinstance(scene.backend, MemoryBackend)
    rows = scene.backend.dump(_login(scene))
    return [row for row in rows if "run" not in row[1]]


async def _repair(scene: Scene, policy: Policy = Policy.SKIP, *, dry_run: bool = False) -> Job:
    job = Job(KDEWALLET, (), repair=True)
    await carry_out([job], scene.orders(policy, dry_run=dry_run))
    return job


async def test_left_items_become_entries(scene: Scene) -> None:
    """Each item left by another migration becomes an entry KDE's programs find, and only those."""
    job = await _repair(scene)
    assert {result.outcome for result in job.results} == {Outcome.REPLACED}
    assert all(result.verified for result in job.results)
    shown = {
        (attributes.get("user"), attributes.get("type"), value)
        for _, attributes, value, _ in _dump(scene)
        if attributes.get("server") == "P"
    }
    assert shown == {
        ("oo7", "plaintext", b"one"),
        ("text", "plaintext", b"two"),
        ("map", "map", b'{"login":"anna","pin":"1"}'),
        ("bytes", "base64", b"/wA="),
        ("newer", "plaintext", b"three"),
        ("", "plaintext", b"an empty key"),
    }
    for label, attributes, value in FOREIGN:
        assert (label, attributes, value, "text/plain") in _dump(scene)
    assert not (await _repair(scene)).results


async def test_a_dry_repair_changes_nothing(scene: Scene) -> None:
    """With --dry-run the plan names every left item and nothing is written."""
    before = _dump(scene)
    job = await _repair(scene, dry_run=True)
    assert job.plan is not None
    assert len(job.plan.steps) == len(LEFT)
    assert _dump(scene) == before


async def test_repair_is_undone(scene: Scene) -> None:
    """Undoing a repair leaves the collection as it was."""
    before = _dump(scene)
    await _repair(scene)
    with open_journal(scene.journal) as journal:
        run = find_run(journal, "last")
        await undo_run(scene.backend, journal, run, default_wallet=KDEWALLET)
    assert _dump(scene) == before


async def test_a_sound_entry_wins(scene: Scene) -> None:
    """Where a sound entry has another value, repair leaves both unless told to replace."""
    assert isinstance(scene.backend, MemoryBackend)
    sound = {"server": "P", "user": "text"} | SOUND
    scene.backend.add_item(_login(scene), sound, b"newer", label="P/text")
    job = await _repair(scene)
    outcomes = {result.step.place.key: result.outcome for result in job.results}
    assert outcomes["text"] is Outcome.SKIPPED
    assert ("P/text", sound, b"newer", "text/plain") in _dump(scene)
    await _repair(scene, Policy.REPLACE)
    assert ("P/text", sound, b"two", "text/plain") in _dump(scene)


async def test_what_is_not_there_is_not_repaired(scene: Scene) -> None:
    """Repairing a collection that does not exist is an error, not a success without rows."""
    with pytest.raises(WalletNotFoundError):
        await carry_out([Job(WalletName("no such"), (), repair=True)], scene.orders())


OO7 = ("Kdewallet", {"server": "P", "user": "text", "type": "password"}, b"of oo7")
"""Beside KeepSecret's item for the same entry, with another value."""


def _add(scene: Scene, label: str, attributes: dict[str, str], value: bytes) -> None:
    assert isinstance(scene.backend, MemoryBackend)
    scene.backend.add_item(_login(scene), attributes, value, label=label)


def _values(scene: Scene) -> set[tuple[str | None, bytes]]:
    return {
        (attributes.get("user"), value)
        for _, attributes, value, _ in _dump(scene)
        if attributes.get("server") == "P" and b"o" in value and b"n" not in value
    }


@pytest.mark.parametrize(
    ("policy", "outcomes", "left"),
    [
        (Policy.SKIP, [Outcome.REPLACED, Outcome.SKIPPED], {("text", b"of oo7"), (None, b"two")}),
        (Policy.REPLACE, [Outcome.REPLACED], {("text", b"two")}),
        (
            Policy.KEEP_BOTH,
            [Outcome.REPLACED] * 2,
            {("text", b"of oo7"), ("text (2)", b"two")},
        ),
    ],
)
async def test_two_that_stand_for_one_entry_are_a_conflict(
    scene: Scene, policy: Policy, outcomes: list[Outcome], left: set[tuple[str | None, bytes]]
) -> None:
    """The item that counts wins; the other is asked about, kept, and brought back by an undo."""
    _add(scene, *OO7)
    before = _dump(scene)
    job = await _repair(scene, policy)
    ended = [one.outcome for one in job.results if one.step.place.key in {"text", "text (2)"}]
    assert sorted(ended) == sorted(outcomes)
    assert _values(scene) == left
    with open_journal(scene.journal) as journal:
        run = find_run(journal, "last")
        await undo_run(scene.backend, journal, run, default_wallet=KDEWALLET)
    assert _dump(scene) == before


@pytest.mark.parametrize("policy", [Policy.SKIP, Policy.REPLACE, Policy.KEEP_BOTH])
async def test_twins_with_other_values_are_not_lost(scene: Scene, policy: Policy) -> None:
    """Of two items under the very same names none is overwritten unasked, and undo gives both."""
    _add(scene, *OO7)
    _add(scene, OO7[0], OO7[1], b"older of oo7")
    before = _dump(scene)
    job = await _repair(scene, policy)
    rows = [one for one in job.results if one.step.place.key == "text"]
    if policy is Policy.SKIP:
        assert {one.outcome for one in rows} == {Outcome.SKIPPED}
        assert {value for _, value in _values(scene)} >= {b"two", b"of oo7", b"older of oo7"}
    with open_journal(scene.journal) as journal:
        run = find_run(journal, "last")
        await undo_run(scene.backend, journal, run, default_wallet=KDEWALLET)
    assert _dump(scene) == before
