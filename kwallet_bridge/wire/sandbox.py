# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Flatpak a process lives in, as far as Flatpak itself vouches for it.

A process tells by ``/.flatpak-info`` in its root. Inside of a real sandbox that file is read-only;
outside anybody can make a root with such a file. So the file counts only if Flatpak's own folder of
running instances holds the same, and if the process is in the mount namespace of that instance, or
is the bus proxy that was started for it. That folder is the user's: no sandboxed program can write
there, a program outside of any sandbox can.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from kwallet_bridge.question import UNKNOWN_SANDBOX
from kwallet_bridge.regular import read_regular

INFO: Final = ".flatpak-info"
UNKNOWN: Final = UNKNOWN_SANDBOX
"""For a sandbox, or what poses as one, that nobody vouches for."""
PROXIES: Final = frozenset({"/usr/bin/xdg-dbus-proxy", "/usr/libexec/flatpak-dbus-proxy"})
_MOST_BYTES: Final = 1 << 16
_INSTANCE: Final = re.compile(r"[0-9A-Za-z]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_MOST_ANCESTORS: Final = 6


def flatpak_of(folder: int, *, executable: str, runtime_folder: Path | None) -> str:
    """Return the Flatpak application of a process; "" outside of any, ``unknown`` unvouched for.

    Blocking: a root may be on a file system of the process's own making.

    Args:
        folder: A descriptor of the process's folder in ``/proc``.
        executable: Its program where that is certain, else "".
        runtime_folder: The user's ``XDG_RUNTIME_DIR``.

    Raises:
        OSError: The process is gone, or the kernel does not let us look.
    """
    root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        data, _ = read_regular(INFO, _MOST_BYTES, follow=False, folder=root)
    except FileNotFoundError:
        return ""
    except OSError:
        return UNKNOWN
    finally:
        os.close(root)
    name, instance = _parse(data)
    if not name or runtime_folder is None:
        return UNKNOWN
    try:
        vouched = _vouches(runtime_folder / ".flatpak" / instance, data, folder, executable)
    except (OSError, ValueError, KeyError, TypeError):
        return UNKNOWN
    return name if vouched else UNKNOWN


def _parse(data: bytes) -> tuple[str, str]:
    """Give the application's name and its instance; twice "" if they are not both there."""
    import configparser  # noqa: PLC0415  few callers live in a sandbox

    info = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        info.read_string(data.decode("utf-8", "replace"))
    except configparser.Error:
        return "", ""
    name = info.get("Application", "name", fallback="")
    instance = info.get("Instance", "instance-id", fallback="")
    known = _NAME.fullmatch(name) and _INSTANCE.fullmatch(instance)
    return (name, instance) if known else ("", "")


def _vouches(instance: Path, data: bytes, folder: int, executable: str) -> bool:
    if read_regular(instance / "info", _MOST_BYTES, follow=False)[0] != data:
        return False
    status = json.loads(read_regular(instance / "bwrapinfo.json", _MOST_BYTES, follow=False)[0])
    inside = Path(f"/proc/{int(status['child-pid'])}/ns/mnt").readlink()
    if os.readlink("ns/mnt", dir_fd=folder) == str(inside):
        return True
    if executable not in PROXIES:
        return False
    outer = int(read_regular(instance / "pid", _MOST_BYTES, follow=False)[0])
    return outer in _ancestors(folder)


def _ancestors(folder: int) -> list[int]:
    """List the processes that a process descends from, the nearest first."""
    found: list[int] = []
    parent = _read_parent(folder)
    while parent > 1 and len(found) < _MOST_ANCESTORS:
        found.append(parent)
        above = os.open(f"/proc/{parent}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            parent = _read_parent(above)
        finally:
            os.close(above)
    return found


def _read_parent(folder: int) -> int:
    # The program's name, in brackets, may hold anything.
    stat, _ = read_regular("stat", _MOST_BYTES, folder=folder)
    return int(stat.rpartition(b")")[2].split()[1])
