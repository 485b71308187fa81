# SPDX-License-Identifier: GPL-3.0-or-later
"""A well-behaved client in a process of its own: how long is it kept waiting?

``python -m support.prober ADDRESS`` reads one password again and again until its standard input
ends, and then prints figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.client import KWalletClient
from support.paths import ROOT
from support.waiting import wait_readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAUSE = 0.005
PLACE = ("prober", "k")
APP = "prober"
VALUE = "waiting"


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def probe(address: str) -> dict[str, float]:
    """Ask until standard input ends; milliseconds."""
    client = KWalletClient.connect(address)
    handle = client.open("kdewallet", APP)
    assert client.ask("writePassword", "issss", handle, *PLACE, VALUE, APP).value == 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    waits: list[float] = []
    wrong = 0
    while not wait_readable([sys.stdin], PAUSE):
        started = time.perf_counter()
        reply = client.ask("readPassword", "isss", handle, *PLACE, APP)
        waits.append((time.perf_counter() - started) * 1000)
        if reply.body != (VALUE,):
            wrong += 1
            handle = client.open("kdewallet", APP)
    return {
        "count": len(waits),
        "wrong": wrong,
        "p50": quantile(waits, 0.5),
        "p99": quantile(waits, 0.99),
        "max": max(waits, default=0.0),
    }


@contextmanager
def probing(address: str) -> Iterator[dict[str, float]]:
    """Probe during a with block; the figures are there after it."""
    figures: dict[str, float] = {}
    process = subprocess.Popen(
        [sys.executable, "-m", "support.prober", address],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield figures
        figures.update(json.loads(process.communicate("", timeout=60)[0]))
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(sys.argv[1])) + "\n")
