# SPDX-License-Identifier: GPL-3.0-or-later
"""Show one desktop notification, and wait for what a person answers to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.notifications import (
    NOTIFICATIONS,
    NOTIFICATIONS_PATH,
    Notification,
    show,
    wait_for_desktop,
)
from kwallet_bridge.bus.port import SignalMatch
from kwallet_bridge.errors import BusReplyError, WindowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.bus.port import Signal

DEFAULT: Final = "default"
"""What a click on the notification itself is called."""
_ANSWER_PATIENCE: Final = 900.0
"""Seconds until a notification nobody answered is left to itself."""


async def notify(what: Notification, *, shown: Callable[[], None] = lambda: None) -> str:
    """Show a notification; return the action chosen, "" for none.

    Wait for somebody who shows notifications, as at a login; ``shown`` is called once it is there.

    Raises:
        WindowError: The desktop refuses to show any.
        BusError: There is no bus.
    """
    bus = await BusConnection.connect()
    answers: asyncio.Queue[tuple[object, str]] = asyncio.Queue()

    def on_signal(signal: Signal) -> None:
        word = str(signal.body[1]) if signal.member == "ActionInvoked" else ""
        if signal.member in {"ActionInvoked", "NotificationClosed"}:
            answers.put_nowait((signal.body[0], word))

    try:
        if not await wait_for_desktop(bus):
            return ""
        match = SignalMatch(sender=NOTIFICATIONS, path=NOTIFICATIONS_PATH, interface=NOTIFICATIONS)
        await bus.subscribe(match, on_signal)
        try:
            number = await show(bus, what)
        except BusReplyError as error:
            raise WindowError("the desktop shows no notifications") from error
        shown()
        bus.lost.add_done_callback(lambda _: answers.put_nowait((number, "")))
        async with asyncio.timeout(_ANSWER_PATIENCE):
            while True:
                about, word = await answers.get()
                if about == number:
                    return word
    except TimeoutError:
        return ""
    finally:
        bus.close()
