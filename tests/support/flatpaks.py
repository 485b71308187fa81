# SPDX-License-Identifier: GPL-3.0-or-later
"""Sandboxes as Flatpak makes them, with bubblewrap and Flatpak's bus proxy."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

APPLICATION = "org.example.App"
INFO = f"[Application]\nname={APPLICATION}\n\n[Instance]\ninstance-id=1234567\n"
ROOT_OF_ITS_OWN = (
    *("--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/bin", "/bin"),
    *("--symlink", "usr/lib64", "/lib64", "--dev", "/dev", "--proc", "/proc", "--unshare-pid"),
)


class Flatpaks:
    """The folder of running instances that Flatpak keeps, as ``flatpak run`` fills it."""

    def __init__(self, bus: PrivateBus) -> None:
        self._folder = bus.folder
        self.info = bus.folder / "info"
        self.info.write_text(INFO)
        self.instance = Path(bus.env["XDG_RUNTIME_DIR"]) / ".flatpak/1234567"
        self.instance.mkdir(parents=True)

    def vouch(self) -> None:
        """Tell of the instance what bwrap has not told by itself."""
        (self.instance / "info").write_text(INFO)

    def sandbox(self, *command: str, tells: bool = True) -> list[str]:
        """Give the command line of a program inside; with ``tells`` bwrap says which it is."""
        inside = ["--ro-bind", str(self.info), "/.flatpak-info", "--", *command]
        words = ["bwrap", *ROOT_OF_ITS_OWN, "--bind", str(self._folder), str(self._folder)]
        if not tells:
            return [*words, *inside]
        told = self.instance / "bwrapinfo.json"
        script = f'echo $$ >{self.instance}/pid; exec "$@" 9>{told}'
        return ["sh", "-c", script, "sh", *words, "--info-fd", "9", *inside]


def wait_for(path: Path) -> None:
    """Wait until a file holds a JSON object."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            json.loads(path.read_text())
        except (OSError, ValueError):
            time.sleep(0.01)
        else:
            return
    raise AssertionError(f"{path.name} never came")
