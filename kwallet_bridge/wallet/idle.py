# SPDX-License-Identifier: GPL-3.0-or-later
"""Close wallets that nobody uses, after kwalletrc's ``Idle Timeout``.

A use only notes the time; the timer, one per open wallet, looks at the note when it fires and goes
back to sleep for the rest. So a use costs nothing, and an idle hour without open wallets no wakeup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from kwallet_bridge.wallet.state import OpenWallet, OpenWallets


class IdleWatch:
    """The timers of all open wallets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wallets: OpenWallets,
        expired: Callable[[OpenWallet], None],
    ) -> None:
        """Call ``expired`` for a wallet that was not used for the configured time."""
        self._loop = loop
        self._wallets = wallets
        self._expired = expired
        self._seconds: float | None = None
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def configure(self, seconds: float | None) -> None:
        """Set the time; None watches nothing. Wallets that are open already are watched anew."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._seconds = seconds
        for opened in self._wallets.all():
            opened.last_used = self._loop.time()
            self.watch(opened)

    def watch(self, opened: OpenWallet) -> None:
        """Watch one wallet from now on."""
        if self._seconds is not None:
            self._arm(opened, opened.last_used + self._seconds)

    def _arm(self, opened: OpenWallet, deadline: float) -> None:
        self._timers[opened.handle] = self._loop.call_at(deadline, self._fire, opened)

    def _fire(self, opened: OpenWallet) -> None:
        self._timers.pop(opened.handle, None)
        if self._seconds is None or self._wallets.by_handle(opened.handle) is not opened:
            return
        deadline = opened.last_used + self._seconds
        if deadline > self._loop.time():
            self._arm(opened, deadline)
        else:
            self._expired(opened)
