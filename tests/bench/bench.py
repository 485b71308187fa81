# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the bridge beside KDE's kwalletd6 6.30, over the same running gnome-keyring.

./dev bench                      both, taking turns (needs KWB_SID_ROOT, or root to make it)
./dev bench --alone              the bridge alone, over this machine's gnome-keyring
./dev bench --grown 10000        also how a read grows from 100 entries (slow: the provider)
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dbus_fast import Variant
from support.keyring_admin import COLLECTION, KeyringAdmin
from support.peers import SECRETS, Bridge, GnomeKeyring, Peer, TranslationLayer
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from support.client import KWalletClient

FOLDER = "Bench"
APPID = "bench"
WARM_UP = 20
ITEM = "org.freedesktop.Secret.Item"
Ask = Callable[["KWalletClient", int, int], object]


def _key(number: int) -> str:
    return f"entry {number:05}"


# Method, how many samples in each turn, and the call.
OPERATIONS: tuple[tuple[str, int, Ask], ...] = (
    ("readPassword", 150, lambda c, h, n: c.ask("readPassword", "isss", h, FOLDER, _key(n), APPID)),
    ("hasEntry", 150, lambda c, h, n: c.ask("hasEntry", "isss", h, FOLDER, _key(n), APPID)),
    ("entryType", 150, lambda c, h, n: c.ask("entryType", "isss", h, FOLDER, _key(n), APPID)),
    ("entryList", 150, lambda c, h, _: c.ask("entryList", "iss", h, FOLDER, APPID)),
    ("folderList", 150, lambda c, h, _: c.ask("folderList", "is", h, APPID)),
    ("isEnabled", 150, lambda c, _, __: c.ask("isEnabled")),
    ("passwordList of all", 8, lambda c, h, _: c.ask("passwordList", "iss", h, FOLDER, APPID)),
    (
        "writePassword",
        50,
        lambda c, h, n: c.ask("writePassword", "issss", h, FOLDER, _key(n), f"v{n}", APPID),
    ),
    ("floor: the bus's GetId", 150, lambda c, _, __: c.bus_call("GetId")),
)


@dataclass
class Figures:
    """Milliseconds by what was measured, and the daemon's resident memory."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    resident: list[float] = field(default_factory=list)

    def add(self, name: str, milliseconds: float) -> None:
        """Take a sample."""
        self.samples.setdefault(name, []).append(milliseconds)

    def median(self, name: str) -> float:
        """Give the median of what was measured."""
        return statistics.median(self.samples[name])


def fill(bus: PrivateBus, entries: int) -> None:
    """Put password entries into the default collection, as QtKeychain lays them out."""
    client = bus.client()
    admin = KeyringAdmin(client)
    collection, session = admin.default(), admin._plain_session()
    for number in range(len(admin.item_paths(collection)), entries):
        attributes = {"server": FOLDER, "user": _key(number), "type": "plaintext"}
        properties = {
            f"{ITEM}.Label": Variant("s", f"{FOLDER}/{_key(number)}"),
            f"{ITEM}.Attributes": Variant("a{ss}", attributes | {"xdg:schema": "org.qt.keychain"}),
        }
        secret = [session, b"", b"a password", "text/plain"]
        body = [properties, secret, False]
        reply = client.call(SECRETS, collection, COLLECTION, "CreateItem", "a{sv}(oayays)b", body)
        assert not reply.error, reply.error


def _milliseconds(since: float) -> float:
    return (time.perf_counter() - since) * 1000


def measure(bus: PrivateBus, daemon: Peer, wallet: str, figures: Figures, entries: int) -> None:
    """Take one turn with one daemon: its start, then every operation."""
    client = bus.client()
    client.generation = "kwalletd6"
    started = time.perf_counter()
    with daemon:
        handle = client.open(wallet, APPID)
        listed = client.ask("entryList", "iss", handle, FOLDER, APPID).value
        figures.add(f"start to first list of {entries}", _milliseconds(started))
        assert isinstance(listed, list)
        assert len(listed) == entries
        if entries == 100:
            _operations(client, handle, figures)
            figures.resident.append(_resident(bus.process_of(daemon.name)))


def _operations(client: KWalletClient, handle: int, figures: Figures) -> None:
    for name, count, ask in OPERATIONS:
        warm_up = min(WARM_UP, count)
        for number in range(warm_up + count):
            began = time.perf_counter()
            ask(client, handle, number % 100)
            if number >= warm_up:
                figures.add(name, _milliseconds(began))


def _resident(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _own_share(bus: PrivateBus, entries: int) -> float:
    """Give the bridge's own processor time for one read, in milliseconds."""
    fill(bus, entries)
    with Bridge(bus) as daemon:
        client = bus.client()
        handle = client.open("kdewallet", APPID)
        client.ask("entryList", "iss", handle, FOLDER, APPID)
        process = bus.process_of(daemon.name)
        before, reads = _processor(process), 1000
        for number in range(reads):
            client.ask("readPassword", "isss", handle, FOLDER, _key(number % entries), APPID)
        return (_processor(process) - before) * 1000 / reads


def _processor(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(ours: Figures, theirs: Figures | None) -> str:
    """Render the medians as Markdown."""
    lines = ["| median, ms | bridge | kwalletd6 6.30 | ratio |", "| --- | --- | --- | --- |"]
    lines += [
        _row(name, ours.median(name), theirs.median(name) if theirs else None)
        for name in ours.samples
    ]
    memory = statistics.median(theirs.resident) if theirs else None
    lines.append(_row("resident memory, MiB", statistics.median(ours.resident), memory))
    return "\n".join(lines)


def _row(name: str, ours: float, theirs: float | None) -> str:
    if theirs is None:
        return f"| {name} | {ours:.3f} | | |"
    return f"| {name} | {ours:.3f} | {theirs:.3f} | {ours / theirs:.2f} |"


def _turns(bus: PrivateBus, arguments: argparse.Namespace, ours: Figures, theirs: Figures) -> None:
    for entries in (100, 1000):
        fill(bus, entries)
        for _ in range(arguments.turns):
            measure(bus, Bridge(bus), "kdewallet", ours, entries)
            if not arguments.alone:
                measure(bus, TranslationLayer(bus), "Login", theirs, entries)


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--grown", type=int, default=0)
    arguments = parser.parse_args()
    root = Path("/" if arguments.alone else os.environ["KWB_SID_ROOT"])
    ours, theirs = Figures(), Figures()
    with private_bus(root) as bus, GnomeKeyring(bus, inside_root=not arguments.alone):
        _turns(bus, arguments, ours, theirs)
    sys.stdout.write(table(ours, None if arguments.alone else theirs) + "\n")
    if arguments.grown:
        with private_bus() as bus, GnomeKeyring(bus):
            small, large = _own_share(bus, 100), _own_share(bus, arguments.grown)
        text = f"own processor time of a read: {small:.3f} ms with 100 entries"
        sys.stdout.write(f"{text}, {large:.3f} ms with {arguments.grown}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
