# SPDX-License-Identifier: GPL-3.0-or-later
"""The wallet vectors, and what a reader must find in each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.paths import VECTORS

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Vector:
    """One wallet of ``tests/vectors`` with the files beside it."""

    name: str
    expected: dict[str, Any]

    @property
    def path(self) -> Path:
        """The wallet file itself."""
        return VECTORS / f"{self.name}.kwl"

    @property
    def data(self) -> bytes:
        """The wallet's bytes."""
        return self.path.read_bytes()

    @property
    def salt(self) -> bytes | None:
        """The salt's bytes, or None where there is no such file."""
        path = VECTORS / f"{self.name}.salt"
        return path.read_bytes() if path.exists() else None

    @property
    def attributes(self) -> bytes | None:
        """The bytes of the attributes file, or None."""
        name = self.expected.get("attributes_file")
        return (VECTORS / name).read_bytes() if name else None

    @property
    def is_gpg(self) -> bool:
        """Whether GnuPG opens it."""
        return bool(self.expected.get("gpg"))

    @property
    def folders(self) -> list[dict[str, Any]]:
        """The folders it must give, without the notes for human readers."""
        return [
            {
                "name": folder["name"],
                "entries": [
                    {name: value for name, value in entry.items() if name != "note"}
                    for entry in folder["entries"]
                ],
            }
            for folder in self.expected["folders"]
        ]


def load_vector(name: str) -> Vector:
    """Load one vector by its name."""
    return Vector(name, json.loads((VECTORS / f"{name}.json").read_text()))


def load_vectors() -> list[Vector]:
    """Load all of them."""
    return [load_vector(path.stem) for path in sorted(VECTORS.glob("*.json"))]
