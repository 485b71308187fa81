# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wallet files a person does without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.cli.sources import wallet_name_of
from kwallet_bridge.errors import UsageError
from kwallet_bridge.migrate.pending import decline, list_wallet_files, pending_folder
from kwallet_bridge.statefile import state_path, update

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kwallet_bridge.statefile import State


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
