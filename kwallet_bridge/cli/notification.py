# SPDX-License-Identifier: GPL-3.0-or-later
"""One desktop notification, and what a person answers to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.port import SignalMatch, Variant
from kwallet_bridge.errors import BusReplyError, WindowError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kwallet_bridge.bus.port import Signal

NOTIFICATIONS: Final = "org.freedesktop.Notifications"
NOTIFICATIONS_PATH: Final = "/org/freedesktop/Notifications"
NOTIFY_SIGNATURE: Final = "susssasa{sv}i"
DEFAULT: Final = "default"
"""What a click on the notification itself is called."""
_DESKTOP_ENTRY: Final = "org.kwallet_bridge.bridge"
_DESKTOP_PATIENCE: Final = 120.0
"""Seconds the desktop may take, at login, to have somebody who shows notifications."""
_ANSWER_PATIENCE: Final = 900.0
"""Seconds until a notification nobody answered is left to itself."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What it says, and its actions: a word for us and a text for the person each."""

    summary: str
    body: str
    actions: Sequence[tuple[str, str]] = ()


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
        if not await _wait_for_desktop(bus):
            return ""
        match = SignalMatch(sender=NOTIFICATIONS, path=NOTIFICATIONS_PATH, interface=NOTIFICATIONS)
        await bus.subscribe(match, on_signal)
        number = await _show(bus, what)
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


async def _wait_for_desktop(bus: BusConnection) -> bool:
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


async def _show(bus: BusConnection, what: Notification) -> object:
    actions = [word for action in what.actions for word in action]
    hints = {"desktop-entry": Variant("s", _DESKTOP_ENTRY), "urgency": Variant("y", 0)}
    body = ["KWallet Bridge", 0, "kwallet-bridge", what.summary, what.body, actions, hints, 0]
    try:
        (number,) = await bus.call(
            NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS, "Notify", NOTIFY_SIGNATURE, body
        )
    except BusReplyError as error:
        raise WindowError("the desktop shows no notifications") from error
    return number
