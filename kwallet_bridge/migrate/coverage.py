# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wallet files a destination holds, as the journal keeps it.

A file is known by its content, so that a copy of it, or one with another time, is the same file,
and one that KDE saved anew is another.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.errors import KwlError
from kwallet_bridge.kwl.header import parse_table, read_header
from kwallet_bridge.migrate.model import Kind, Outcome
from kwallet_bridge.migrate.wishes import SHADOWED, TWICE, UNKNOWN_TYPE, UNSTORABLE_NAME
from kwallet_bridge.model import WalletName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kwallet_bridge.migrate.model import Result

Gap = tuple[str] | tuple[str, str]
"""A folder, or a folder and a key, that a destination lacks."""
Covering = tuple["SourceFile", tuple[Gap, ...]]
"""A file, and what of it a store lacks."""

_THERE = frozenset({Outcome.CREATED, Outcome.REPLACED, Outcome.SAME, Outcome.SKIPPED})
"""Skipped is what has another value there: absent it is not."""
_NOBODYS = frozenset({UNKNOWN_TYPE, UNSTORABLE_NAME, SHADOWED, TWICE})
"""What no program could ever get from kwalletd, and what is there under the same name already."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A wallet file's content; ``source`` names it as the run's source does."""

    source: str
    wallet: WalletName
    sha256: str
    table: bytes = b""
    """Its table of digests; empty where that is not in clear."""

    @classmethod
    def describe(cls, source: str, wallet: WalletName, data: bytes) -> SourceFile:
        """Describe a wallet file of this content."""
        table = None
        with suppress(KwlError):
            table = read_header(data).table
        return cls(source, wallet, digest_content(data), b"" if table is None else table.raw)

    def names(self) -> Mapping[bytes, set[bytes]]:
        """Give the digests of each folder's keys by the digest of its name."""
        return parse_table(self.table, 0)[0].names() if self.table else {}

    def __repr__(self) -> str:
        return "SourceFile(...)"


@dataclass(frozen=True, slots=True)
class Coverage:
    """That a destination holds what a wallet file held, but for ``lacking``; ``run`` may be ""."""

    run: str
    destination: str
    file: SourceFile
    at: int
    lacking: tuple[Gap, ...] = field(default=(), repr=False)

    def to_line(self) -> dict[str, object]:
        """Give the fields of its line in the journal."""
        return {
            "type": "covered",
            "run": self.run,
            "to": self.destination,
            "source": self.file.source,
            "wallet": self.file.wallet,
            "sha256": self.file.sha256,
            "table": b64encode(self.file.table).decode(),
            "lacking": [list(gap) for gap in self.lacking],
            "at": self.at,
        }

    @classmethod
    def from_line(cls, line: Mapping[str, object]) -> Coverage:
        """Read the fields of a line.

        Raises:
            ValueError: They are not what :meth:`to_line` gives.
        """
        match line:
            case {
                "run": str(run),
                "to": str(to),
                "source": str(source),
                "wallet": str(wallet),
                "sha256": str(sha256),
                "table": str(table),
                "lacking": [*gaps],
                "at": int(at),
            }:
                file = SourceFile(source, WalletName(wallet), sha256, _read_table(table))
                return cls(run, to, file, at, tuple(_read_gap(gap) for gap in gaps))
            case _:
                raise ValueError("no such line")


def digest_content(data: bytes) -> str:
    """Digest a wallet file: SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def find_gaps(results: Iterable[Result]) -> tuple[Gap, ...] | None:
    """Name what a destination lacks after a run that came to its end; None if it cannot be named.

    What a wallet has as another program's item stands under a name that only the wallet knows.
    """
    gaps: list[Gap] = []
    for result in results:
        place = result.step.place
        reason = result.reason or result.step.reason or result.step.wish.reason
        if result.outcome in _THERE or reason in _NOBODYS:
            continue
        if place.kind is Kind.ITEM:
            return None
        gaps.append((place.folder, place.key) if place.kind is Kind.ENTRY else (place.folder,))
    return tuple(gaps)


def _read_table(text: str) -> bytes:
    raw = b64decode(text, validate=True)
    if raw:
        try:
            parse_table(raw, 0)
        except KwlError as error:
            raise ValueError("no table") from error
    return raw


def _read_gap(gap: object) -> Gap:
    match gap:
        case [str(folder)]:
            return (folder,)
        case [str(folder), str(key)]:
            return (folder, key)
        case _:
            raise ValueError("no such place")
