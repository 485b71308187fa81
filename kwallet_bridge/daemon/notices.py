# SPDX-License-Identifier: GPL-3.0-or-later
"""Explain to a person what only a person can decide, by a desktop notification."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kwallet_bridge.bus.notifications import (
    CRITICAL,
    Notification,
    show,
    wait_for_desktop,
)
from kwallet_bridge.errors import BusError
from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from kwallet_bridge.bus.connection import BusConnection
    from kwallet_bridge.model import WalletName

_log = logging.getLogger(__name__)


class KeyringNotices:
    """Tells that another keyring is where a wallet's was."""

    def __init__(self, bus: BusConnection) -> None:
        """Show notifications over ``bus``."""
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()

    def explain(self, wallet: WalletName) -> None:
        """Show it, without waiting; where nobody shows notifications the log has it."""
        task = asyncio.get_running_loop().create_task(self._show(wallet))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _show(self, wallet: WalletName) -> None:
        summary = f"The wallet {printable(wallet)[:80]} is not the one it was"
        text = (
            "Another keyring is in its place and lacks passwords that were in it, or it is gone."
            " Programs get errors for these until you decide.\n"
            "Bring the former keyring back, or run “kwallet-bridge store copy” to take its passwords"
            " along, or “kwallet-bridge store accept” to go on without them."
        )
        try:
            if await wait_for_desktop(self._bus):
                await show(self._bus, Notification(summary, text, urgency=CRITICAL))
        except BusError as error:
            _log.info("no notification could be shown: %s", type(error).__name__)
