# SPDX-License-Identifier: GPL-3.0-or-later
"""Scratch folders in memory: unit tests sync files thousands of times, and wait for no disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY = Path("/dev/shm")  # noqa: S108  a folder with a random name is made in it
_ROOM = 1 << 30
"""Bytes that must be free: a container often has 64 MiB there."""


def _is_roomy(folder: Path) -> bool:
    try:
        seen = os.statvfs(folder)
    except OSError:
        return False
    room = seen.f_bavail * seen.f_frsize
    return room >= _ROOM and not seen.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for one test: in memory where there is room, else where pytest makes it."""
    if not _is_roomy(_MEMORY):
        yield tmp_path_factory.mktemp("unit")
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
