# SPDX-License-Identifier: GPL-3.0-or-later
"""Wallet files of KDE's, put where its daemons keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.qtstream import encode_string
from support.kwl_writer import NEWEST, SALT, make_lock, write_gpg_wallet, write_wallet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSWORD = "open sesame"
Folders = dict[str, dict[str, str]]


def place_wallet(
    data_home: Path,
    folders: Mapping[str, Mapping[str, str]],
    *,
    name: str = "kdewallet",
    password: str = PASSWORD,
) -> Path:
    """Write a wallet of passwords with its salt; gives the wallet's path."""
    lock = make_lock(NEWEST, Profile.KF5, password.encode())
    specs = [
        (folder, [(key, 1, encode_string(text)) for key, text in entries.items()])
        for folder, entries in folders.items()
    ]
    path = place_bytes(data_home, write_wallet(lock, specs), name=name)
    path.with_suffix(".salt").write_bytes(SALT)
    return path


def place_gpg_wallet(data_home: Path, *, name: str = "kdewallet") -> Path:
    """Write a wallet that only GnuPG could open."""
    return place_bytes(data_home, write_gpg_wallet(b"nobody can open this"), name=name)


def place_bytes(data_home: Path, data: bytes, *, name: str = "kdewallet") -> Path:
    """Write a wallet file of any content."""
    folder = data_home / "kwalletd"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.kwl"
    path.write_bytes(data)
    return path
