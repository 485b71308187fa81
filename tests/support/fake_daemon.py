# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in provider as a program of its own, for daemons that are processes too."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.secretservice.quirks import PROGRAMS, ROWS
from support.fake_provider import FakeProvider
from support.paths import ROOT
from support.peers import SECRETS, Peer

if TYPE_CHECKING:
    import subprocess

    from support.private_bus import PrivateBus


class FakeDaemon(Peer):
    """The stand-in with a provider's row of quirks, to be recognised by its process's name."""

    name = SECRETS

    def __init__(self, bus: PrivateBus, row: str) -> None:
        super().__init__(bus)
        self._row = row

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it from this tree."""
        path = f"{ROOT}:{ROOT / 'tests'}"
        command = [sys.executable, "-m", "support.fake_daemon", self._row]
        return self.bus.start(command, env={"PYTHONPATH": path})


async def _serve(address: str, row: str) -> None:
    fake = FakeProvider(address, ROWS[row])
    await fake.start()
    fake.show_late_collections()
    await asyncio.Event().wait()


def main(address: str, row: str) -> None:
    """Take a provider's process name and serve until ended."""
    program = next(program for program, kind in PROGRAMS.items() if kind == row)
    Path("/proc/self/comm").write_text(program, encoding="utf-8")
    asyncio.run(_serve(address, row))


if __name__ == "__main__":
    import os

    main(os.environ["DBUS_SESSION_BUS_ADDRESS"], sys.argv[1])
