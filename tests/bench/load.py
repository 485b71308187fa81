# SPDX-License-Identifier: GPL-3.0-or-later
"""Load a daemon over gnome-keyring with many clients: ``python tests/bench/load.py --minutes 10``.

Each client has one call under way at any time, so the waits are those of a daemon that is never
idle. Then the daemon is left alone, and its wakeups are counted. Exits with 1 on any error, any
wrong answer, or more than 5 % of growth.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from support.client import KWALLET, KWalletClient, Reply
from support.peers import KWALLETRC, Bridge, GnomeKeyring
from support.private_bus import private_bus
from support.prober import quantile
from support.processes import rss, wakeups
from support.waiting import wait_readable

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

MIX = {
    "readPassword": 50,
    "hasEntry": 15,
    "entryList": 10,
    "folderList": 5,
    "readPasswordList": 5,
    "writePassword": 10,
    "removeEntry": 2,
    "open": 3,
}
FOLDERS = 20
GROWTH = 1.05


class Visitor:
    """One client, the answers it may expect, and its figures."""

    def __init__(self, bus: PrivateBus, number: int) -> None:
        self.client: KWalletClient = bus.client()
        self.app = f"load {number}"
        self.folder = f"folder {number % FOLDERS}"
        self.key = f"key {number}"
        self.value: str | None = None
        self.handle = self.client.open("kdewallet", self.app)
        self.started = 0.0
        self.member = ""
        self._next_value: str | None = None

    def send(self, draw: random.Random) -> None:
        """Make some call."""
        self.member = draw.choices(list(MIX), list(MIX.values()))[0]
        place = (self.handle, self.folder, self.key, self.app)
        self._next_value = self.value
        signature, body = "isss", list(place)
        if self.member == "writePassword":
            self._next_value = f"{draw.getrandbits(64):x}"
            signature, body = "issss", [*place[:3], self._next_value, self.app]
        elif self.member == "removeEntry":
            self._next_value = None
        elif self.member == "readPasswordList":
            body[2] = f"{self.key}*"
        elif self.member == "entryList":
            signature, body = "iss", [self.handle, self.folder, self.app]
        elif self.member == "folderList":
            signature, body = "is", [self.handle, self.app]
        elif self.member == "open":
            signature, body = "sxs", ["kdewallet", 0, self.app]
        self.started = time.perf_counter()
        target = (self.client.service, self.client.object_path, KWALLET)
        self.client.send(*target, self.member, signature, body)

    def judge(self, reply: Reply) -> str:
        """Name what is wrong with an answer; "" for nothing."""
        if reply.error:
            return f"{self.member}: {reply.error}"
        value = reply.body[0]
        here = self.value is not None
        right = {
            "readPassword": value == (self.value or ""),
            "hasEntry": value is here,
            "entryList": isinstance(value, list) and (self.key in value) is here,
            "folderList": isinstance(value, list),
            "readPasswordList": isinstance(value, dict) and (self.key in value) is here,
            "writePassword": value == 0,
            # A folder nobody wrote to yet is missing, which kwalletd answers with 0.
            "removeEntry": value == 0 or (value == -3 and not here),
            "open": value == self.handle,
        }[self.member]
        self.value = self._next_value
        return "" if right else f"{self.member}: a wrong answer"


class Load:
    """All clients, and what they met."""

    def __init__(self, bus: PrivateBus, clients: int, seed: str) -> None:
        self._draw = random.Random(seed)
        self._visitors = {v.client: v for v in (Visitor(bus, n) for n in range(clients))}
        self.waits: list[float] = []
        self.errors: Counter[str] = Counter()

    def run(self, seconds: float) -> None:
        """Keep every client busy for a time, then wait for the last answers."""
        end = time.monotonic() + seconds
        busy = set(self._visitors)
        for visitor in self._visitors.values():
            visitor.send(self._draw)
        while busy:
            ready = wait_readable(busy, 60)
            assert ready, "the daemon is silent"
            for client in ready:
                client.pump(0)
                if self._take(client) and time.monotonic() < end:
                    self._visitors[client].send(self._draw)
                elif not self._visitors[client].member:
                    busy.discard(client)

    def _take(self, client: KWalletClient) -> bool:
        visitor = self._visitors[client]
        replies = [seen.content for seen in client.arrivals if isinstance(seen.content, Reply)]
        client.arrivals.clear()
        for reply in replies:
            self.waits.append((time.perf_counter() - visitor.started) * 1000)
            wrong = visitor.judge(reply)
            visitor.member = ""
            if wrong:
                self.errors[wrong] += 1
        return bool(replies)


def measure(*, clients: int, seconds: float, warm_seconds: float, seed: str) -> dict[str, object]:
    """Load a daemon of our own, and give the figures."""
    with private_bus() as bus, GnomeKeyring(bus), Bridge(bus, config=KWALLETRC) as bridge:
        assert bridge.process is not None
        pid = bridge.process.pid
        load = Load(bus, clients, seed)
        load.run(warm_seconds)
        load.waits.clear()
        before = rss(pid)
        started = time.monotonic()
        load.run(seconds)
        took = time.monotonic() - started
        after = rss(pid)
        return {
            "clients": clients,
            "seconds": round(took, 1),
            "calls": len(load.waits),
            "calls/s": round(len(load.waits) / took),
            "p50 ms": round(quantile(load.waits, 0.5), 1),
            "p99 ms": round(quantile(load.waits, 0.99), 1),
            "max ms": round(max(load.waits), 1),
            "rss before KiB": before,
            "rss after KiB": after,
            "growth %": round((after / before - 1) * 100, 2),
            "errors": dict(load.errors),
        }


def idle(seconds: float) -> dict[str, object]:
    """Leave a daemon that has served alone, and count its wakeups."""
    with private_bus() as bus, GnomeKeyring(bus), Bridge(bus) as bridge:
        assert bridge.process is not None
        client = bus.client()
        handle = client.open("kdewallet", "idle")
        client.ask("writePassword", "issss", handle, "f", "k", "v", "idle")
        time.sleep(2)
        before = wakeups(bridge.process.pid)
        time.sleep(seconds)
        woken = wakeups(bridge.process.pid) - before
        return {"idle seconds": seconds, "wakeups": woken}


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--warm-seconds", type=float, default=20.0)
    parser.add_argument("--idle-seconds", type=float, default=60.0)
    parser.add_argument("--seed", default="load")
    arguments = parser.parse_args()
    figures = measure(
        clients=arguments.clients,
        seconds=arguments.minutes * 60,
        warm_seconds=arguments.warm_seconds,
        seed=arguments.seed,
    )
    figures |= idle(arguments.idle_seconds)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    growth = figures["growth %"]
    assert isinstance(growth, float)
    return 1 if figures["errors"] or growth > (GROWTH - 1) * 100 or figures["wakeups"] else 0


if __name__ == "__main__":
    sys.exit(main())
