# SPDX-License-Identifier: GPL-3.0-or-later
"""KeePassXC as it is preset, saving after every change, is migrated into without breaking it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.keepassxc import KeePassXC
from support.migrated import connect, read_everything
from support.peers import Xvfb

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

COMMAND = [sys.executable, "-m", "kwallet_bridge", "migrate", "--json"]
ENTRIES = 40
"""Enough to end 2.7.4 each time when it is not given the time to save."""


async def _count(bus: PrivateBus) -> int:
    opened = await connect(bus.address)
    try:
        return sum(len(folder) for folder in (await read_everything(opened)).values())
    finally:
        await opened.close()


def test_a_file_that_gnome_keyring_left_says_nothing_of_a_database(bus: PrivateBus) -> None:
    """Nobody is told that an encrypted database is none because a text file has its name."""
    export = bus.home / "export.xml"
    export.write_text(
        '<wallet name="kdewallet"><folder name="f"><password name="k">v</password></folder></wallet>'
    )
    with Xvfb(bus) as display, KeePassXC(bus, display) as peer:
        # A collection is called after the database's file, as gnome-keyring's are after theirs.
        left = Path(bus.env["XDG_DATA_HOME"], f"keyrings/{peer.database.stem}.keyring")
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("[keyring]\ndisplay-name=x\n")
        done = bus.run([*COMMAND, str(export)], check=False)
    (told,) = json.loads(done.stdout)["wallets"]
    assert (done.returncode, told["verified"], told["warnings"]) == (0, 1, [])


@pytest.mark.timeout(200)
def test_many_entries_are_written_and_taken_back(bus: PrivateBus) -> None:
    """It lives on, and after its restart everything is there, or gone again."""
    entries = "".join(f'<password name="{n}">{n}</password>' for n in range(ENTRIES))
    export = bus.home / "export.xml"
    export.write_text(f'<wallet name="kdewallet"><folder name="f">{entries}</folder></wallet>')
    with Xvfb(bus) as display, KeePassXC(bus, display) as peer:
        process = peer.process
        done = bus.run([*COMMAND, str(export)], check=False)
        assert (done.returncode, json.loads(done.stdout)["wallets"][0]["verified"]) == (0, ENTRIES)
        assert peer.process is process
        peer.restart()
        assert asyncio.run(_count(bus)) == ENTRIES
        undone = bus.run([*COMMAND, "--undo", "last"], check=False)
        assert (undone.returncode, json.loads(undone.stdout)["ended"]) == (0, True)
        peer.restart()
        assert asyncio.run(_count(bus)) == 0
