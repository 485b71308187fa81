# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the programs that wait for a password, by what is known of their processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kwallet_bridge.model import WalletName
from kwallet_bridge.question import WaitingProgram

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kwallet_bridge.wallet.waiting import Waiter, Waiting
    from kwallet_bridge.wire.program import PeerProgram

_MOST_NAMED: Final = 3
"""Programs that a window has room for."""
_MOST_LOOKED_AT: Final = 8
"""Callers whose processes are looked at; several may be one program's."""


class WaitingPrograms:
    """Tells which programs wait for a wallet."""

    def __init__(
        self,
        waiting: Waiting,
        *,
        identify: Callable[[str], Awaitable[PeerProgram | None]],
        canonical: Callable[[WalletName], WalletName],
    ) -> None:
        """Name who is in ``waiting``.

        ``identify`` tells the process behind a unique bus name, None for a peer that is gone;
        ``canonical`` the name under which a wallet is listed.
        """
        self._waiting = waiting
        self._identify = identify
        self._canonical = canonical

    async def describe(self, wallet: str) -> tuple[tuple[WaitingProgram, ...], int]:
        """Return the programs that wait, and how many callers do besides."""
        waiters = self._waiting.waiters(self._canonical(WalletName(wallet)))
        looked_at = waiters[:_MOST_LOOKED_AT]
        found = await asyncio.gather(*(self._look(waiter) for waiter in looked_at))
        programs = tuple(dict.fromkeys(program for program in found if program is not None))
        named = programs[:_MOST_NAMED]
        return named, len(programs) - len(named) + len(waiters) - len(looked_at)

    async def _look(self, waiter: Waiter) -> WaitingProgram | None:
        program = await self._identify(waiter.caller)
        if program is None:
            return None
        return WaitingProgram(waiter.appid, program.executable, program.flatpak, waiter.application)
