# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of notifications, in the user's language. Needs no display."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from PyQt6.QtCore import QCoreApplication, QLocale

from kwallet_bridge.gui.languages import install_own

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class OfferTexts:
    """What the notification says."""

    summary: str
    body: str
    accept: str
    decline: str = ""


def offer_texts(number: int) -> OfferTexts:
    """Say that ``number`` wallets can be moved."""
    translate = _speak()
    return OfferTexts(
        summary=translate("Offer", "Move your wallets?"),
        body=translate(
            "Offer",
            "%n of KDE's wallet files can move to your password store. "
            "You see the plan first, and can take it back.",
            "",
            number,
        ),
        accept=translate("Offer", "Show…"),
        decline=translate("Offer", "No, Thanks"),
    )


def moved_texts(entries: int) -> OfferTexts:
    """Say that a wallet's entries were moved."""
    translate = _speak()
    return OfferTexts(
        summary=translate("Offer", "Your wallet was moved"),
        body=translate(
            "Offer",
            "%n entries are in your password store now, each one checked. "
            "The wallet's file stays as it is.",
            "",
            entries,
        ),
        accept=translate("Offer", "Undo"),
    )


def _speak() -> Callable[..., str]:
    """Install our translations, also where no application was made yet."""
    install_own(_application(), QLocale())
    return QCoreApplication.translate


@cache
def _application() -> QCoreApplication:
    """Return the application, kept: its translators go with it."""
    return QCoreApplication.instance() or QCoreApplication(["kwallet-bridge"])
