# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wallet files there are, and which of them were moved already. Reads names only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.cli.sources import wallet_name_of
from kwallet_bridge.migrate.discover import find_wallet_files
from kwallet_bridge.migrate.journal import journal_path, last_moves, peek_runs

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class FoundWallet:
    """A wallet file; ``run`` names the last run that moved it, ``moved`` is when that ended."""

    wallet: str
    file: str
    run: str | None = None
    moved: int | None = None

    def to_json(self) -> dict[str, object]:
        """Give the fields of its JSON line."""
        return {"type": "wallet"} | asdict(self)


def find_wallets(environ: Mapping[str, str]) -> list[FoundWallet]:
    """List the wallet files that can be found, also while a migration is at work.

    Raises:
        JournalError: The journal cannot be read.
    """
    paths = find_wallet_files(environ)
    if not paths:
        return []
    moved = last_moves(peek_runs(journal_path()))
    found = []
    for path in paths:
        run = moved.get(str(path.absolute()))
        name = wallet_name_of(path)
        if run is None:
            found.append(FoundWallet(name, str(path)))
        else:
            found.append(FoundWallet(name, str(path), run.id, run.ended))
    return found
