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


class FolderWatch:
    """Watches one folder by inotify; where there is none, it says nothing.

    ``changed`` is called on the event loop with the names of files that may have changed.
    """

    def __init__(self, folder: Path, changed: Callable[[set[str]], None]) -> None:
        """Watch nothing yet."""
        self._folder = folder
        self._changed = changed
        self._descriptor = -1

    def start(self) -> None:
        """Watch from now on, if the folder exists; watching already, do nothing."""
        if self._descriptor >= 0:
            return
        with suppress(AttributeError, OSError):  # no inotify here
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if descriptor < 0:
                _LOG.debug("no folder watch to be had; files are looked at when they are used")
                return
            if libc.inotify_add_watch(descriptor, os.fsencode(self._folder), _MASK) < 0:
                os.close(descriptor)
                return
            self._descriptor = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._read)

    def close(self) -> None:
        """Stop watching; :meth:`start` may follow."""
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _BUFFER)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        names, gone, position = set(), False, 0
        while position < len(data):
            _watch, mask, _cookie, length = _EVENT.unpack_from(data, position)
            position += _EVENT.size + length
            name = data[position - length : position].rstrip(b"\0")
            gone = gone or bool(mask & (_FOLDER_GONE | _IGNORED))
            names.add(os.fsdecode(name))
        if gone:
            self.close()
        self._changed(names)
