# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what another program wrote into a descriptor that it handed us, or we it."""

from __future__ import annotations

import asyncio
import os


async def read_to_end(descriptor: int, most: int) -> bytes:
    """Return what comes until every other end is closed, or, if that is more, above ``most`` bytes.

    The descriptor stays open.

    Raises:
        OSError: It cannot be read, or not be waited for.
    """
    os.set_blocking(descriptor, False)
    data = b""
    while len(data) <= most:
        try:
            more = os.read(descriptor, most + 1)
        except BlockingIOError:
            await _wait_readable(descriptor)
            continue
        if not more:
            break
        data += more
    return data


async def _wait_readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
