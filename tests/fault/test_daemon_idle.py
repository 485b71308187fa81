# SPDX-License-Identifier: GPL-3.0-or-later
"""What an idle daemon costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from support.client import RawClient
from support.processes import wakeups

if TYPE_CHECKING:
    from support.peers import Bridge
    from support.private_bus import PrivateBus

IDLE = 4.0


def test_an_idle_daemon_sleeps(bus: PrivateBus, bridge: Bridge) -> None:
    """A daemon that has served is not woken once, while other programs come, talk and go."""
    assert bridge.process is not None
    client = bus.client()
    handle = client.open("kdewallet", "idle")
    assert client.ask("writePassword", "issss", handle, "f", "k", "v", "idle").value == 0
    client.close()
    # The provider's own signals about that write come within a second.
    _wait_until_asleep(bridge.process.pid)
    before = wakeups(bridge.process.pid)
    ends = time.monotonic() + IDLE
    while time.monotonic() < ends:
        with RawClient.connect(bus.address) as other:
            other.bus_call("RequestName", "su", "org.example.Noise", 0)
            other.bus_call("ListNames")
        time.sleep(0.1)
    assert wakeups(bridge.process.pid) == before


def _wait_until_asleep(pid: int) -> None:
    quiet_since, last = time.monotonic(), wakeups(pid)
    while time.monotonic() < quiet_since + 1.5:
        time.sleep(0.05)
        if (now := wakeups(pid)) != last:
            quiet_since, last = time.monotonic(), now
