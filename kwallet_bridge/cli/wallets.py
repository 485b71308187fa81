# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wallet files there are, which of them were moved, and which a person does without."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.cli.sources import wallet_name_of
from kwallet_bridge.errors import UsageError
from kwallet_bridge.migrate.discover import find_wallet_files
from kwallet_bridge.migrate.journal import journal_path, last_moves, peek_runs
from kwallet_bridge.migrate.pending import (
    decline,
    find_pending,
    holds_entries,
    list_wallet_files,
    pending_folder,
)
from kwallet_bridge.statefile import state_path, update

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kwallet_bridge.migrate.pending import PendingWallet
    from kwallet_bridge.statefile import State


@dataclass(frozen=True, slots=True)
class FoundWallet:
    """A wallet file; ``run`` names the last run that moved it, ``moved`` is when that ended."""

    wallet: str
    file: str
    run: str | None = None
    moved: int | None = None
    pending: bool = False
    """Whether calls on what it holds are refused until it is moved."""

    def to_json(self) -> dict[str, object]:
        """Give the fields of its JSON line."""
        return {"type": "wallet"} | asdict(self)


def find_wallets(
    environ: Mapping[str, str], *, is_served: Callable[[str], bool] = lambda _: True
) -> list[FoundWallet]:
    """List the wallet files that can be found, also while a migration is at work.

    ``is_served`` tells which destinations count; what is in none of them is pending.

    Raises:
        JournalError: The journal cannot be read.
        FileUnreadableError: The folder of today's wallets cannot be listed.
    """
    paths = find_wallet_files(environ)
    if not paths:
        return []
    moved = last_moves(peek_runs(journal_path()))
    pending = {one.path for one in find_pending_now(environ, is_served)}
    found = []
    for path in paths:
        run = moved.get(str(path.absolute()))
        found.append(
            FoundWallet(
                wallet_name_of(path),
                str(path),
                run.id if run else None,
                run.ended if run else None,
                path in pending,
            )
        )
    return found


def find_pending_now(
    environ: Mapping[str, str], is_served: Callable[[str], bool]
) -> Sequence[PendingWallet]:
    """List what is pending for the stores whose destination ``is_served``.

    Raises:
        FileUnreadableError: The folder of today's wallets cannot be listed.
    """
    found = find_pending(journal=journal_path(), state=state_path(environ), is_served=is_served)
    return found.pending


def count_unmoved(environ: Mapping[str, str]) -> int:
    """Count the wallet files with entries that were moved nowhere and that nobody declined."""
    found = find_wallets(environ)
    today = pending_folder()
    return sum(
        one.pending
        or (one.run is None and Path(one.file).parent != today and holds_entries(Path(one.file)))
        for one in found
    )


def start_without(environ: Mapping[str, str], words: Sequence[str]) -> list[Path]:
    """Note that programs are to be served without what some wallet files hold; gives the files.

    Raises:
        UsageError: A word names no file that could be waited for.
        StateError: It cannot be noted.
    """
    files = list_wallet_files(pending_folder())
    chosen = []
    for word in words:
        named = [one for one in files if word in {one.stem, wallet_name_of(one), str(one)}]
        path = Path(word).absolute()
        if not named and path in files:
            named = [path]
        if not named:
            raise UsageError(f"{pending_folder()} has no wallet {word}, and no other is waited for")
        chosen += named
    kept = {str(path): decline(path) for path in chosen}

    def change(state: State) -> State:
        for path, declined in kept.items():
            state = state.with_declined(path, declined)
        return state

    update(state_path(environ), change)
    return chosen
