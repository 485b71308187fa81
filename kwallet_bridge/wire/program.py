# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the process behind a peer, and what is not.

The bus names the process that made a connection. Nothing binds what this process runs now to who
uses the connection: a program outside of any sandbox may hand its connection on and become another
one, as it may trace others or be started with a library of its own. What can be checked is checked,
and what cannot be said with certainty is left out.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kwallet_bridge.regular import read_regular
from kwallet_bridge.wire.sandbox import flatpak_of

_OWN_MOUNTS: Final = Path("/proc/self/ns/mnt")
_MOST_BYTES: Final = 1 << 12
_START: Final = 19
"""The place of a process's start after its name in ``/proc/PID/stat``."""


@dataclass(frozen=True, slots=True)
class PeerProgram:
    """The process behind a peer: what the kernel says, not what the peer claims."""

    pid: int
    executable: str = ""
    """Path of the program; "" where it is not certain."""
    flatpak: str = ""
    """Flatpak application; "" outside of any, ``unknown`` where nobody vouches for the sandbox."""
    started: int = 0
    """When the process was started, in ticks since the computer was; 0 if that is not known."""
    could_look: bool = False
    """Whether the kernel let us see in which root the process lives."""

    @property
    def is_confined(self) -> bool:
        """Whether it lives in a sandbox, or may."""
        return bool(self.flatpak) or not self.could_look

    def __str__(self) -> str:
        return f"{Path(self.executable).name or 'unknown program'} (pid {self.pid})"


def glance(pid: int) -> PeerProgram | None:
    """Look at a process that shares our file systems, asking ``/proc`` alone.

    None for one that does not: what it calls a path may be any file.
    """
    with suppress(OSError), _Folder(pid) as folder:
        started, executable = _read_start(folder), os.readlink("exe", dir_fd=folder)
        # Asked afterwards: who has left our file systems does not come back to them.
        if _shares_ours(folder):
            return PeerProgram(pid, executable, "", started, could_look=True)
    return None


def examine(pid: int, *, pidfd: int | None = None) -> PeerProgram:
    """Look at any process, by its descriptor where the bus gave one. Blocking.

    Its file systems may be of its own making, and answer when they like, or never.
    """
    flatpak, could_look = "", False
    try:
        with _Folder(pid) as folder:
            started = _read_start(folder)
            executable = ""
            with suppress(OSError):
                executable = _find_executable(folder)
            with suppress(OSError):
                if not _shares_ours(folder):
                    flatpak = flatpak_of(
                        folder, executable=executable, runtime_folder=_runtime_folder()
                    )
                could_look = True
            if pidfd is not None and not _is_of(pidfd, pid):
                return PeerProgram(pid)
    except OSError:
        return PeerProgram(pid)
    return PeerProgram(pid, executable, flatpak, started, could_look=could_look)


def compare(first: PeerProgram | None, now: PeerProgram) -> PeerProgram:
    """Leave out the program of a process that is another one, or runs another, than at first."""
    same = first is None or (first.started, first.executable) == (now.started, now.executable)
    if same:
        return now
    return PeerProgram(now.pid, "", now.flatpak, now.started, could_look=now.could_look)


class _Folder:
    """A process's folder in ``/proc``: that of no other process, should its number be used again."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _shares_ours(folder: int) -> bool:
    same = os.readlink("ns/mnt", dir_fd=folder) == str(_OWN_MOUNTS.readlink())
    return same and os.readlink("root", dir_fd=folder) == "/"


def _find_executable(folder: int) -> str:
    """Give the program's path if it leads to the same file here as there."""
    path = os.readlink("exe", dir_fd=folder)
    if os.readlink("ns/mnt", dir_fd=folder) == str(_OWN_MOUNTS.readlink()):
        return path  # told from our root, whatever the process's own is
    there, here = os.stat("exe", dir_fd=folder), os.stat(path)  # noqa: PTH116  one takes a folder
    return path if os.path.samestat(there, here) else ""


def _read_start(folder: int) -> int:
    stat, _ = read_regular("stat", _MOST_BYTES, folder=folder)
    return int(stat.rpartition(b")")[2].split()[_START])


def _is_of(pidfd: int, pid: int) -> bool:
    """Tell whether a process's descriptor is that of a number, and the process still there."""
    text, _ = read_regular(f"/proc/self/fdinfo/{pidfd}", _MOST_BYTES)
    found = re.search(rb"^Pid:\s*(-?\d+)$", text, re.MULTILINE)
    return found is not None and int(found[1]) == pid


def _runtime_folder() -> Path | None:
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(folder) if folder.startswith("/") else None
