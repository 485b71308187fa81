# SPDX-License-Identifier: GPL-3.0-or-later
"""Offer the migration assistant by one desktop notification, once in a user's life."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.port import SignalMatch, Variant
from kwallet_bridge.cli.wallets import find_wallets
from kwallet_bridge.errors import BusReplyError, WindowError
from kwallet_bridge.migrate.journal import journal_path

if TYPE_CHECKING:
    from pathlib import Path

    from kwallet_bridge.bus.port import Signal

NOTIFICATIONS: Final = "org.freedesktop.Notifications"
NOTIFICATIONS_PATH: Final = "/org/freedesktop/Notifications"
NOTIFY_SIGNATURE: Final = "susssasa{sv}i"
ACCEPT: Final = "assistant"
DECLINE: Final = "decline"
DEFAULT: Final = "default"
"""What a click on the notification itself is called."""
_DESKTOP_ENTRY: Final = "org.kwallet_bridge.bridge"
_DESKTOP_PATIENCE: Final = 120.0
"""Seconds the desktop may take, at login, to have somebody who shows notifications."""
_ANSWER_PATIENCE: Final = 900.0
"""Seconds until a notification nobody answered is left to itself."""


def offer() -> int:
    """Offer it if there is something to move and it was not offered before.

    Raises:
        WindowError: PyQt6 is missing, and with it the assistant.
    """
    record = journal_path().with_name("offered")
    if record.exists():
        return 0
    number = sum(wallet.run is None for wallet in find_wallets(os.environ))
    if not number:
        return 0
    try:
        texts = import_module("kwallet_bridge.gui.offer").offer_texts(number)
    except ImportError as error:
        raise WindowError(f"PyQt6 cannot be used: {error.msg}") from error
    if asyncio.run(_notify(texts, record)):
        _start_assistant()
    return 0


async def _notify(texts: Any, record: Path) -> bool:
    """Show the notification; tells whether the assistant is wanted."""
    bus = await BusConnection.connect()
    answers: asyncio.Queue[tuple[object, str]] = asyncio.Queue()

    def on_signal(signal: Signal) -> None:
        word = str(signal.body[1]) if signal.member == "ActionInvoked" else ""
        if signal.member in {"ActionInvoked", "NotificationClosed"}:
            answers.put_nowait((signal.body[0], word))

    try:
        if not await _wait_for_desktop(bus):
            return False
        match = SignalMatch(sender=NOTIFICATIONS, path=NOTIFICATIONS_PATH, interface=NOTIFICATIONS)
        await bus.subscribe(match, on_signal)
        number = await _show(bus, texts)
        _remember(record)
        async with asyncio.timeout(_ANSWER_PATIENCE):
            while True:
                about, word = await answers.get()
                if about == number:
                    return word in {ACCEPT, DEFAULT}
    except TimeoutError:
        return False
    finally:
        bus.close()


def _remember(record: Path) -> None:
    record.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    record.touch(mode=0o600)


async def _wait_for_desktop(bus: BusConnection) -> bool:
    owned = asyncio.Event()
    if await bus.watch_name(NOTIFICATIONS, lambda owner: owned.set() if owner else None):
        return True
    try:
        async with asyncio.timeout(_DESKTOP_PATIENCE):
            await owned.wait()
    except TimeoutError:
        return False
    return True


async def _show(bus: BusConnection, texts: Any) -> object:
    actions = [DEFAULT, texts.accept, ACCEPT, texts.accept, DECLINE, texts.decline]
    hints = {"desktop-entry": Variant("s", _DESKTOP_ENTRY), "urgency": Variant("y", 0)}
    body = ["KWallet Bridge", 0, "kwallet-bridge", texts.summary, texts.body, actions, hints, 0]
    try:
        (number,) = await bus.call(
            NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS, "Notify", NOTIFY_SIGNATURE, body
        )
    except BusReplyError as error:
        raise WindowError("the desktop shows no notifications") from error
    return number


def _start_assistant() -> None:
    command = [sys.executable, "-P", "-m", "kwallet_bridge", "gui", "assistant"]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
