# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole migrations over the memory backend."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.migration import KDEWALLET, Scene, Value, entry, wallet

from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreLockedError,
    StoreRefusedError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from kwallet_bridge.migrate.model import Action, Kind, Outcome, Policy
from kwallet_bridge.migrate.orders import carry_out, is_partial
from kwallet_bridge.migrate.plan import NO_MAP, NULLS
from kwallet_bridge.migrate.report import exit_code
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.migrate.verify import MISSING
from kwallet_bridge.migrate.wishes import SHADOWED, TWICE, from_items, from_wallet, merge
from kwallet_bridge.model import (
    EntryType,
    Folder,
    FolderName,
    Key,
    ServiceItem,
    Wallet,
    WalletEntry,
)
from kwallet_bridge.qtstream import encode_map
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import ItemId, ItemInfo, ItemSecret, Quirks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kwallet_bridge.migrate.run import OpenStore
    from kwallet_bridge.store.port import CollectionId

SMALL = wallet(
    {
        "Passwords": {"mail": "s3cret", "empty": "", "form": {"user": "anna", "pass": "{REF:x}"}},
        "Form Data": {},
        "Chrome/Keys": {"blob": bytes(range(256)), "nothing": b""},
    }
)
ENTRY = {
    "server": "Passwords",
    "user": "mail",
    "type": "plaintext",
    "xdg:schema": "org.qt.keychain",
}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """An empty unlocked default collection."""
    backend = MemoryBackend()
    backend.add_collection("Login", alias="default")
    return Scene(backend, tmp_path / "state" / "migrations.jsonl")


def _backend(scene: Scene) -> MemoryBackend:
    assert isinstance(scene.backend, MemoryBackend)
    return scene.backend


def _login(scene: Scene) -> CollectionId:
    found = _backend(scene)._aliases["default"]
    assert found is not None
    return found


def _held(scene: Scene) -> list[tuple[str, dict[str, str], bytes, str]]:
    """Show what programs see: everything but the migrator's own items."""
    rows = _backend(scene).dump(_login(scene))
    return [row for row in rows if not row[1].get("xdg:schema", "").startswith("org.kwallet_b")]


def _values(scene: Scene) -> dict[tuple[str, str], bytes]:
    return {
        (attributes["server"], attributes.get("user", "")): secret
        for _label, attributes, secret, _type in _held(scene)
    }


def _failing_at(name: str, number: int, error: Exception) -> Callable[[str], object]:
    calls = 0

    async def gate(called: str) -> None:
        nonlocal calls
        calls += called == name
        if called == name and calls >= number:
            raise error

    return gate


async def test_everything_arrives(scene: Scene) -> None:
    """A migration writes every entry and empty folder as KDE's own layer would."""
    job, run = await scene.migrate(SMALL)
    assert run is not None
    assert run.state == "finished"
    assert [result.outcome for result in job.results] == [Outcome.CREATED] * 6
    assert all(result.verified for result in job.results)
    assert _values(scene) == {
        ("Passwords", "mail"): b"s3cret",
        ("Passwords", "empty"): b"",
        ("Passwords", "form"): b'{"pass":"\\u007bREF:x}","user":"anna"}',
        ("Form Data", ""): b"",
        ("Chrome/Keys", "blob"): base64.b64encode(bytes(range(256))),
        ("Chrome/Keys", "nothing"): b"",
    }


async def test_browsers_keys_are_written_first(scene: Scene) -> None:
    """Each is worth a browser's logins, so it is there before what a cut-off run lacks."""
    keys = ["Chromium Safe Storage", "Brave Safe Storage", "Vivaldi Safe Storage"]
    folders: dict[str, dict[str, Value]] = {
        "Mail": {f"account {number}": "old" for number in range(40)},
        "Chromium Keys": {keys[0]: "old"},
        "Brave Keys": {keys[1]: "old"},
        "Vivaldi": {keys[2]: "old"},
    }
    for value, outcome in (("old", Outcome.CREATED), ("new", Outcome.REPLACED)):
        scene.seen.steps.clear()
        source = {folder: dict.fromkeys(entries, value) for folder, entries in folders.items()}
        job, _ = await scene.migrate(wallet(source), Policy.REPLACE)
        assert {one.outcome for one in scene.seen.steps} == {outcome}
        assert len(scene.seen.steps) == 43
        assert {one.step.place.key for one in scene.seen.steps[:3]} == set(keys)
        # The report keeps the wallet's order.
        assert [one.step.place.folder for one in job.results][:40] == ["Mail"] * 40


async def test_dry_run_writes_nothing(scene: Scene) -> None:
    """A dry run makes the same plan and writes neither to the provider nor to the journal."""
    job, run = await scene.migrate(SMALL, dry_run=True)
    assert run is None
    assert job.plan is not None
    assert [row.action for row in job.plan.steps] == [Action.CREATE] * 6
    assert not _held(scene)
    assert not scene.journal.exists()
    after, _ = await scene.migrate(SMALL)
    assert after.plan == job.plan


async def test_second_run_writes_nothing(scene: Scene) -> None:
    """A finished migration run again finds everything the same and begins no run."""
    await scene.migrate(SMALL)
    before = scene.journal.read_bytes()
    written = _backend(scene).calls["create_item"]
    job, run = await scene.migrate(SMALL)
    assert run is None
    assert {result.outcome for result in job.results} == {Outcome.SAME}
    assert _backend(scene).calls["create_item"] == written
    assert scene.journal.read_bytes() == before


async def test_other_wallets_get_their_own_collection(scene: Scene) -> None:
    """A wallet that is not the default one goes to a collection of its name."""
    await scene.migrate(wallet({"f": {"k": "v"}}, "Work"))
    labels = [seen.label for seen in await scene.backend.collections()]
    assert labels == ["Login", "Work"]
    assert not _held(scene)


@pytest.mark.parametrize(
    ("policy", "outcome", "now"),
    [
        (Policy.SKIP, Outcome.SKIPPED, {"mail": b"other"}),
        (Policy.REPLACE, Outcome.REPLACED, {"mail": b"s3cret"}),
        (Policy.KEEP_BOTH, Outcome.CREATED, {"mail": b"other", "mail (2)": b"s3cret"}),
    ],
)
async def test_conflicts(
    scene: Scene, policy: Policy, outcome: Outcome, now: dict[str, bytes]
) -> None:
    """Another value under the same name is skipped, replaced, or kept beside, as asked."""
    _backend(scene).add_item(_login(scene), ENTRY, b"other", label="Passwords/mail")
    job, _ = await scene.migrate(wallet({"Passwords": {"mail": "s3cret"}}), policy)
    assert [result.outcome for result in job.results] == [outcome]
    assert {key: value for (_, key), value in _values(scene).items()} == now
    assert is_partial([job]) is (policy is Policy.SKIP)
    again, run = await scene.migrate(wallet({"Passwords": {"mail": "s3cret"}}), policy)
    assert run is None
    assert again.plan is not None
    assert not again.plan.writes


async def test_an_equal_entry_in_ksecretds_form_is_the_same(scene: Scene) -> None:
    """A stream kept raw without schema, as ksecretd shows its own, is recognised."""
    attributes = {"server": "Chrome/Keys", "user": "blob", "type": "binary"}
    _backend(scene).add_item(_login(scene), attributes, bytes(range(256)))
    job, run = await scene.migrate(wallet({"Chrome/Keys": {"blob": bytes(range(256))}}))
    assert run is None
    assert [result.outcome for result in job.results] == [Outcome.SAME]


async def test_service_items_come_back_as_items(scene: Scene) -> None:
    """A Secret Service item kept in a wallet gets its label, attributes and bytes back."""
    items = {
        (FolderName("Secret Service"), Key("Mail")): ServiceItem({"host": "a"}, "text/plain"),
        (FolderName("Secret Service"), Key("Mail__0_")): ServiceItem({"host": "b"}, "text/plain"),
        (FolderName("Secret Service"), Key("bare")): ServiceItem({}, "text/plain"),
        (FolderName("a"), Key("b/c")): ServiceItem({"n": "1"}, "application/octet-stream"),
    }
    source = replace(
        wallet(
            {"Secret Service": {"Mail": "ä", "Mail__0_": "2", "bare": "3"}, "a": {"b/c": b"\0"}}
        ),
        service_items=items,
    )
    job, _ = await scene.migrate(source)
    assert all(result.verified for result in job.results)
    assert _held(scene) == [
        ("bare", {}, b"3", "text/plain"),
        ("Mail", {"host": "a"}, "ä".encode(), "text/plain"),
        ("Mail", {"host": "b"}, b"2", "text/plain"),
        ("a/b/c", {"n": "1"}, b"\0", "application/octet-stream"),
    ]
    _, again = await scene.migrate(source)
    assert again is None


async def test_what_cannot_travel_is_named(scene: Scene) -> None:
    """Unknown types and names no provider can hold are reported, and the rest is written."""
    folder = Folder(
        FolderName("f"),
        (
            WalletEntry(Key("odd"), 99, Secret(b"x")),
            WalletEntry(Key("zero"), 0, Secret(b"")),
            entry("nul\0", "v"),
            entry("half\ud800", "v"),
            WalletEntry(Key("bad"), 1, Secret(b"\0\0"), malformed=True),
        ),
    )
    job, _ = await scene.migrate(replace(wallet({}), folders=(folder,)))
    assert [(result.outcome, result.step.reason) for result in job.results] == [
        (Outcome.UNSUPPORTED, "unknown-type"),
        (Outcome.UNSUPPORTED, "unknown-type"),
        (Outcome.UNSUPPORTED, "name-nul-or-surrogate"),
        (Outcome.UNSUPPORTED, "name-nul-or-surrogate"),
        (Outcome.CREATED, ""),
    ]
    assert is_partial([job])


async def test_one_refused_item_does_not_stop_the_rest(scene: Scene) -> None:
    """An item the provider refuses is reported as failed, and every other one arrives."""
    source = wallet({"f": {str(number): "v" for number in range(20)}})
    calls = 0

    async def gate(called: str) -> None:
        nonlocal calls
        calls += called == "create_item"
        if called == "create_item" and calls == 7:
            raise StoreRefusedError("no")

    _backend(scene).gate = gate
    job, run = await scene.migrate(source)
    assert run is not None
    outcomes = [result.outcome for result in job.results]
    assert outcomes.count(Outcome.FAILED) == 1
    assert outcomes.count(Outcome.CREATED) == 19
    _backend(scene).gate = None
    await scene.migrate(source)
    assert len(_held(scene)) == 20


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("gone"),
        StoreLockedError("locked"),
        PromptDismissedError("no"),
    ],
)
async def test_a_failing_provider_ends_the_run_and_it_is_resumed(
    scene: Scene, error: Exception
) -> None:
    """After a failure in the middle the next run completes the same run without duplicates."""
    source = wallet({"f": {str(number): f"v{number}" for number in range(40)}})
    _backend(scene).gate = _failing_at("create_item", 17, error)  # type: ignore[assignment]
    job, run = await scene.migrate(source)
    assert job.error is error
    assert run is not None
    assert run.is_open
    assert Outcome.PENDING in {result.outcome for result in job.results}
    _backend(scene).gate = None
    job, second = await scene.migrate(source)
    assert second is not None
    assert second.id == run.id
    assert {result.outcome for result in job.results} == {Outcome.CREATED}
    assert all(result.verified for result in job.results)
    assert len(_held(scene)) == 40


async def test_an_altering_provider_is_found_out(scene: Scene) -> None:
    """A value the provider spoils fails verification and is reported."""
    _backend(scene).spoil = lambda value: value.replace(b"s3cret", b"s3cre")
    job, _ = await scene.migrate(wallet({"Passwords": {"mail": "s3cret", "other": "x"}}))
    assert [(result.outcome, result.verified) for result in job.results] == [
        (Outcome.FAILED, False),
        (Outcome.CREATED, True),
    ]
    assert job.results[0].reason == "differs-after-write"


async def test_a_locked_destination_is_unlocked_first(scene: Scene) -> None:
    """A locked collection is unlocked by one prompt before planning."""
    _backend(scene).set_locked(_login(scene), locked=True)
    await scene.migrate(SMALL)
    assert _backend(scene).prompts == 1
    assert len(_held(scene)) == 6


async def test_other_programs_items_are_left_alone(scene: Scene) -> None:
    """Items of other programs that share folder and key with an entry are neither read nor hit."""
    foreign = {"server": "Passwords", "user": "mail", "xdg:schema": "org.gnome.keyring.Note"}
    _backend(scene).add_item(_login(scene), foreign, b"theirs", label="note")
    job, _ = await scene.migrate(wallet({"Passwords": {"mail": "mine"}}), Policy.REPLACE)
    assert [result.outcome for result in job.results] == [Outcome.CREATED]
    assert ("note", foreign, b"theirs", "text/plain") in _held(scene)


async def test_a_folder_with_entries_needs_no_marker(scene: Scene) -> None:
    """An empty folder whose name already has entries in the destination is the same."""
    _backend(scene).add_item(_login(scene), ENTRY, b"x")
    job, run = await scene.migrate(wallet({"Passwords": {}}))
    assert run is None
    assert job.results[0].step.place.kind is Kind.FOLDER
    assert job.results[0].outcome is Outcome.SAME
    assert job.wallet == KDEWALLET


async def test_an_empty_item_a_dying_provider_left_goes(scene: Scene) -> None:
    """What an interrupted run began as an empty item is completed, and is no conflict."""
    source = wallet({"Passwords": {"mail": "s3cret", "other": "x"}})
    _backend(scene).gate = _failing_at("create_item", 2, StoreUnavailableError("gone"))  # type: ignore[assignment]
    await scene.migrate(source)
    _backend(scene).gate = None
    _backend(scene).add_item(_login(scene), ENTRY, b"")
    job, _ = await scene.migrate(source)
    assert {result.outcome for result in job.results} == {Outcome.CREATED}
    assert len(_held(scene)) == 2
    assert _values(scene)["Passwords", "mail"] == b"s3cret"


@pytest.mark.parametrize("stored", [True, False])
async def test_a_write_without_an_answer_is_looked_for(scene: Scene, *, stored: bool) -> None:
    """After a timeout the item is looked for: made once if it arrived, else the run stops."""
    backend = _backend(scene)
    calls = 0

    async def gate(called: str) -> None:
        nonlocal calls
        calls += called == "create_item"
        if called == "create_item" and calls == 2:
            if stored:
                backend.add_item(_login(scene), ENTRY, b"s3cret", label="Passwords/mail")
            raise StoreTimeoutError("no answer")

    backend.gate = gate
    source = wallet({"Passwords": {"mail": "s3cret"}})
    job, _ = await scene.migrate(source)
    assert (job.error is None) is stored
    backend.gate = None
    await scene.migrate(source)
    assert _values(scene) == {("Passwords", "mail"): b"s3cret"}
    assert len(_held(scene)) == 1


@pytest.mark.parametrize("policy", [Policy.REPLACE, Policy.KEEP_BOTH])
async def test_another_programs_item_with_another_value(scene: Scene, policy: Policy) -> None:
    """An item with other bytes is replaced or gets a twin, and a second run writes nothing."""
    _backend(scene).add_item(_login(scene), {"host": "a"}, b"old", label="Mail")
    place = (FolderName("Secret Service"), Key("Mail"))
    source = replace(
        wallet({"Secret Service": {"Mail": "new"}}),
        service_items={place: ServiceItem({"host": "a"}, "text/plain")},
    )
    job, _ = await scene.migrate(source, policy)
    assert all(result.verified for result in job.results)
    kept = [b"new"] if policy is Policy.REPLACE else [b"new", b"old"]
    assert [row[2] for row in _held(scene)] == kept
    _, run = await scene.migrate(source, policy)
    assert run is None


async def test_both_are_kept_where_nobody_else_goes(scene: Scene) -> None:
    """The name a conflict is moved to is none that the source itself has, nor again at a rerun."""
    _backend(scene).add_item(_login(scene), ENTRY, b"old")
    source = wallet({"Passwords": {"mail": "new", "mail (2)": "the second", "mail (4)": "x"}})
    job, run = await scene.migrate(source, Policy.KEEP_BOTH)
    assert job.plan is not None
    assert len({row.place for row in job.plan.writes}) == 3
    names = {("Passwords", name): value for name, value in [
        ("mail", b"old"), ("mail (2)", b"the second"), ("mail (3)", b"new"), ("mail (4)", b"x"),
    ]}  # fmt: skip
    assert _values(scene) == names
    assert run is not None
    again, nothing = await scene.migrate(source, Policy.KEEP_BOTH)
    assert nothing is None
    assert {result.outcome for result in again.results} == {Outcome.SAME}
    assert _values(scene) == names


async def test_two_wallets_that_are_one_collection_are_one_job(scene: Scene) -> None:
    """The default wallet and the one named like its collection do not overwrite each other."""
    first = wallet({"Passwords": {"mail": "of kdewallet", "a": "1"}})
    second = wallet({"Passwords": {"mail": "of Login", "b": "2"}}, "Login")
    jobs = [Job(one.name, from_wallet(one, one.name)) for one in (first, second)]
    await carry_out(jobs, scene.orders(Policy.REPLACE))
    assert _values(scene) == {
        ("Passwords", "mail"): b"of kdewallet",
        ("Passwords", "a"): b"1",
        ("Passwords", "b"): b"2",
    }
    ends = [(one.outcome, one.reason) for one in jobs[0].results]
    assert ends.count((Outcome.UNSUPPORTED, SHADOWED)) == 1
    assert jobs[1].results == []
    assert "kdewallet" in jobs[1].warnings[0]


async def test_names_that_a_provider_takes_for_one_are_one_job(tmp_path: Path) -> None:
    """Where labels lose their case, two wallets that differ in nothing else are one collection."""
    scene = Scene(MemoryBackend(Quirks(forgets_label_case=True)), tmp_path / "journal")
    jobs = [
        Job(one.name, from_wallet(one, one.name))
        for one in (wallet({"f": {"a": "1"}}, "Work"), wallet({"f": {"b": "2"}}, "work"))
    ]
    await carry_out(jobs, scene.orders())
    (made,) = await scene.backend.collections()
    assert len(await scene.backend.search(made.id, {"server": "f"})) == 2


async def test_a_name_that_one_source_has_twice_is_said_to_be_so(scene: Scene) -> None:
    """Of two entries of one name the first is written, and no other wallet is blamed."""
    folder = Folder(
        FolderName("F"), (entry("k", "first"), entry("k", "second"), entry("k", "first"))
    )
    job, _ = await scene.migrate(replace(SMALL, folders=(folder,)))
    assert [(one.outcome, one.reason) for one in job.results] == [
        (Outcome.CREATED, ""),
        (Outcome.UNSUPPORTED, TWICE),
    ]
    assert _values(scene) == {("F", "k"): b"first"}


def test_items_alike_stay_apart_however_lists_are_joined() -> None:
    """Items of equal attributes and labels have a place each, from one source and from several."""
    same = [
        (ItemInfo(ItemId(str(n)), "l", {"a": "b"}), ItemSecret(Secret(b"%d" % n))) for n in range(3)
    ]
    first, second = from_items(same[:2], KDEWALLET), from_items(same, KDEWALLET)
    joined = merge(merge(first, second), from_items(same[:1], KDEWALLET))
    assert len(joined) == len({wish.place for wish in joined}) == 6


@pytest.mark.parametrize("name", ["a\x01", "a\x7f", "a\ufffe", "a\uffff"])
async def test_a_name_that_keepassxc_would_lose_is_refused(tmp_path: Path, name: str) -> None:
    """What its file cannot hold of a name would be gone after its restart."""
    backend = MemoryBackend(Quirks(rewrites_text=True))
    backend.add_collection("Login", alias="default")
    source = wallet({"F": {name: "x"}, name: {}})
    job, _ = await Scene(backend, tmp_path / "journal").migrate(source)
    assert [one.outcome for one in job.results] == [Outcome.UNSUPPORTED] * 2


async def test_what_a_provider_makes_of_maps_is_said_before_it_is_written(tmp_path: Path) -> None:
    """A null text becomes empty, and is told; bytes that are no map are refused, and not spoilt."""
    backend = MemoryBackend(Quirks(rewrites_maps=True))
    backend.add_collection("Login", alias="default")
    maps = {
        "null": encode_map({"a": None, "b": "c"}),
        "empty": b"",
        "cut": b"\0\0\0\x02\0",
        "plain": encode_map({"a": "b"}),
    }
    entries = tuple(
        WalletEntry(Key(key), EntryType.MAP, Secret(value)) for key, value in maps.items()
    )
    source = Wallet(KDEWALLET, (Folder(FolderName("F"), entries),))
    scene = Scene(backend, tmp_path / "journal")
    job, _ = await scene.migrate(source)
    ends = {one.step.place.key: (one.outcome, one.step.reason, one.verified) for one in job.results}
    assert ends == {
        "null": (Outcome.CREATED, NULLS, True),
        "empty": (Outcome.CREATED, "", True),
        "cut": (Outcome.UNSUPPORTED, NO_MAP, False),
        "plain": (Outcome.CREATED, "", True),
    }
    assert {key for _, key in _values(scene)} == {"null", "empty", "plain"}
    again, run = await scene.migrate(source)
    assert run is None
    assert {one.outcome for one in again.results} == {Outcome.SAME, Outcome.UNSUPPORTED}


async def test_what_a_provider_was_not_seen_to_save_is_not_called_done(tmp_path: Path) -> None:
    """The run stays open, nothing is verified; the next one waits too, and then ends it."""
    backend = MemoryBackend()
    backend.add_collection("Login", alias="default")
    scene = Scene(backend, tmp_path / "journal")
    asked: list[CollectionId] = []

    async def save(collection: CollectionId) -> None:
        asked.append(collection)
        if len(asked) < 3:
            raise StoreTimeoutError("not saved")

    async def open_store() -> OpenStore:
        return replace(await scene.open_store(), save=save)

    for tried in (1, 2):  # with nothing left to write, the second time
        job = Job(SMALL.name, from_wallet(SMALL, SMALL.name))
        run = await carry_out([job], replace(scene.orders(), open_store=open_store))
        assert run is not None
        assert run.is_open
        assert asked == tried * [_login(scene)]
        assert not any(one.verified for one in job.results)
        assert exit_code([job], refused=(), dry_run=False) == 21
    assert run is not None
    job = Job(SMALL.name, from_wallet(SMALL, SMALL.name))
    ended = await carry_out([job], replace(scene.orders(), open_store=open_store))
    assert ended is not None
    assert (ended.id, ended.is_open) == (run.id, False)
    assert all(one.verified for one in job.results)


@pytest.mark.parametrize("written_before", [False, True])
async def test_a_collection_that_is_gone_at_verification_verifies_nothing(
    tmp_path: Path, *, written_before: bool
) -> None:
    """As gnome-keyring shows none of a file that it cannot read back: it is said, of every row."""
    backend = MemoryBackend()
    backend.add_collection("Login", alias="default")
    scene = Scene(backend, tmp_path / "journal")
    if written_before:
        await scene.migrate(SMALL)
    job, orders = Job(SMALL.name, from_wallet(SMALL, SMALL.name)), scene.orders()
    opened = 0

    async def open_store() -> OpenStore:
        nonlocal opened
        opened += 1
        if opened == 2:
            await backend.delete_collection(_login(scene))
        return await scene.open_store()

    await carry_out([job], replace(orders, open_store=open_store))
    ends = {(one.outcome, one.reason, one.verified) for one in job.results}
    assert ends == {(Outcome.FAILED, MISSING, False)}
    assert exit_code([job], refused=(), dry_run=False) == 8
