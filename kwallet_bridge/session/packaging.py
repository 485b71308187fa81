# SPDX-License-Identifier: GPL-3.0-or-later
"""Install into a package's tree: files only, no bus."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.errors import SessionError
from kwallet_bridge.session.manifest import is_in_place, write_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kwallet_bridge.session.files import PlannedFile


def stage(planned: Sequence[PlannedFile], destdir: Path) -> list[PlannedFile]:
    """Move planned files below ``destdir``; links keep pointing to the final place."""
    return [
        replace(file, path=destdir / file.path.relative_to("/")) if str(destdir) != "/" else file
        for file in planned
    ]


def install_package(planned: Sequence[PlannedFile], destdir: Path) -> list[Path]:
    """Write every file below ``destdir``."""
    staged = stage(planned, destdir)
    try:
        write_files(staged)
    except OSError as error:
        raise SessionError(f"cannot write: {error.strerror}") from error
    return [file.path for file in staged]


def uninstall_package(planned: Sequence[PlannedFile], destdir: Path) -> list[Path]:
    """Remove the files that are still as we wrote them; tells which."""
    removed = [file.path for file in stage(planned, destdir) if is_in_place(file)]
    try:
        for path in removed:
            path.unlink()
    except OSError as error:
        raise SessionError(f"cannot remove: {error.strerror}") from error
    return removed
