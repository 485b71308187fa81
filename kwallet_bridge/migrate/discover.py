# SPDX-License-Identifier: GPL-3.0-or-later
"""Find wallet files in all the places KDE 3, 4, 5 and 6 keep them. Reads names only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.kwl.folders import list_wallet_folders
from kwallet_bridge.kwl.names import SALT_SUFFIX, WALLET_SUFFIX, decode_stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def find_wallet_files(environ: Mapping[str, str]) -> list[Path]:
    """List wallet files, today's daemons' first, each once whatever links lead to it."""
    found: dict[Path, Path] = {}
    for path in _candidates(environ):
        found.setdefault(path.resolve(), path)
    return list(found.values())


def list_old_folders(environ: Mapping[str, str]) -> list[Path]:
    """Name the wallet folders of KDE 3 and 4, there or not."""
    home = Path(environ.get("HOME") or Path.home())
    homes = [home / ".kde", home / ".kde4"]
    chosen = environ.get("KDEHOME", "")
    if chosen:
        homes.insert(0, home / chosen[2:] if chosen.startswith("~/") else Path(chosen))
    return [base / "share/apps/kwallet" for base in dict.fromkeys(homes)]


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    current = list_wallet_folders()
    for folder in [*current, *list_old_folders(environ)]:
        yield from _wallets_in(folder)
    yield from _opened_by_path(current)


def _wallets_in(folder: Path) -> list[Path]:
    """List a folder's wallets, hidden ones too; ``S.kwl.AbC123`` is a broken save, no wallet."""
    return [path for path in _list(folder) if path.name.endswith(WALLET_SUFFIX) and path.is_file()]


def _opened_by_path(folders: Iterable[Path]) -> Iterator[Path]:
    """Follow salts that tell where an application had its wallet opened by path."""
    for folder in folders:
        for salt in _list(folder):
            if salt.name.endswith(WALLET_SUFFIX + SALT_SUFFIX):
                path = Path(decode_stem(salt.name.removesuffix(SALT_SUFFIX)))
                if path.is_absolute() and path.is_file():
                    yield path


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
