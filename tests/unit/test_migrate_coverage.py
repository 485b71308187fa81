# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal knows of wallet files that a destination holds."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.migration import KDEWALLET, Scene, entry, wallet

from kwallet_bridge.errors import JournalError, StoreError, StoreRefusedError
from kwallet_bridge.migrate.coverage import SourceFile, digest_content
from kwallet_bridge.migrate.journal import open_journal, peek_records
from kwallet_bridge.migrate.orders import carry_out
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.migrate.undo import undo_run
from kwallet_bridge.migrate.wishes import from_wallet
from kwallet_bridge.model import Folder, FolderName, Wallet, WalletName
from kwallet_bridge.store.memory import MemoryBackend

if TYPE_CHECKING:
    from pathlib import Path

    from kwallet_bridge.store.port import CollectionId, ItemId, NewItem

FILE = SourceFile("/home/me/kdewallet.kwl", KDEWALLET, digest_content(b"one"))
OTHER = SourceFile("/home/me/work.kwl", WalletName("work"), digest_content(b"two"))
SOURCE = wallet({"f": {"a": "1", "b": "2"}})


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A destination with a default collection."""
    backend = MemoryBackend()
    backend.add_collection("Login", alias="default")
    return Scene(backend, tmp_path / "j")


async def _migrate(scene: Scene, source: Wallet = SOURCE, file: SourceFile = FILE) -> Job:
    job = Job(source.name, from_wallet(source, source.name), covers=((file, ()),))
    await carry_out([job], replace(scene.orders(), sources=(file.source,)))
    return job


def _covered(scene: Scene) -> list[tuple[SourceFile, tuple[tuple[str, ...], ...]]]:
    return [(one.file, one.lacking) for one in peek_records(scene.journal).coverage]


async def test_a_finished_run_covers_its_file(scene: Scene) -> None:
    """By its content, for the store it went to, once however often it is moved."""
    await _migrate(scene)
    await _migrate(scene)
    (one,) = peek_records(scene.journal).coverage
    assert (one.file, one.destination, one.lacking) == (FILE, "memory", ())
    assert one.run in peek_records(scene.journal).runs


async def test_what_is_there_already_is_covered_without_a_run(scene: Scene) -> None:
    """Another program moved it, or the file has another time: nothing is written, and it counts."""
    await _migrate(scene)
    again = replace(FILE, sha256=digest_content(b"saved anew"))
    await _migrate(scene, file=again)
    assert len(peek_records(scene.journal).runs) == 1
    assert _covered(scene) == [(FILE, ()), (again, ())]


async def test_what_a_provider_cannot_keep_stays_lacking(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, unless no program could ever have got it from kwalletd."""
    folder = Folder(
        FolderName("f"),
        (
            entry("good", "1"),
            replace(entry("unknown", b"x"), type_code=99),
            entry("bad", "x"),
            entry("nul\0", "x"),
        ),
    )
    create = scene.backend.create_item

    async def refuse(collection: CollectionId, item: NewItem, **rest: bool) -> ItemId:
        if item.label.endswith("bad"):
            raise StoreRefusedError("not in here")
        return await create(collection, item, **rest)

    monkeypatch.setattr(scene.backend, "create_item", refuse)
    await _migrate(scene, Wallet(KDEWALLET, (folder,)))
    assert _covered(scene) == [(FILE, (("f", "bad"),))]


@pytest.mark.parametrize("method", ["create_item", "read_secrets"])
async def test_a_run_that_was_cut_off_covers_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Whether it stopped at a write or at the reading back."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(scene.backend, method, fail)
        with contextlib.suppress(StoreError):
            assert (await _migrate(scene)).error is not None
    assert _covered(scene) == []
    await _migrate(scene)
    assert _covered(scene) == [(FILE, ())]


async def test_an_undone_run_covers_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before the first removal on, however the wallet came to be covered; others stay."""
    await _migrate(scene)
    await _migrate(scene, file=replace(FILE, source="/copy.kwl", sha256=digest_content(b"2")))
    await _migrate(scene, replace(SOURCE, name=OTHER.wallet), OTHER)
    remove = scene.backend.delete_item
    seen = []

    async def look(item: object) -> None:
        seen.append(_covered(scene))
        await remove(item)  # type: ignore[arg-type]

    monkeypatch.setattr(scene.backend, "delete_item", look)
    with open_journal(scene.journal) as journal:
        run = next(iter(journal.runs.values()))
        await undo_run(scene.backend, journal, run, default_wallet=KDEWALLET)
        assert [one.file for one in journal.records.coverage] == [OTHER]
    assert set(map(str, seen)) == {str([(OTHER, ())])}
    assert len(seen) >= 2
    assert _covered(scene) == [(OTHER, ())]


async def test_what_was_moved_again_after_an_undo_is_covered(scene: Scene) -> None:
    """An undo counts against what came before it only."""
    await _migrate(scene)
    with open_journal(scene.journal) as journal:
        (run,) = journal.runs.values()
        await undo_run(scene.backend, journal, run, default_wallet=KDEWALLET)
    await _migrate(scene)
    assert _covered(scene) == [(FILE, ())]


async def test_forgetting_names_keeps_what_is_covered(scene: Scene) -> None:
    """A confirmed run has moved its file as much as before."""
    await _migrate(scene)
    with open_journal(scene.journal) as journal:
        (run,) = journal.runs.values()
        journal.end(run, "confirmed")
        journal.forget_names(run)
    assert _covered(scene) == [(FILE, ())]


def test_a_damaged_line_is_an_error(tmp_path: Path) -> None:
    """A line that covers something unknown is not passed over."""
    (tmp_path / "j").write_bytes(b'{"type":"covered","run":"","to":"x","lacking":[1]}\n')
    with pytest.raises(JournalError, match="line 1"):
        peek_records(tmp_path / "j")
