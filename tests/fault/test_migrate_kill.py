# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration into real gnome-keyring, killed again and again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.migrated import connect, entries_of, read_everything, read_vector
from support.paths import ROOT, VECTORS
from support.vectors import load_vectors

from kwallet_bridge.migrate.journal import open_journal

if TYPE_CHECKING:
    from support.migrated import Contents
    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

    from kwallet_bridge.store.port import ItemId

KILLS = 50
WALLET = VECTORS / "many-entries.kwl"
PASSWORD = b"thousand"


def _start(bus: PrivateBus, *, room: int = 0) -> subprocess.Popen[bytes]:
    """Start the migration; with ``room`` no file may grow beyond so many bytes."""
    limit = ["prlimit", f"--fsize={room}"] if room else []
    command = [*limit, sys.executable, "-m", "kwallet_bridge", "migrate"]
    child = subprocess.Popen(
        [*command, "--json", "--collection", "kdewallet", "--password-file", "-", str(WALLET)],
        env=bus.env | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    child.stdin.write(PASSWORD)
    child.stdin.close()
    child.stdin = None  # communicate() would flush it
    return child


def _kill_after(child: subprocess.Popen[bytes], lines: int) -> bool:
    """Kill the child once it has told so many events; False if it ended before."""
    assert child.stderr is not None
    for _ in range(lines):
        if not child.stderr.readline():
            break
    child.send_signal(signal.SIGKILL)
    child.communicate()
    return child.returncode == -signal.SIGKILL


async def _look(bus: PrivateBus) -> tuple[Contents, int]:
    """Read what programs see, and count the items behind it."""
    opened = await connect(bus.address)
    try:
        contents = await read_everything(opened)
        collection = await opened.backend.read_alias("default")
        assert collection is not None
        found: list[ItemId] = [*await opened.backend.search(collection, {})]
        infos = await opened.backend.read_items(found)
        own = [one for one in infos.values() if "run" in one.attributes]
        return contents, len(found) - len(own)
    finally:
        await opened.close()


def _assert_exactly(bus: PrivateBus, wanted: Contents) -> None:
    contents, items = asyncio.run(_look(bus))
    assert contents == wanted
    assert items == sum(len(entries) or 1 for entries in wanted.values())


def _wanted() -> Contents:
    (vector,) = (one for one in load_vectors() if one.name == "many-entries")
    return entries_of(read_vector(vector))


@pytest.mark.timeout(900)
def test_killed_fifty_times_nothing_is_lost_or_doubled(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """After kill -9 at 50 points and a last run, the provider holds exactly the wallet."""
    assert gnome_keyring.process is not None
    wanted = _wanted()
    killed = 0
    for number in range(KILLS):
        # After the plan, at the first write, and at ever later points of the writes.
        killed += _kill_after(_start(bus), 1 + number % 4)
    assert killed == KILLS
    path = bus.home / ".local/state/kwallet-bridge/migrations.jsonl"
    with open_journal(path) as journal:
        (run,) = journal.runs.values()
        assert run.is_open
    child = _start(bus)
    output, errors = child.communicate()
    assert child.returncode == 0, errors
    result = json.loads(output)
    assert result["run"] == run.id
    _assert_exactly(bus, wanted)
    undone = bus.run(
        [sys.executable, "-m", "kwallet_bridge", "migrate", "--undo", "last"],
        env={"PYTHONPATH": str(ROOT)},
        timeout=200,
    )
    assert undone.returncode == os.EX_OK
    assert asyncio.run(_look(bus)) == ({}, 0)


@pytest.mark.timeout(300)
def test_a_provider_that_dies_is_told_and_the_run_resumed(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """A provider killed amid the writes ends the run with exit code 5; the next completes it."""
    child = _start(bus)
    assert child.stderr is not None
    for _ in range(4):
        child.stderr.readline()
    gnome_keyring.kill()
    output, _ = child.communicate()
    assert child.returncode == 5
    result = json.loads(output)
    assert result["resumable"]
    assert result["wallets"][0]["error"] == "StoreUnavailableError"
    gnome_keyring.start()
    child = _start(bus)
    output, errors = child.communicate()
    assert child.returncode == 0, errors
    assert json.loads(output)["run"] == result["run"]
    _assert_exactly(bus, _wanted())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("room", [300, 180_000, 260_000])
def test_a_full_disk_under_the_journal_stops_the_run(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, room: int
) -> None:
    """With no room for the journal the command ends with 42, and writes nothing unknown to it."""
    assert gnome_keyring.process is not None
    child = _start(bus, room=room)
    output, _ = child.communicate()
    assert child.returncode == 42, output
    _, written = asyncio.run(_look(bus))
    with open_journal(bus.home / ".local/state/kwallet-bridge/migrations.jsonl") as journal:
        (run,) = journal.runs.values()
        assert run.is_open
        assert written <= len(run.intents)
        assert room > 1000 or (written, len(run.intents)) == (0, 0)
