# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a wallet may be served although something that belongs into it has not come yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kwallet_bridge.model import WalletName


class Lacking(Protocol):
    """Has a person decide, if one can be asked, what becomes of what a wallet lacks."""

    async def may_serve(self) -> bool:
        """Return whether any wallet may be served at all."""

    async def check(self, wallet: WalletName) -> None:
        """Refuse, before anybody is asked anything, a wallet that cannot be served.

        Raises:
            ElsewhereError: Nobody knows what it lacks, and nobody can be asked.
        """

    async def settle(self, wallet: WalletName) -> None:
        """Return once an unlocked wallet may be served.

        Raises:
            ElsewhereError: Nobody knows what it lacks, and nobody decided to do without.
        """


class LackingNothing:
    """Where nothing can be lacking."""

    async def may_serve(self) -> bool:
        """Return that all may."""
        return True

    async def check(self, wallet: WalletName) -> None:
        """Refuse nothing."""

    async def settle(self, wallet: WalletName) -> None:
        """Wait for nothing."""
