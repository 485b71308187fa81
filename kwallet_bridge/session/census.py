# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns which name, and what the bus would start. Asks, never starts anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kwallet_bridge.errors import BusReplyError
from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.bus.port import Bus

DBUS: Final = "org.freedesktop.DBus"
DBUS_PATH: Final = "/org/freedesktop/DBus"
SECRETS: Final = "org.freedesktop.secrets"
KSECRETD: Final = "org.kde.ksecretd"
SYSTEMD: Final = "org.freedesktop.systemd1"
SYSTEMD_PATH: Final = "/org/freedesktop/systemd1"
OUR_WORDS: Final = ("kwallet-bridge", "kwallet_bridge")
KDE_PROGRAMS: Final = ("kwalletd", "kwalletd5", "kwalletd6")


@dataclass(frozen=True, slots=True)
class Owner:
    """The program behind a bus name."""

    unique_name: str
    pid: int
    command: tuple[str, ...]
    unit: str
    """The systemd unit it runs in; "" if unknown."""

    @property
    def program(self) -> str:
        """Name the program, without its folder."""
        words = [Path(word).name for word in self.command[:3]]
        if words and words[0].startswith("python"):
            words = [word for word in words[1:] if not word.startswith("-")]
        return words[0] if words else "a program that hides"

    @property
    def is_bridge(self) -> bool:
        """Whether it is kwallet-bridge, from whatever place."""
        return self.program in OUR_WORDS

    @property
    def is_kwalletd(self) -> bool:
        """Whether it is one of KDE's daemons."""
        return self.program in KDE_PROGRAMS

    def __str__(self) -> str:
        unit = f", {self.unit}" if self.unit else ""
        return printable(f"{self.program} (pid {self.pid}{unit})")


async def ask_bus(bus: Bus, member: str, signature: str = "", body: Sequence[object] = ()) -> Any:
    """Call the bus daemon itself and give the first value of its answer."""
    answer = await bus.call(DBUS, DBUS_PATH, DBUS, member, signature, body)
    return answer[0] if answer else None


async def find_owner(bus: Bus, name: str) -> Owner | None:
    """Find who owns a name; None for nobody."""
    try:
        unique = str(await ask_bus(bus, "GetNameOwner", "s", [name]))
        pid = int(await ask_bus(bus, "GetConnectionUnixProcessID", "s", [unique]))
    except BusReplyError:
        return None
    return Owner(unique, pid, read_command(pid), read_unit(pid))


async def has_owner(bus: Bus, name: str) -> bool:
    """Tell whether somebody owns a name."""
    return bool(await ask_bus(bus, "NameHasOwner", "s", [name]))


async def list_activatable(bus: Bus) -> frozenset[str]:
    """List the names the bus can start."""
    return frozenset(await ask_bus(bus, "ListActivatableNames"))


def read_command(pid: int) -> tuple[str, ...]:
    """Give a process's command line, () if it is gone.

    Unlike ``exe`` this stays readable for programs that forbid core dumps, as we do.
    """
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(word.decode("utf-8", "replace") for word in data.split(b"\0")[:-1])


def read_unit(pid: int) -> str:
    """Give the systemd service a process runs in, "" if none."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return find_unit(lines)


def find_unit(lines: Sequence[str]) -> str:
    """Find the innermost service in the lines of a ``cgroup`` file."""
    for line in lines:
        hierarchy, _, path = line.split(":", 2)
        last = path.rstrip("/").rpartition("/")[2]
        if (hierarchy == "0" or ":name=systemd:" in line) and last.endswith(".service"):
            return last
    return ""
