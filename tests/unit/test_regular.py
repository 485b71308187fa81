# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.regular import open_regular, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 100_000


def as_fifo(path: Path) -> None:
    """A FIFO that nobody writes to: an open that waits would wait for ever."""
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    """A folder."""
    path.mkdir()


def as_link_to_device(path: Path) -> None:
    """A link to a file without end."""
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [as_fifo, as_folder, as_link_to_device])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """It is refused at once, and no descriptor is left open."""
    path = tmp_path / "x"
    put(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="not a regular file") as told:
        read_regular(path, LIMIT)
    assert told.value.errno == errno.EINVAL
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
def test_a_file_within_the_bound_is_read_whole(tmp_path: Path, size: int) -> None:
    """The bound itself is allowed."""
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * (size // 256) + b"e" * (size % 256))
    data, status = read_regular(path, LIMIT)
    assert data == path.read_bytes()
    assert status.st_size == size


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * 20])
def test_a_larger_file_is_refused(tmp_path: Path, size: int) -> None:
    """One byte too many is too many; nothing is cut off silently."""
    path = tmp_path / "x"
    path.touch()
    os.truncate(path, size)
    with pytest.raises(OSError, match="large") as told:
        read_regular(path, LIMIT)
    assert told.value.errno == errno.EFBIG


def test_a_file_that_tells_no_size_is_read() -> None:
    """The kernel's files have size 0 and content nevertheless."""
    data, status = read_regular("/proc/self/status", LIMIT)
    assert status.st_size == 0
    assert data.startswith(b"Name:")


def test_links_are_followed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """Where a link makes no sense it is an error, not what it leads to."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", LIMIT)[0] == b"content"
    with pytest.raises(OSError, match="symbolic") as told:
        read_regular(tmp_path / "link", LIMIT, follow=False)
    assert told.value.errno == errno.ELOOP
    assert read_regular(tmp_path / "file", LIMIT, follow=False)[0] == b"content"


def test_a_relative_path_begins_at_the_folder_given(tmp_path: Path) -> None:
    """A folder held open cannot be exchanged for another."""
    (tmp_path / "x").write_bytes(b"content")
    folder = os.open(tmp_path, os.O_PATH)
    try:
        descriptor, _ = open_regular("x", folder=folder)
        assert os.read(descriptor, 10) == b"content"
        os.close(descriptor)
    finally:
        os.close(folder)
