# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a folder are collections, and how a collection's label becomes a file's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from kwallet_bridge.errors import StoreRefusedError
from kwallet_bridge.keyringfile.file import read_start
from kwallet_bridge.keyringfile.format import PREFIX, is_keyring

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX = ".keyring"
_MOST_NAME_BYTES = 200
"""Temporary files have longer names than the file, and 255 bytes is what file systems take."""


def file_name(label: str, *, reserved: str) -> str:
    """Name the file of a collection; the label can be read back from it.

    ``reserved`` is the main file's name, which no other collection may have.

    Raises:
        StoreRefusedError: No file can have this name.
    """
    if not label:
        raise StoreRefusedError("a collection needs a name")
    try:
        name = quote(label, safe=" !#$&'()+,;=@[]^_`{}~") + SUFFIX
    except UnicodeEncodeError:
        raise StoreRefusedError("a keyring file cannot have this name") from None
    if name.startswith(".") or name == reserved:
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) > _MOST_NAME_BYTES:
        raise StoreRefusedError("the name is too long for a keyring file")
    return name


def label_of(name: str) -> str:
    """Give the label of the collection in a file."""
    return unquote(name.removesuffix(SUFFIX))


def find_siblings(main: Path) -> list[str]:
    """Name the other collections beside the main file, sorted.

    Files of gnome-keyring's own kind live in such folders too; they are none of ours.
    """
    try:
        names = sorted(path.name for path in main.parent.glob(f"*{SUFFIX}"))
    except OSError:
        return []
    return [
        name
        for name in names
        if name != main.name
        and not name.startswith(".")
        and label_of(name)
        and is_keyring(read_start(main.with_name(name), len(PREFIX)))
    ]


def default_path(environ: Mapping[str, str]) -> Path:
    """Give the file that is used when none is named.

    It is libsecret's and oo7's, unless gnome-keyring's files live in that folder: no file of this
    version goes among those. What was chosen once stays, because the file is then there.
    """
    home = environ.get("HOME") or "/"
    data = Path(environ.get("XDG_DATA_HOME") or Path(home) / ".local" / "share")
    shared = data / "keyrings" / f"default{SUFFIX}"
    own = data / "kwallet-bridge" / f"default{SUFFIX}"
    if own.exists():
        return own
    if shared.exists() and is_keyring(read_start(shared, len(PREFIX))):
        return shared
    return own if _is_gnome_keyrings(shared.parent) else shared


def _is_gnome_keyrings(folder: Path) -> bool:
    if (folder / "default").exists():
        return True
    return any(not is_keyring(read_start(p, len(PREFIX))) for p in folder.glob(f"*{SUFFIX}"))
