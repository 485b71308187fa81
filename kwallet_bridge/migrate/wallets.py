# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wallet files there are, which of them were moved, and which wait for that. Blocking."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.kwl.names import WALLET_SUFFIX, decode_stem
from kwallet_bridge.migrate.discover import find_wallet_files
from kwallet_bridge.migrate.journal import journal_path, last_moves, peek_runs
from kwallet_bridge.migrate.pending import ServedStore, find_pending, holds_entries, pending_folder
from kwallet_bridge.statefile import state_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kwallet_bridge.migrate.journal import RunRecord

ANY_STORE = ServedStore()


@dataclass(frozen=True, slots=True)
class FoundWallet:
    """A wallet file; ``run`` names the last run that moved it, ``moved`` is when that ended."""

    wallet: str = field(repr=False)
    file: str = field(repr=False)
    run: str | None = None
    moved: int | None = None
    pending: bool = False
    """Whether calls on what it holds are refused until it is moved."""
    to_move: bool = False
    """Whether it holds entries that were not moved yet; programs ask only today's daemons'."""

    def to_json(self) -> dict[str, object]:
        """Give the fields of its JSON line."""
        return {"type": "wallet"} | {
            name: value for name, value in asdict(self).items() if name != "to_move"
        }


def find_wallets(environ: Mapping[str, str], store: ServedStore = ANY_STORE) -> list[FoundWallet]:
    """List the wallet files that can be found, also while a migration is at work.

    Raises:
        JournalError: The journal cannot be read.
        FileUnreadableError: The folder of today's wallets cannot be listed.
    """
    runs = peek_runs(journal_path())
    paths = find_wallet_files(environ)
    if not paths:
        return []
    moved = last_moves(runs)
    found = find_pending(journal=journal_path(), state=state_path(environ), store=store)
    pending = {one.path for one in found.pending}
    return [_look(path, moved.get(str(path.absolute())), pending=path in pending) for path in paths]


def _look(path: Path, run: RunRecord | None, *, pending: bool) -> FoundWallet:
    # No daemon of today's has what lies elsewhere, so no provider keeps its entries there.
    is_old = path.parent != pending_folder()
    return FoundWallet(
        wallet=decode_stem(path.name.removesuffix(WALLET_SUFFIX)),
        file=str(path),
        run=run.id if run else None,
        moved=run.ended if run else None,
        pending=pending,
        to_move=pending or (is_old and not _is_unchanged(path, run) and holds_entries(path)),
    )


def _is_unchanged(path: Path, run: RunRecord | None) -> bool:
    """Tell whether a file is as it was when it was moved."""
    with suppress(OSError):
        return run is not None and int(path.stat().st_mtime) <= (run.ended or 0)
    return False


def count_unmoved(environ: Mapping[str, str], store: ServedStore = ANY_STORE) -> int:
    """Count the wallet files with entries that were not moved and that nobody declined."""
    return sum(one.to_move for one in find_wallets(environ, store))
