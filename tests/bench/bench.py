# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge beside KDE's kwalletd6 6.30, both over the same gnome-keyring.

``./dev bench`` makes the Debian root that KWB_SID_ROOT names and runs this. Each daemon has a bus
and a gnome-keyring of its own, of one version and with the same entries; the two take turns, one
call at a time, after 20 to warm up at each turn, and the medians of hundreds are compared. Without
the variable the bridge runs alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.client import KWALLET
from support.peers import Bridge, GnomeKeyring, TranslationLayer
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.client import KWalletClient
    from support.peers import Peer

SERVICE = "org.kde.kwalletd6"
PATH = "/modules/kwalletd6"
APP = "bench"
FOLDER = "Bench"
WARM_UP = 20
TURNS = 5
TARGETS = {
    "readPassword": 0.45,
    "hasEntry": 0.2,
    "entryType": 0.2,
    "entryList": 0.2,
    "folderList": 1.0,
    "isEnabled": 1.0,
    "passwordList": 0.03,
    "writePassword": 1.0,
    "start, 1000 entries": 0.25,
    "resident memory": 1.1,
}


@dataclass
class Side:
    """One daemon under measurement."""

    bus: PrivateBus
    daemon: Peer
    wallet: str
    handle: int = 0
    taken: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client: KWalletClient = self.bus.client()

    def call(self, member: str, signature: str = "", *body: object) -> object:
        """Make one call and give its value."""
        reply = self.client.call(SERVICE, PATH, KWALLET, member, signature, list(body))
        assert not reply.error, (member, reply.error)
        return reply.body[0] if reply.body else None

    def open(self) -> None:
        """Get a handle."""
        handle = self.call("open", "sxs", self.wallet, 0, APP)
        assert isinstance(handle, int)
        assert handle > 0
        self.handle = handle

    def fill(self, count: int) -> None:
        """Write this many passwords."""
        for number in range(count):
            done = self.call(
                "writePassword", "issss", self.handle, FOLDER, f"key {number}", "secret", APP
            )
            assert done == 0

    def time(self, name: str, member: str, signature: str, *body: object) -> None:
        """Note how long one call takes, in milliseconds."""
        start = time.perf_counter()
        self.call(member, signature, *body)
        self.taken.setdefault(name, []).append((time.perf_counter() - start) * 1e3)

    def read_hundred(self) -> None:
        """Send a hundred reads, then take their answers."""
        sent = [
            self.client.send(
                SERVICE, PATH, KWALLET, "readPassword", "isss", [self.handle, FOLDER, key, APP]
            )
            for key in (f"key {number}" for number in range(100))
        ]
        for serial in sent:
            assert self.client.wait_reply(serial).value == "secret"

    def median(self, name: str) -> float:
        """Give the median of what was noted."""
        return statistics.median(self.taken[name])

    def resident(self) -> float:
        """Give the daemon's resident memory in MiB."""
        return _status(self.bus.process_of(SERVICE), "VmRSS") / 1024

    def first_answer(self) -> float:
        """Restart the daemon and give the ms from its start to the first password read."""
        self.daemon.stop()
        start = time.perf_counter()
        self.daemon.process = self.daemon.launch()
        self.bus.wait_for_name(SERVICE, process=self.daemon.process)
        self.open()
        answer = self.call("readPassword", "isss", self.handle, FOLDER, "key 5", APP)
        taken = (time.perf_counter() - start) * 1e3
        assert answer == "secret"
        return taken


def _status(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_plain_keyring(bus: PrivateBus, count: int) -> None:
    """Write gnome-keyring's plain-text form: filling thousands by calls takes it an hour."""
    keyrings = bus.data / "keyrings"
    keyrings.mkdir(parents=True, exist_ok=True)
    (keyrings / "default").write_text("plain", encoding="utf-8")
    parts = ["[keyring]\ndisplay-name=Plain\nctime=0\nmtime=0\nlock-on-idle=false\n"]
    for number in range(count):
        parts.append(
            f"\n[{number}]\nitem-type=0\ndisplay-name={FOLDER}/key {number}\nsecret=secret\n"
            "mtime=0\nctime=0\n"
        )
        attributes = {
            "server": FOLDER,
            "user": f"key {number}",
            "type": "plaintext",
            "xdg:schema": "org.qt.keychain",
        }
        for position, (name, value) in enumerate(attributes.items()):
            parts.append(
                f"\n[{number}:attribute{position}]\nname={name}\ntype=string\nvalue={value}\n"
            )
    (keyrings / "plain.keyring").write_text("".join(parts), encoding="utf-8")


class PlainGnomeKeyring(GnomeKeyring):
    """gnome-keyring over files that are there already."""

    def launch(self):  # type: ignore[no-untyped-def]  # noqa: ANN201  the parent's
        """Start it without touching the default alias."""
        return self.bus.start(
            ["/usr/bin/gnome-keyring-daemon", "--foreground", "--components=secrets"],
            inside_root=self._inside_root,
        )


@contextlib.contextmanager
def sides(root: Path | None, *, plain: int = 0) -> Iterator[list[Side]]:
    """Start both daemons, or the bridge alone, each over a keyring of its own."""
    with contextlib.ExitStack() as stack:
        made = []
        for theirs in (True, False) if root else (False,):
            bus = stack.enter_context(private_bus(root or Path("/")))
            inside = root is not None
            if plain:
                write_plain_keyring(bus, plain)
                stack.enter_context(PlainGnomeKeyring(bus, inside_root=inside))
            else:
                stack.enter_context(GnomeKeyring(bus, inside_root=inside))
            daemon: Peer = TranslationLayer(bus) if theirs else Bridge(bus)
            daemon.name = SERVICE
            stack.enter_context(daemon)
            label = "Plain" if plain else "Login"
            made.append(Side(bus, daemon, label if theirs else "kdewallet"))
        for side in made:
            side.open()
        yield made


def measure_calls(both: Sequence[Side], times: int) -> None:
    """Alternate calls between the sides."""
    for side in both:
        side.call("createFolder", "iss", side.handle, FOLDER, APP)
        side.fill(100)
    plans = {
        "GetId of the bus": times,
        "isEnabled": times,
        "folderList": times,
        "hasEntry": times,
        "entryType": times,
        "entryList": times,
        "readPassword": times,
        "passwordList": max(times // 10, 10),
        "writePassword": max(times // 3, 10),
    }
    for name, count in plans.items():
        for _ in range(TURNS):
            for side in both:
                for _ in range(WARM_UP):
                    _one(side, name)
                del side.taken[name][-WARM_UP:]
                for _ in range(count // TURNS):
                    _one(side, name)


def _one(side: Side, name: str) -> None:
    entry = (side.handle, FOLDER, "key 5", APP)
    folder = (side.handle, FOLDER, APP)
    if name == "GetId of the bus":
        start = time.perf_counter()
        side.client.bus_call("GetId")
        side.taken.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
    elif name == "isEnabled":
        side.time(name, name, "")
    elif name == "folderList":
        side.time(name, name, "is", side.handle, APP)
    elif name in {"entryList", "passwordList"}:
        side.time(name, name, "iss", *folder)
    elif name == "writePassword":
        side.time(name, name, "issss", *entry[:3], "secret", APP)
    else:
        side.time(name, name, "isss", *entry)


def measure_start(root: Path | None, count: int, rounds: int) -> list[float]:
    """Give each side's median from process start to the first password read."""
    with sides(root, plain=count) as both:
        return [statistics.median(side.first_answer() for _ in range(rounds)) for side in both]


def measure_growth(counts: Sequence[int], times: int) -> dict[int, float]:
    """Give the bridge's own processor time per read in us, by number of entries.

    The work is the same, call by call; but gnome-keyring takes milliseconds for a read among
    10,000, and a processor that slept meanwhile is slow to warm up.
    """
    spent = {}
    for count in counts:
        with sides(None, plain=count) as (side,):
            pid = side.bus.process_of(SERVICE)
            for number in range(100):
                key = f"key {number}"
                side.time("warm", "readPassword", "isss", side.handle, FOLDER, key, APP)
            before = _processor(pid)
            for _ in range(times // 100):
                side.read_hundred()
            spent[count] = (_processor(pid) - before) / times * 1e6
    return spent


def print_row(name: str, values: Sequence[float]) -> None:
    """Print one line of the table."""
    target = TARGETS.get(name)
    wanted = f"<= {target}" if target is not None else ""
    ratio = f"{values[-1] / values[0]:.3f}" if len(values) > 1 else ""
    theirs = f"{values[0]:.3f}" if len(values) > 1 else ""
    sys.stdout.write(f"| {name} | {theirs} | {values[-1]:.3f} | {ratio} | {wanted} |\n")
    sys.stdout.flush()


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=600, help="calls of each kind")
    parser.add_argument("--rounds", type=int, default=7, help="starts of each daemon")
    parser.add_argument("--no-growth", action="store_true", help="leave out 10,000 entries")
    arguments = parser.parse_args()
    place = os.environ.get("KWB_SID_ROOT")
    root = Path(place) if place else None
    sys.stdout.write("| | kwalletd6 6.30 | bridge | ratio | wanted |\n|---|---|---|---|---|\n")
    with sides(root) as both:
        measure_calls(both, arguments.times)
        for name in both[0].taken:
            print_row(f"{name}", [side.median(name) for side in both])
        print_row("resident memory", [side.resident() for side in both])
    for count in (100, 1000):
        print_row(f"start, {count} entries", measure_start(root, count, arguments.rounds))
    if not arguments.no_growth:
        for count, spent in measure_growth((100, 10_000), 2000).items():
            print_row(f"own us per read, {count} entries", [spent])


if __name__ == "__main__":
    main()
