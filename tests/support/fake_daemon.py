# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in provider as a program of its own, for daemons that are processes too."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.secretservice.quirks import PROGRAMS, ROWS
from support.client import SeenSignal
from support.fake_provider import FakeProvider
from support.paths import ROOT
from support.peers import SECRETS, Peer

if TYPE_CHECKING:
    import subprocess

    from support.client import Arrival
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

    def restart(self) -> None:
        """Leave the bus and come back under another unique name, with what files would keep."""
        assert self.process is not None
        client = self.bus.client()
        before = client.name_owner(self.name)
        client.subscribe(f"type='signal',member='NameOwnerChanged',arg0='{self.name}'")
        self.process.send_signal(signal.SIGUSR1)
        client.wait_arrival(lambda seen: _came(seen, self.name, before))
        client.close()


def _came(seen: Arrival, name: str, before: str) -> bool:
    content = seen.content
    changed = isinstance(content, SeenSignal) and content.body[:1] == (name,)
    return changed and isinstance(content, SeenSignal) and content.body[2] not in {"", before}


async def _serve(address: str, row: str) -> None:
    fake = FakeProvider(address, ROWS[row])
    await fake.start()
    fake.show_late_collections()
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    while True:
        await asked.wait()
        asked.clear()
        await fake.restart()
        for collection in list(fake.vault.collections.values())[1:]:
            # What is not unlocked at login: all but the first.
            fake.set_locked(collection, locked=True)
        fake.show_late_collections()


def main(address: str, row: str) -> None:
    """Take a provider's process name and serve until ended."""
    program = next(program for program, kind in PROGRAMS.items() if kind == row)
    Path("/proc/self/comm").write_text(program, encoding="utf-8")
    asyncio.run(_serve(address, row))


if __name__ == "__main__":
    import os

    main(os.environ["DBUS_SESSION_BUS_ADDRESS"], sys.argv[1])
