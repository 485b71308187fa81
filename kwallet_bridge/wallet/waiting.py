# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for a person's answer about a wallet, so that the question can say so.

It is told to the person and decides nothing: who answers has not let these programs in.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kwallet_bridge.model import AppId, WalletName


@dataclass(frozen=True, slots=True)
class Waiter:
    """A caller that waits."""

    caller: str
    """Its unique bus name."""
    appid: AppId
    """What it calls itself."""
    application: str = ""
    """The sandboxed application for which the caller, a desktop portal, asks; "" for none."""


class Waiting:
    """The callers under way that may be waiting for a person, by wallet."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiters: dict[WalletName, list[Waiter]] = {}

    @contextmanager
    def noted(self, wallet: WalletName, waiter: Waiter) -> Iterator[None]:
        """Count ``waiter`` among those who wait, for as long as this lasts."""
        waiters = self._waiters.setdefault(wallet, [])
        waiters.append(waiter)
        try:
            yield
        finally:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[wallet]

    def waiters(self, wallet: WalletName) -> Sequence[Waiter]:
        """Return who waits, each once, the first to come first."""
        return tuple(dict.fromkeys(self._waiters.get(wallet, ())))
