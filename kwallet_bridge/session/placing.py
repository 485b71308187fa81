# SPDX-License-Identifier: GPL-3.0-or-later
"""Put several files in their places, the first only when all are ready beside theirs.

What takes room is done before anything is changed: a full disk leaves everything as it was. From
then on each place has its old or its new file, whenever we are ended.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.saving import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_ENDING = ".kwallet-bridge-new"


@dataclass(frozen=True, slots=True)
class Content:
    """What is, was or shall be at a path: a file's bytes and mode, a link's target, or nothing."""

    path: Path
    data: bytes | None = None
    mode: int = 0o644
    link: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether there is neither a file nor a link."""
        return self.data is None and self.link is None

    def is_alike(self, other: Content) -> bool:
        """Tell whether another holds the same, whatever its mode."""
        return (self.data, self.link) == (other.data, other.link)


def look(path: Path) -> Content:
    """See what is at a path now."""
    if path.is_symlink():
        return Content(path, link=str(path.readlink()))
    if path.is_file():
        return Content(path, path.read_bytes(), path.stat().st_mode & 0o777)
    return Content(path)


def place(wanted: Sequence[Content]) -> None:
    """Have each path hold what it shall.

    Raises:
        OSError: Something could not be prepared, and nothing was changed; or, where a folder is not
            ours to change or a disk is failing, some paths hold the new and some the old.
    """
    paths = [each.path for each in wanted]
    try:
        for each in wanted:
            _stage(each)
        for each in wanted:
            _commit(each)
        for folder in {path.parent for path in paths if path.parent.is_dir()}:
            sync_folder(folder)
    except BaseException:
        clear(paths)
        raise


def clear(paths: Iterable[Path]) -> None:
    """Remove what an attempt that was ended had prepared."""
    for path in paths:
        with contextlib.suppress(OSError):
            _beside(path).unlink()


def _stage(wanted: Content) -> None:
    if wanted.is_nothing:
        return
    beside = _beside(wanted.path)
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)
    if wanted.link is not None:
        beside.symlink_to(wanted.link)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
        file.write(wanted.data or b"")
        file.flush()
        os.fchmod(file.fileno(), wanted.mode)
        os.fsync(file.fileno())


def _commit(wanted: Content) -> None:
    if wanted.is_nothing:
        # Where a file stands in a folder's place nothing was written.
        with contextlib.suppress(NotADirectoryError):
            wanted.path.unlink(missing_ok=True)
    else:
        _beside(wanted.path).replace(wanted.path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}{_ENDING}")
