# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration of 1,000 entries costs beside the bare CreateItem calls on gnome-keyring.

Each round uses a fresh bus and keyring; rounds alternate. Run with the number of rounds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.migrated import KDEWALLET, connect
from support.migration import Seen, wallet
from support.peers import SECRETS, GnomeKeyring
from support.private_bus import PrivateBus, private_bus

from kwallet_bridge.migrate.model import Policy, Result
from kwallet_bridge.migrate.orders import Orders, carry_out
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.migrate.wishes import from_wallet

if TYPE_CHECKING:
    from kwallet_bridge.model import WalletName

COUNT = 1000
SOURCE = wallet({"F": {f"key {number}": f"value {number}" for number in range(COUNT)}})
COLLECTION = "/org/freedesktop/secrets/collection/login"


def measure_bare(bus: PrivateBus) -> dict[str, float]:
    """Make the same items by CreateItem alone, each call waited for."""
    client = bus.client()
    _, session = client.call(
        SECRETS, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service", "OpenSession", "sv",
        ["plain", _variant("s", "")],
    ).body  # fmt: skip
    wishes = from_wallet(SOURCE, KDEWALLET)
    begin = time.perf_counter()
    for wish in wishes:
        assert wish.item is not None
        properties = {
            "org.freedesktop.Secret.Item.Label": _variant("s", wish.item.label),
            "org.freedesktop.Secret.Item.Attributes": _variant("a{ss}", dict(wish.item.attributes)),
        }
        secret = [session, b"", wish.item.secret.value.reveal(), "text/plain"]
        reply = client.call(
            SECRETS, COLLECTION, "org.freedesktop.Secret.Collection", "CreateItem",
            "a{sv}(oayays)b", [properties, secret, False],
        )  # fmt: skip
        assert not reply.error
    return {"bare": time.perf_counter() - begin}


@dataclass
class Clock(Seen):
    """A watcher that notes when stages begin."""

    times: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str, wallet: WalletName, total: int) -> None:
        """Note the time."""
        del wallet, total
        self.times[name] = time.perf_counter()

    def step(self, result: Result) -> None:
        """Note the last row's time."""
        del result
        self.times["written"] = time.perf_counter()


async def measure_migration(bus: PrivateBus, journal: Path) -> dict[str, float]:
    """Migrate; the writes count from the first journal line to the last written row."""
    clock = Clock()
    job = Job(KDEWALLET, from_wallet(SOURCE, KDEWALLET))
    orders = Orders(
        lambda: connect(bus.address), "bench", ("bench",), lambda _: Policy.SKIP, clock, journal
    )
    begin = time.perf_counter()
    await carry_out([job], orders)
    end = time.perf_counter()
    assert all(result.verified for result in job.results)
    times = clock.times
    return {
        "plan": times["write"] - begin,
        "write": times["written"] - times["write"],
        "verify": end - times["verify"],
    }


def main(rounds: int) -> None:
    """Print the medians in seconds, and the quotient, as JSON."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        with private_bus() as bus, GnomeKeyring(bus):
            _add(found, measure_bare(bus))
        with (
            private_bus() as bus,
            GnomeKeyring(bus),
            tempfile.TemporaryDirectory() as folder,
        ):
            _add(found, asyncio.run(measure_migration(bus, Path(folder) / "journal")))
    medians = {name: round(statistics.median(times), 3) for name, times in found.items()}
    quotient = round(medians["write"] / medians["bare"], 3)
    sys.stdout.write(
        json.dumps({"entries": COUNT, "rounds": rounds, **medians, "write/bare": quotient}) + "\n"
    )


def _add(found: dict[str, list[float]], measured: dict[str, float]) -> None:
    for name, seconds in measured.items():
        found.setdefault(name, []).append(seconds)


def _variant(signature: str, value: object) -> object:
    from dbus_fast import Variant  # noqa: PLC0415  the raw client's own form

    return Variant(signature, value)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
