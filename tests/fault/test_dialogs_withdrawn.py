# SPDX-License-Identifier: GPL-3.0-or-later
"""A password dialog goes with the program it was asked for, and one program has one of them."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from support.client import KWALLET
from support.peers import Bridge
from support.processes import rss
from support.waiting import wait_readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.client import KWalletClient
    from support.private_bus import PrivateBus

ROUNDS = 15
OTHER_THREADS = 1 + min(32, (os.cpu_count() or 1) + 4)
"""The daemon's own, and asyncio's for files."""
OPENS = 20_000
MOST_GROWTH = 24 * 1024
"""KiB; a thousand opens take 7 MiB."""
PATIENCE = 20.0
ASKPASS = """\
#!/bin/sh
sleep 1000 &
echo $$ $! >{fifo}
wait
"""
"""A script that waits for the real dialog, and tells both processes."""


@pytest.fixture
def dialogs(bus: PrivateBus) -> Iterator[IO[bytes]]:
    """Have the daemon ask with a dialog that nobody answers; each tells its processes here."""
    fifo, script = bus.folder / "dialogs", bus.folder / "askpass"
    os.mkfifo(fifo)
    script.write_text(ASKPASS.format(fifo=fifo), encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    bus.env["SSH_ASKPASS"] = str(script)
    # Open for writing too, so that it never ends between two dialogs.
    with os.fdopen(os.open(fifo, os.O_RDWR), "rb", buffering=0) as told:
        yield told


def _open(client: KWalletClient, wallet: str, *, waits: bool) -> None:
    if waits:
        body: list[object] = [wallet, 0, "app"]
        client.send(client.service, client.object_path, KWALLET, "open", "sxs", body)
    else:
        assert client.ask("openAsync", "sxsb", wallet, 0, "app", False).value != -1


def _wait_readable(what: IO[bytes] | int) -> None:
    assert wait_readable([what], PATIENCE), "nothing came"


def _next_dialog(dialogs: IO[bytes]) -> list[int]:
    _wait_readable(dialogs)
    return [os.pidfd_open(int(pid)) for pid in dialogs.readline().split()]


def _expect_end(processes: list[int]) -> None:
    for process in processes:
        _wait_readable(process)
        os.close(process)


def _wait_for_threads(client: KWalletClient, daemon: int, most: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(list(Path(f"/proc/{daemon}/task").iterdir())) > most:
        assert time.monotonic() < deadline, "threads stay"
        client.flush()


@pytest.mark.parametrize("waits", [True, False])
def test_a_dialog_goes_with_its_program(
    bus: PrivateBus, dialogs: IO[bytes], *, waits: bool
) -> None:
    """Fifteen programs that open and leave leave no dialog, no thread and no child behind."""
    with Bridge(bus, store=f"file:{bus.folder}/x.keyring") as bridge:
        assert bridge.process is not None
        watcher = bus.client()
        watcher.flush()
        for number in range(ROUNDS):
            client = bus.client()
            _open(client, f"wallet {number}", waits=waits)
            processes = _next_dialog(dialogs)
            client.close()
            _expect_end(processes)
        _wait_for_threads(watcher, bridge.process.pid, OTHER_THREADS)


def test_one_program_has_one_dialog(bus: PrivateBus, dialogs: IO[bytes]) -> None:
    """Of fifteen wallets one is asked for; the next program's dialog is up beside it."""
    with Bridge(bus, store=f"file:{bus.folder}/x.keyring"):
        many, other = bus.client(), bus.client()
        for number in range(ROUNDS):
            _open(many, f"wallet {number}", waits=False)
        first = _next_dialog(dialogs)
        _open(other, "mine", waits=True)
        second = _next_dialog(dialogs)
        many.close()
        _expect_end(first)
        other.close()
        _expect_end(second)
        assert not wait_readable([dialogs], 0)


def test_opens_that_want_no_answer_are_bounded(bus: PrivateBus, dialogs: IO[bytes]) -> None:
    """Twenty thousand of one program under a dialog take little, and nobody else waits."""
    with Bridge(bus, store=f"file:{bus.folder}/x.keyring") as bridge:
        assert bridge.process is not None
        flooding, other = bus.client(), bus.client()
        other.flush()
        flooding.flush()
        before = rss(bridge.process.pid)
        for number in range(OPENS):
            body = ["wallet", 0, f"app {number}"]
            flooding.send(
                flooding.service,
                flooding.object_path,
                KWALLET,
                "open",
                "sxs",
                body,
                wants_reply=False,
            )
        flooding.flush()
        other.flush()
        assert rss(bridge.process.pid) < before + MOST_GROWTH
        processes = _next_dialog(dialogs)
        flooding.close()
        _expect_end(processes)
