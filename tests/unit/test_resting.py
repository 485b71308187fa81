# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a process has nothing to do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kwallet_bridge.secretservice.resting import is_at_work, rest

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY = """
import sys, threading
told = threading.Event()
def work():
    while not told.is_set():
        pass
thread = threading.Thread(target=work)
thread.start()
print("busy", flush=True)
sys.stdin.readline()
told.set()
thread.join()
print("idle", flush=True)
sys.stdin.readline()
"""


@contextmanager
def busy_child() -> Iterator[subprocess.Popen[str]]:
    """Give a process whose second thread works until it is told to stop."""
    child = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "busy\n"
        try:
            yield child
        finally:
            child.kill()


def _tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


async def test_a_process_at_work_is_waited_for() -> None:
    """Whichever of its threads works; and no longer than it does."""
    with busy_child() as child:
        assert await asyncio.to_thread(is_at_work, child.pid)
        waiting = asyncio.create_task(rest(child.pid))
        done, _ = await asyncio.wait({waiting}, timeout=0.5)
        assert not done
        _tell(child)
        await asyncio.wait_for(waiting, 10)
        assert not await asyncio.to_thread(is_at_work, child.pid)


async def test_a_process_that_is_gone_is_at_rest() -> None:
    """A provider that ended is told of by the next call, not by waiting for it."""
    with busy_child() as child:
        child.kill()
        child.wait()
        await asyncio.wait_for(rest(child.pid), 10)
