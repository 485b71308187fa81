# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a file that somebody else may have put there.

What stands under a name that others choose can be a FIFO, on which an open waits for ever, a
device, a link to what only we may read, or a file without end. Blocking all the same, as a disk
is: callers run this in a worker thread.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 1 << 16
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_regular(
    path: Path | str, *, follow: bool = True, folder: int | None = None
) -> tuple[int, os.stat_result]:
    """Return a descriptor of a regular file, to be closed by the caller, and its status.

    Args:
        path: The file.
        follow: Whether a link in its place is followed; links on the way there always are.
        folder: A descriptor of the folder that a relative path begins at.

    Raises:
        OSError: It cannot be opened: ELOOP for a link that is not followed, EINVAL for what is no
            regular file.
    """
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor, status


def read_regular(
    path: Path | str, limit: int, *, follow: bool = True, folder: int | None = None
) -> tuple[bytes, os.stat_result]:
    """Return a regular file's bytes, and its status as it was before they were read.

    Raises:
        OSError: It cannot be read, as for :func:`open_regular`; EFBIG if it has more than
            ``limit`` bytes.
    """
    descriptor, status = open_regular(path, follow=follow, folder=folder)
    pieces = []
    left = limit + 1
    try:
        # The size is a hint: the file may grow meanwhile, and those of /proc have none.
        while left and (piece := os.read(descriptor, min(left, max(status.st_size, _PIECE)))):
            pieces.append(piece)
            left -= len(piece)
    finally:
        os.close(descriptor)
    if not left:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return b"".join(pieces), status
