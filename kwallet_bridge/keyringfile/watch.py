# SPDX-License-Identifier: GPL-3.0-or-later
"""Be told by the kernel which files of a folder changed; nothing wakes while nothing happens."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CLOSE_WRITE = 0x8
_MOVED = 0x40 | 0x80
_CREATE, _DELETE = 0x100, 0x200
_FOLDER_GONE = 0x400 | 0x800
_IGNORED = 0x8000
_ONLY_FOLDER = 0x01000000
_MASK = _CLOSE_WRITE | _MOVED | _CREATE | _DELETE | _FOLDER_GONE | _ONLY_FOLDER
_LOG = logging.getLogger(__name__)
_EVENT = struct.Struct("iIII")
_BUFFER = 1 << 16
_MOST_READS = 16


class FolderWatch:
    """Watches one folder by inotify; where there is none, it says nothing.

    ``changed`` is called on the event loop with the names of files that may have changed; an
    empty name stands for all of them.
    """

    def __init__(self, folder: Path, changed: Callable[[set[str]], None]) -> None:
        """Watch nothing yet."""
        self._folder = folder
        self._changed = changed
        self._descriptor = -1
        self._closed = False

    async def start(self) -> bool:
        """Watch from now on, if the folder exists; return whether this began the watch.

        What changed before it is not told.
        """
        if self._descriptor >= 0:
            return False
        descriptor = await asyncio.to_thread(_begin, self._folder)
        if descriptor < 0:
            return False
        if self._descriptor >= 0 or self._closed:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._read)
        return True

    def is_silent(self) -> bool:
        """Return whether the folder is watched and nothing changed that was not yet told.

        What the kernel has to tell is taken from it first, so a change that was over when this
        was called is known.
        """
        for _ in range(_MOST_READS):
            if self._descriptor < 0:
                return False
            if not self._read():
                return True
        return False

    def close(self) -> None:
        """Stop watching for good."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> bool:
        """Tell what the kernel has to tell; False if there was nothing."""
        try:
            data = os.read(self._descriptor, _BUFFER)
        except BlockingIOError:
            return False
        except OSError:
            self._stop()
            return True
        names, gone, position = set(), False, 0
        while position < len(data):
            _watch, mask, _cookie, length = _EVENT.unpack_from(data, position)
            position += _EVENT.size + length
            name = data[position - length : position].rstrip(b"\0")
            gone = gone or bool(mask & (_FOLDER_GONE | _IGNORED))
            names.add(os.fsdecode(name))
        if gone:
            self._stop()
        self._changed(names)
        return True


def _begin(folder: Path) -> int:
    """Have the kernel watch a folder; gives what it tells it by, -1 if that cannot be."""
    with suppress(AttributeError, OSError):  # no inotify here
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            _LOG.debug("no folder watch to be had; files are looked at when they are used")
            return -1
        if libc.inotify_add_watch(descriptor, os.fsencode(folder), _MASK) < 0:
            os.close(descriptor)
            return -1
        return descriptor
    return -1
