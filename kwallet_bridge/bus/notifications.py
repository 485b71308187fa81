# SPDX-License-Identifier: GPL-3.0-or-later
"""The desktop's notifications: one method call, once somebody is there to show them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus.port import Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.bus.connection import BusConnection

NOTIFICATIONS: Final = "org.freedesktop.Notifications"
NOTIFICATIONS_PATH: Final = "/org/freedesktop/Notifications"
NOTIFY_SIGNATURE: Final = "susssasa{sv}i"
CRITICAL: Final = 2
"""The urgency of what stays on the screen until a person has seen it."""
_DESKTOP_ENTRY: Final = "org.kwallet_bridge.bridge"
_DESKTOP_PATIENCE: Final = 120.0
"""Seconds the desktop may take, at login, to have somebody who shows notifications."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What it says, and its actions: a word for us and a text for the person each."""

    summary: str
    body: str
    actions: Sequence[tuple[str, str]] = ()
    urgency: int = 0


async def wait_for_desktop(bus: BusConnection) -> bool:
    """Wait for somebody who shows notifications; return whether there is one."""
    owned = asyncio.Event()
    if await bus.watch_name(NOTIFICATIONS, lambda owner: owned.set() if owner else None):
        return True
    bus.lost.add_done_callback(lambda _: owned.set())
    try:
        async with asyncio.timeout(_DESKTOP_PATIENCE):
            await owned.wait()
    except TimeoutError:
        return False
    return not bus.lost.done()


async def show(bus: BusConnection, what: Notification) -> object:
    """Show a notification; return its number.

    Raises:
        BusReplyError: The desktop refuses to show any.
        BusError: There is no bus, or no answer.
    """
    actions = [word for action in what.actions for word in action]
    hints = {"desktop-entry": Variant("s", _DESKTOP_ENTRY), "urgency": Variant("y", what.urgency)}
    body = ["KWallet Bridge", 0, "kwallet-bridge", what.summary, what.body, actions, hints, 0]
    (number,) = await bus.call(
        NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS, "Notify", NOTIFY_SIGNATURE, body
    )
    return number
