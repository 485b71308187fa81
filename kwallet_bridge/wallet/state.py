# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles, holds of clients and reference counts, as kwalletd keeps them.

Synchronous: between two awaits of the service nothing here changes. One handle per open wallet is
shared by all applications; a hold is (application, handle, service), where the service is
the caller's unique bus name for opens that asked to be watched and "" for all others, and several
equal ones may exist. Source of the behaviour: kwalletd 5.103 and 6.13, asked on a bus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.errors import HandleEndedError, HandleError
from kwallet_bridge.wallet.handles import HandleNumbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kwallet_bridge.model import AppId, Handle, WalletName

UNWATCHED = ""


@dataclass(slots=True)
class OpenWallet:
    """An open wallet: its handle, how often it is in use, and by whom."""

    name: WalletName
    handle: Handle
    references: int = 0
    holds: list[tuple[AppId, str]] = field(default_factory=list)
    last_used: float = 0.0

    def is_held_by(self, appid: AppId) -> bool:
        """Tell whether an application may use the handle."""
        return any(hold[0] == appid for hold in self.holds)

    def end_hold(self, appid: AppId, service: str) -> bool:
        """Remove one hold: the caller's watched one, else one that nobody watches."""
        for wanted in ((appid, service), (appid, UNWATCHED)):
            if wanted in self.holds:
                self.holds.remove(wanted)
                self.references -= 1
                return True
        return False

    def end_holds(self, *, appid: AppId | None = None, service: str | None = None) -> int:
        """Remove all holds of an application or of a vanished peer; tells how many."""
        kept = [
            hold
            for hold in self.holds
            if not (
                (appid is not None and hold[0] == appid)
                or (service is not None and hold[1] == service)
            )
        ]
        ended = len(self.holds) - len(kept)
        self.holds = kept
        self.references = max(0, self.references - ended)
        return ended


class OpenWallets:
    """Every open wallet."""

    def __init__(self, numbers: HandleNumbers | None = None) -> None:
        """Start with none; handles are drawn from ``numbers``."""
        self._by_name: dict[WalletName, OpenWallet] = {}
        self._by_handle: dict[int, OpenWallet] = {}
        self._numbers = numbers or HandleNumbers()

    def __len__(self) -> int:
        return len(self._by_name)

    def all(self) -> Iterable[OpenWallet]:
        """Give a snapshot of every open wallet."""
        return tuple(self._by_name.values())

    def by_name(self, wallet: WalletName) -> OpenWallet | None:
        """Find an open wallet by its name."""
        return self._by_name.get(wallet)

    def by_handle(self, handle: int) -> OpenWallet | None:
        """Find an open wallet by its handle."""
        return self._by_handle.get(handle)

    def add(self, wallet: WalletName) -> OpenWallet:
        """Count a wallet as open, under a handle of its own."""
        handle = self._numbers.draw(self._by_handle)
        opened = OpenWallet(wallet, handle)
        self._by_name[wallet] = opened
        self._by_handle[handle] = opened
        return opened

    def remove(self, opened: OpenWallet, *, by_client: bool) -> None:
        """Forget a wallet with its holds.

        Who goes on with the handle of a wallet that a client closed is refused, as by kwalletd;
        of one that ended otherwise he is told that he must open it again.
        """
        if by_client:
            self._numbers.note_closed(opened.handle)
        self._by_name.pop(opened.name, None)
        self._by_handle.pop(opened.handle, None)
        opened.holds.clear()
        opened.references = 0

    def gate(self, handle: int, appid: AppId) -> OpenWallet:
        """Give the wallet of a handle to an application that has a hold on it.

        Raises:
            HandleError: A client closed the handle, nobody ever gave it out, or the application
                has no hold.
            HandleEndedError: It was open, and ended without any client's doing.
        """
        opened = self._by_handle.get(handle)
        if opened is None:
            if self._numbers.was_lost(handle):
                raise HandleEndedError("the wallet was closed from outside: open it again")
            raise HandleError("the handle is not open")
        for hold in opened.holds:
            if hold[0] == appid:
                return opened
        raise HandleError("the application did not open this handle")
