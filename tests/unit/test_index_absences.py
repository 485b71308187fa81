# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from kwallet_bridge.model import FolderName, Key
from kwallet_bridge.store.index import _MAX_ABSENCES, UNSURE, Index

FOLDER = FolderName("f")


def _note_absent(index: Index, key: str) -> None:
    fill: set[object] = set()
    index._fills.append(fill)  # type: ignore[arg-type]
    index.complete_key(FOLDER, Key(key), (), fill)  # type: ignore[arg-type]
    index._fills.clear()


def test_an_absence_is_remembered() -> None:
    """A key that a search did not find is answered from then on."""
    index = Index()
    _note_absent(index, "k")
    assert index.type_of(FOLDER, Key("k")) is None


def test_asking_does_not_fill_memory() -> None:
    """What is remembered of absent keys is bounded, and forgotten rather than wrong."""
    index = Index()
    _note_absent(index, "k")
    _note_absent(index, "x" * _MAX_ABSENCES)
    assert index.type_of(FOLDER, Key("k")) is UNSURE
    assert index.blank
