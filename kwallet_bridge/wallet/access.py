# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an application may open a wallet."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.config import NAMELESS_APPID

if TYPE_CHECKING:
    from kwallet_bridge.config import Settings
    from kwallet_bridge.model import AppId, WalletName

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An open that was denied."""

    caller: str
    wallet: WalletName = field(repr=False)
    appid: AppId
    seconds: float
    answered: bool
    """The call had been answered before: it was ``openAsync``."""


class Asker(Protocol):
    """Asks a person about one application and one wallet."""

    async def ask(self, *, wallet: WalletName, appid: AppId, caller: str) -> bool:
        """Tell whether the open may go on."""


class AccessRules:
    """kwalletrc's Auto Deny and Auto Allow, and whom to ask with Prompt on Open."""

    def __init__(self, settings: Settings, asker: Asker | None = None) -> None:
        """Judge by ``settings``; without an asker, whoever is not denied is allowed."""
        self._settings = settings
        self._asker = asker

    def denied(self, wallet: WalletName, appid: AppId) -> bool:
        """Tell whether kwalletrc denies the application this wallet."""
        return _written(appid) in self._settings.auto_deny.get(wallet, ())

    async def allows(self, wallet: WalletName, appid: AppId, caller: str, *, known: bool) -> bool:
        """Tell whether the open may go on.

        ``known`` says that the application has a hold on the wallet: then nobody is asked. That
        the wallet has just been unlocked is no reason. Providers unlock it without a person where
        they know the password, and a person who typed it may not have been told of this program.
        """
        if known or not self._settings.prompt_on_open:
            return True
        if _written(appid) in self._settings.auto_allow.get(wallet, ()):
            return True
        if self._asker is None:
            return not self._settings.deny_without_dialog
        return await self._asker.ask(wallet=wallet, appid=appid, caller=caller)


def _written(appid: AppId) -> str:
    return appid or NAMELESS_APPID
