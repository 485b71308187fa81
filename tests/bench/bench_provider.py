# SPDX-License-Identifier: GPL-3.0-or-later
"""What one call of the item port costs over gnome-keyring: ``PYTHONPATH=.:tests python FILE [N]``.

``ours`` is this process's processor time per call, the engine's and the event loop's included;
the rest is gnome-keyring and the bus. The first row is the bus daemon's own round trip.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import TYPE_CHECKING

from support.backends import make_item, store_text
from support.peers import GnomeKeyring
from support.private_bus import private_bus

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice.backend import SecretServiceBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.private_bus import PrivateBus

WARM_UP = 5


async def measure(name: str, times: int, work: Callable[[], Awaitable[object]]) -> None:
    """Print the median and our own share."""
    for _ in range(WARM_UP):
        await work()
    taken = []
    processor = time.process_time()
    for _ in range(times):
        start = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - start)
    ours = (time.process_time() - processor) / times
    sys.stdout.write(
        f"{name:26} {statistics.median(taken) * 1e6:9.0f} us   ours {ours * 1e6:7.0f}\n"
    )


async def run(bus: PrivateBus, count: int) -> None:
    """Fill the login collection, and measure."""
    connection = await BusConnection.connect(bus.address)
    backend = SecretServiceBackend(connection)
    collection = await backend.read_alias("default")
    assert collection is not None
    items = [await store_text(backend, collection, f"k{n}", f"v{n}") for n in range(count)]
    one, new = items[count // 2], make_item(f"k{count // 2}", b"other")
    place = {"server": "F", "user": f"k{count // 2}"}
    await measure("bus round trip", 300, connection.flush)
    await measure("is_locked", 300, lambda: backend.is_locked(collection))
    await measure("read_secrets, 1", 300, lambda: backend.read_secrets([one]))
    await measure(f"read_secrets, {count}", 20, lambda: backend.read_secrets(items))
    await measure("search, 1 hit", 300, lambda: backend.search(collection, place))
    await measure(f"search, {count} hits", 30, lambda: backend.search(collection, {"server": "F"}))
    await measure("read_items, 1", 300, lambda: backend.read_items([one]))
    await measure(f"read_items, {count}", 10, lambda: backend.read_items(items))
    await measure(
        "create_item, replacing", 50, lambda: backend.create_item(collection, new, replace=True)
    )
    await measure("collections", 50, backend.collections)
    await backend.close()
    connection.close()


def main() -> None:
    """Measure over a fresh gnome-keyring."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with private_bus() as bus, GnomeKeyring(bus):
        asyncio.run(run(bus, count))


if __name__ == "__main__":
    main()
