# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a folder are collections, and how a collection's label becomes a file's name."""

from __future__ import annotations

import errno
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from kwallet_bridge.errors import StoreRefusedError, StoreUnavailableError
from kwallet_bridge.keyringfile.file import backup_path, behind_links, read_head, translate
from kwallet_bridge.keyringfile.format import MAGIC, is_keyring
from kwallet_bridge.keyringfile.notes import read_note

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SUFFIX = ".keyring"
_HEAD = len(MAGIC) + 4
_NO_FILE = {errno.EINVAL, errno.ENXIO, errno.EISDIR}
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


class Kind(Enum):
    """What the beginning of a file says that it is."""

    OURS = "ours"
    FOREIGN = "foreign"
    """A keyring of gnome-keyring's own formats."""
    DAMAGED = "damaged"
    """Neither: cut short, overwritten, or not to be read; it may have been ours."""
    NO_FILE = "no file"
    """A folder, a FIFO, a device: no keyring was ever that."""
    MISSING = "missing"


def kind_of(path: Path) -> Kind:
    """Tell what a file seems to be."""
    try:
        start = read_head(path, _HEAD)
    except FileNotFoundError:
        return Kind.MISSING
    except OSError as error:
        return Kind.NO_FILE if error.errno in _NO_FILE else Kind.DAMAGED
    if is_keyring(start):
        return Kind.OURS
    # One flipped bit makes our version of theirs; the bytes behind it tell them apart.
    theirs = start.startswith((MAGIC + bytes(4), b"[keyring]"))
    return Kind.FOREIGN if theirs else Kind.DAMAGED


def survey(main: Path, known: Collection[str] = ()) -> list[str]:
    """Name the collections that are in a folder, or were: the main file, then others, sorted.

    One is there if its file is, damaged or not; or if its file is gone but its copy or the note
    about it is there, or it is among ``known``, unless the note says that it was deleted.
    Files of gnome-keyring's own kind live in such folders too; they are none of ours.

    Raises:
        StoreUnavailableError: The folder is gone, and ``known`` were in it.
        StoreError: The folder is there and cannot be listed.
    """
    try:
        names = {path.name for path in main.parent.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        if not known:
            return []
        raise StoreUnavailableError(
            "the folder of the keyring files is gone; is its disk mounted?"
        ) from None
    except OSError as error:
        raise translate(error, "find") from error
    found = {name for name in names if _may_be_sibling(name) and _is_ours(main.with_name(name))}
    if main.name in names:
        found.add(main.name)
    lost = {*known, main.name}
    lost |= {name[:-1] for name in names if name.endswith("~")}
    lost |= {name[1:-5] for name in names if name.startswith(".") and name.endswith(".lock")}
    for name in lost - names:
        if name == main.name or _may_be_sibling(name):
            path = main.with_name(name)
            if was_lost(path, known=name in known):
                found.add(name)
    return sorted(found, key=lambda name: (name != main.name, name))


def was_lost(path: Path, *, known: bool = False) -> bool:
    """Tell whether a file that is not there was there and nobody deleted it on purpose.

    ``known`` is True where that it was there is known anyway.
    """
    note = read_note(path)
    if note is not None:
        return not note.deleted
    return known or path.is_symlink() or _is_ours(backup_path(path))


def _may_be_sibling(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".") and bool(label_of(name))


def _is_ours(path: Path) -> bool:
    """Tell whether a file is a collection; one behind a link that leads nowhere is."""
    kind = kind_of(path)
    return kind in {Kind.OURS, Kind.DAMAGED} or (kind is Kind.MISSING and path.is_symlink())


def resolve_path(path: str, environ: Mapping[str, str]) -> Path:
    """Return the path of the keyring file that ``path`` names, the standard one for "".

    Everybody who opens a keyring file asks here. The file behind a link is what is read, locked
    and replaced, never the link: a program that replaced it would go on with another file than
    one that follows it.
    """
    return behind_links(Path(path).expanduser() if path else default_path(environ))


def default_path(environ: Mapping[str, str]) -> Path:
    """Give the file that is used when none is named.

    It is libsecret's and oo7's, unless gnome-keyring's files live in that folder: no file of this
    version goes among those. What was chosen once stays, because the file is then there, or what
    tells that it was.
    """
    home = environ.get("HOME") or "/"
    data = Path(environ.get("XDG_DATA_HOME") or Path(home) / ".local" / "share")
    shared = data / "keyrings" / f"default{SUFFIX}"
    own = data / "kwallet-bridge" / f"default{SUFFIX}"
    if os.path.lexists(own) or was_lost(own):
        return own
    kind = kind_of(shared)
    if kind is Kind.OURS or (kind is not Kind.FOREIGN and was_lost(shared)):
        return shared
    if _is_gnome_keyrings(shared.parent):
        return own
    return shared


def _is_gnome_keyrings(folder: Path) -> bool:
    if (folder / "default").exists():
        return True
    return any(kind_of(path) is Kind.FOREIGN for path in folder.glob(f"*{SUFFIX}"))


def can_be_made(path: Path) -> bool:
    """Return whether a file that is not there could be made, with the folders it lies in."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
