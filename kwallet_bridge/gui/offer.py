# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the one notification, in the user's language. Needs no display."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QCoreApplication, QLocale

from kwallet_bridge.gui.languages import install_own


@dataclass(frozen=True, slots=True)
class OfferTexts:
    """What the notification says."""

    summary: str
    body: str
    accept: str
    decline: str


def offer_texts(number: int) -> OfferTexts:
    """Say that ``number`` wallets can be moved."""
    application = QCoreApplication.instance() or QCoreApplication(["kwallet-bridge"])
    install_own(application, QLocale())
    translate = QCoreApplication.translate
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
