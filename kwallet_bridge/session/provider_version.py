# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version a Secret Service provider has. The specification has no way to ask.

A program is only run to print its version where its source shows that it does nothing else then:
neither open a window nor look at the bus. ksecretd looks at the bus first, so its version is that
of the library it was built with.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge.wire.sandbox import flatpak_id

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
    with suppress(OSError):
        if app := flatpak_id(owner.pid):
            return Version("", f"it runs in the Flatpak {app}")
    program = _program_of(owner)
    if program.endswith(" (deleted)"):
        return Version("", "its program was replaced since it started; log out and in")
    if kind in LIBRARIES:
        return _version_of_library(LIBRARIES[kind], Path(program))
    if kind in PRINTERS:
        return await _ask(PRINTERS[kind], Path(program).parent)
    return Version("", "nothing is known of how to ask")


def _program_of(owner: Owner) -> str:
    try:
        return str(Path(f"/proc/{owner.pid}/exe").readlink())
    except OSError:  # gnome-keyring may lock memory, which hides it from its own user
        return owner.command[0] if owner.command else ""


async def _ask(name: str, folder: Path) -> Version:
    beside = folder / name
    found = str(beside) if beside.is_absolute() and beside.is_file() else shutil.which(name)
    if found is None:
        return Version("", f"{name} is not installed")
    printed = await _run(found)
    number = _VERSION.search(printed)
    how = f"{name} --version"
    return Version(number[0], how) if number else Version("", f"{how} told none")


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


def _version_of_library(name: str, program: Path) -> Version:
    prefix = program.parent.parent
    for folder in (prefix / "lib64", prefix / "lib", *sorted(prefix.glob("lib/*-linux-*"))):
        with suppress(OSError):
            real = (folder / name).resolve(strict=True).name
            if number := _VERSION.search(real.rpartition("so.")[2]):
                return Version(number[0], f"the file of {name.partition('.')[0]}")
    return Version("", f"{name} was not found")
