# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version a Secret Service provider has. The specification has no way to ask.

A program is only run to print its version where its source shows that it does nothing else then:
neither open a window nor look at the bus, and only out of a folder of the system. ksecretd looks at the bus first, so its version is that
of the library it was built with.
"""

from __future__ import annotations

import asyncio
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge.wire.program import examine
from kwallet_bridge.wire.sandbox import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.session.census import Owner

PATIENCE: Final = 2.0
PRINTERS: Final[Mapping[str, str]] = {
    "gnome-keyring": "gnome-keyring-daemon",
    "keepassxc": "keepassxc-cli",
    "oo7": "oo7-daemon",
}
"""By kind the program that prints the version; KeePassXC's own would want a display."""
LIBRARIES: Final[Mapping[str, str]] = {"ksecretd": "libKF6WalletBackend.so.6"}
FOLDERS: Final = (
    "/usr/bin",
    "/usr/libexec",
    "/usr/lib/oo7",
    "/run/current-system/sw/bin",
    "/run/current-system/profile/bin",
)
"""Where the system keeps programs; what lies elsewhere is not run."""
LIBRARY_FOLDERS: Final = (
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/*-linux-*",
    "/run/current-system/sw/lib",
    "/run/current-system/profile/lib",
)
ROOT: Final = 0
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class Version:
    """A version, and by what it is known; without a number, why it is not known."""

    number: str
    how: str

    def __str__(self) -> str:
        return f"{self.number} ({self.how})" if self.number else f"not known: {self.how}"


async def find_version(kind: str, owner: Owner) -> Version:
    """Find the version of the provider that runs as ``owner``."""
    seen = await asyncio.to_thread(examine, owner.pid)
    if seen.flatpak:
        known = seen.flatpak != UNKNOWN
        return Version("", f"it runs in {f'the Flatpak {seen.flatpak}' if known else 'a sandbox'}")
    if seen.executable.endswith(" (deleted)"):
        return Version("", "its program was replaced since it started; log out and in")
    # gnome-keyring may lock memory, which hides its program; what it calls itself is no substitute.
    if seen.could_look and str(Path(seen.executable).parent) not in FOLDERS:
        # It may have brought a printer of its own, which is nothing to be run by whoever asks.
        return Version("", "its program is in no folder of the system")
    if kind in LIBRARIES:
        return _version_of_library(LIBRARIES[kind])
    if kind in PRINTERS:
        return await _ask(PRINTERS[kind])
    return Version("", "nothing is known of how to ask")


async def _ask(name: str) -> Version:
    found = next((path for each in FOLDERS if _is_the_systems(path := Path(each) / name)), None)
    if found is None:
        return Version("", f"{name} is in no folder of the system")
    printed = await _run(str(found))
    number = _VERSION.search(printed)
    how = f"{name} --version"
    return Version(number[0], how) if number else Version("", f"{how} told none")


def _is_the_systems(path: Path) -> bool:
    """Tell whether root alone can have put a program there, and its folder."""
    with suppress(OSError):
        return all(
            status.st_uid == ROOT and not status.st_mode & _WRITABLE_BY_OTHERS
            for status in (path.stat(), path.parent.stat())
        )
    return False


async def _run(program: str) -> str:
    # It sees no bus, no display and no home.
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
            cwd="/",
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(PATIENCE):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""
    return printed[:4096].decode("utf-8", "replace")


def _version_of_library(name: str) -> Version:
    for folder in LIBRARY_FOLDERS:
        for path in sorted(Path("/").glob(folder.lstrip("/"))):
            with suppress(OSError):
                real = (path / name).resolve(strict=True).name
                if number := _VERSION.search(real.rpartition("so.")[2]):
                    return Version(number[0], f"the file of {name.partition('.')[0]}")
    return Version("", f"{name} was not found")
