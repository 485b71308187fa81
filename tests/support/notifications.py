# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the desktop's notifications, on a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any, Self

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.notifications import NOTIFICATIONS, NOTIFICATIONS_PATH

PATIENCE = 30.0
_NUMBER = 7


class Notifications:
    """Takes Notify calls; a test reads them and answers."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._shown: queue.Queue[list[Any]] = queue.Queue()
        self._answer = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bus: BusConnection | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def answer_with(self, action: str) -> None:
        """Invoke an action of every notification as soon as it is shown."""
        self._answer = action

    def wait(self) -> list[Any]:
        """Wait for a notification and give the arguments of its call."""
        return self._shown.get(timeout=PATIENCE)

    def close_it(self) -> None:
        """Close the notification, as a person does who does not care."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(
            lambda: self._emit("NotificationClosed", "uu", [_NUMBER, 2])
        )

    def close_next(self) -> None:
        """Close the next notification as soon as it is shown."""
        self.wait()
        self.close_it()

    def none_came(self) -> bool:
        """Tell whether nothing was shown since the last one taken."""
        return self._shown.empty()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._bus = await BusConnection.connect(self._address)
        self._bus.serve(self._receive)
        await self._bus.request_name(NOTIFICATIONS)
        self._ready.set()
        await self._stop.wait()
        self._bus.close()

    def _receive(self, call: Any) -> None:
        call.reply("u", [_NUMBER])
        self._shown.put(list(call.body))
        if self._answer:
            self._emit("ActionInvoked", "us", [_NUMBER, self._answer])

    def _emit(self, member: str, signature: str, body: list[object]) -> None:
        assert self._bus is not None
        self._bus.emit(NOTIFICATIONS_PATH, NOTIFICATIONS, member, signature, body)
