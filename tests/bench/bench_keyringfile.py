# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of the keyring file store; ``python tests/bench/bench_keyringfile.py [ITEMS] [FOLDER]``.

Prints milliseconds, one measurement a line. A write's own time is given beside the time of the
whole, which is mostly the disk's fsync. gnome-keyring 51 takes 25 to 44 ms for a write among 2,000
items, 161 ms among 5,000, and 6 s to start with 10,000 (on a machine with two cores).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from support.keyrings import PASSWORD, entry_attributes, make_keyring

from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.format import Header, encode_keyring
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import CollectionId, ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager

MAIN = CollectionId("bench.keyring")


class SyncClock:
    """Adds up what the disk takes: replaces os.fsync while it is entered."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.seconds = 0.0
        self._real = os.fsync

    def _timed(self, descriptor: int) -> None:
        start = time.perf_counter()
        self._real(descriptor)
        self.seconds += time.perf_counter() - start

    def install(self) -> None:
        """Time every fsync from now on."""
        os.fsync = self._timed  # type: ignore[assignment]


async def measure(what: str, work: Callable[[], Awaitable[object]], clock: SyncClock) -> None:
    """Run something five times; print the median, with and without the disk."""
    whole, own = [], []
    for _ in range(5):
        before, start = clock.seconds, time.perf_counter()
        await work()
        took = time.perf_counter() - start
        whole.append(took * 1000)
        own.append((took - (clock.seconds - before)) * 1000)
    print(f"{what:<46}{statistics.median(whole):9.1f}{statistics.median(own):9.1f}")  # noqa: T201  a script's result


def new_item(n: int) -> NewItem:
    """A password that is not there yet."""
    secret = ItemSecret(Secret(b"new value"))
    return NewItem(f"bench/{n}", entry_attributes("bench", str(n)), secret)


async def run(count: int, folder: Path) -> None:
    """Measure all there is to measure."""
    path = folder / MAIN
    path.write_bytes(encode_keyring(make_keyring(count, Header(os.urandom(32)))))
    clock = SyncClock()
    clock.install()
    backend = KeyringFileBackend(path, KnownPassword(PASSWORD))
    print(f"{count} items, {path.stat().st_size / 1e6:.1f} MB{'':<26}  whole  own  [ms]")  # noqa: T201  a script's result

    async def reopen() -> None:
        await backend.lock(MAIN)
        await backend.unlock(MAIN)

    await measure("open (100,000 rounds, every item checked)", reopen, clock)
    wanted = entry_attributes(f"folder {count // 200}", f"key {count // 2}")
    await measure("search, one hit", lambda: backend.search(MAIN, wanted), clock)
    everything = await backend.search(MAIN, {})
    await measure("search, all", lambda: backend.search(MAIN, {}), clock)
    await measure("read one secret", lambda: backend.read_secrets(everything[:1]), clock)
    await measure("read all labels and attributes", lambda: backend.read_items(everything), clock)
    await measure("read all secrets", lambda: backend.read_secrets(everything), clock)
    numbers: Iterator[int] = iter(range(100_000))

    async def write_one(*, replace: bool) -> None:
        await backend.create_item(MAIN, new_item(next(numbers)), replace=replace)

    async def write_many(many: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(many):
                group.create_task(write_one(replace=True))

    await measure("write one, added", lambda: write_one(replace=False), clock)
    await measure("write one, replacing searched", lambda: write_one(replace=True), clock)
    await measure("write 100 at once", lambda: write_many(100), clock)
    await measure("write 1,000 at once", lambda: write_many(1000), clock)
    await backend.close()


def main(arguments: list[str]) -> None:
    """Measure in a scratch folder, or in the one given."""
    count = int(arguments[0]) if arguments else 10_000
    parent = arguments[1] if len(arguments) > 1 else None
    scratch: AbstractContextManager[str] = tempfile.TemporaryDirectory(dir=parent)
    with scratch as folder:
        asyncio.run(run(count, Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
