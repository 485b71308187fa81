# SPDX-License-Identifier: GPL-3.0-or-later
"""One client floods the daemon; everybody else is served."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest
from support.client import KWALLET

if TYPE_CHECKING:
    from support.client import KWalletClient
    from support.peers import Bridge
    from support.private_bus import PrivateBus

CALLS = 2000
SIZE = 1 << 16
APP = "flood"
PATIENCE = 0.05
"""Seconds in which somebody else is answered, by the median: the machine may be busy."""


def _send(client: KWalletClient, member: str, signature: str, *body: object) -> int:
    return client.send(
        client.service, client.object_path, KWALLET, member, f"i{signature}s", [*body, APP]
    )


def _times_of_others(
    flooding: KWalletClient, other: KWalletClient, handle: int, *, until: int
) -> list[float]:
    """Read as another client, while the flood goes on, until its last answer came."""
    times = []
    while not any(seen.serial == until for seen in flooding.arrivals):
        started = time.monotonic()
        serial = _send(other, "readPassword", "ss", handle, "F", "other")
        while not any(seen.serial == serial for seen in other.arrivals):
            flooding.pump(0)
            other.pump(0.001)
        times.append(time.monotonic() - started)
        assert other.wait_reply(serial).value == "calm"
        flooding.pump(0.005)
    return times


@pytest.mark.timeout(300)
@pytest.mark.parametrize("member", ["readPassword", "writePassword"])
def test_a_flood_of_one_client_delays_nobody_else(
    bus: PrivateBus, bridge: Bridge, member: str
) -> None:
    """2,000 pipelined calls of 64 KiB are all answered, in order, and others within 50 ms."""
    flooding, other = bus.client(), bus.client()
    handle = flooding.open("kdewallet", APP)
    assert other.open("kdewallet", APP) == handle
    value = "x" * SIZE
    for key, text in (("big", value), ("other", "calm")):
        written = flooding.ask("writePassword", "issss", handle, "F", key, text, APP)
        assert written.value == 0
    if member == "readPassword":
        serials = [_send(flooding, member, "ss", handle, "F", "big") for _ in range(CALLS)]
    else:
        serials = [_send(flooding, member, "sss", handle, "F", "big", value) for _ in range(CALLS)]
    times = _times_of_others(flooding, other, handle, until=serials[-1])
    answers = [seen for seen in flooding.arrivals if seen.serial in set(serials)]
    assert [seen.serial for seen in answers] == serials
    expected = value if member == "readPassword" else 0
    assert all(seen.content.body == (expected,) for seen in answers)
    assert len(times) > 1
    assert statistics.median(times) < PATIENCE, sorted(times)[-5:]
