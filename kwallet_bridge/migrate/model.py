# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a migration: what is wished for, what was found, what is to be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.port import (
        CollectionId,
        ItemId,
        ItemInfo,
        ItemSecret,
        NewItem,
        Quirks,
    )


class Kind(StrEnum):
    """What a step is about."""

    ENTRY = "entry"
    FOLDER = "folder"
    ITEM = "item"


class Action(StrEnum):
    """What is to be done with a step, and what was done."""

    CREATE = "create"
    SAME = "same"
    CONFLICT = "conflict"
    REPLACE = "replace"
    SKIP = "skip"
    UNSUPPORTED = "unsupported"


WRITES = frozenset({Action.CREATE, Action.REPLACE})


class Policy(StrEnum):
    """What becomes of an entry whose place holds another value."""

    SKIP = "skip"
    REPLACE = "replace"
    KEEP_BOTH = "keep-both"
    ASK = "ask"


class Outcome(StrEnum):
    """How a step ended."""

    CREATED = "created"
    REPLACED = "replaced"
    SAME = "same"
    SKIPPED = "skipped"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step belongs: its identity in plan, journal and destination.

    An entry is known by folder and key, a folder by its name, another program's item by its
    attributes and, where those are not enough, its label.
    """

    wallet: WalletName
    kind: Kind
    folder: str = ""
    key: str = ""
    label: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Place({self.kind})"


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing a source wants to see in the destination.

    ``item`` is None where it cannot be expressed, and ``reason`` then says why.
    ``shown`` is where the source keeps it, ``type_name`` one of password, stream, map, folder,
    item, unknown.
    """

    place: Place
    type_name: str
    item: NewItem | None
    reason: str = ""
    source: ItemId | None = None

    def __repr__(self) -> str:
        return f"Wish({self.place.kind}, {self.type_name})"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The destination collection as seen before planning; secrets of candidates only."""

    collection: CollectionId | None
    items: Mapping[ItemId, ItemInfo]
    secrets: Mapping[ItemId, ItemSecret]
    quirks: Quirks
    keeps_lines: bool = True
    """Whether text that is more than a line of a key file is safe in this very collection."""


@dataclass(frozen=True, slots=True)
class Step:
    """A wish, what the destination holds in its place, and what is to be done."""

    wish: Wish
    action: Action
    reason: str = ""
    existing: tuple[ItemId, ...] = ()
    stale: tuple[ItemId, ...] = ()
    """Items elsewhere in the destination that go once the step is written."""

    @property
    def place(self) -> Place:
        """Where the step belongs."""
        return self.wish.place

    def __repr__(self) -> str:
        return f"Step({self.wish!r}, {self.action})"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every step of one wallet, in source order."""

    wallet: WalletName
    steps: tuple[Step, ...]
    collection: CollectionId | None
    quirks: Quirks | None = field(default=None, compare=False)

    @property
    def writes(self) -> tuple[Step, ...]:
        """The steps that will be written."""
        return tuple(step for step in self.steps if step.action in WRITES)


@dataclass(frozen=True, slots=True)
class Result:
    """A step and how it ended."""

    step: Step
    outcome: Outcome
    reason: str = ""
    verified: bool = False
