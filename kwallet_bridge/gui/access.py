# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialog that asks whether a program may open a wallet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QDialogButtonBox, QFormLayout, QPushButton

from kwallet_bridge.gui.asking import QuestionDialog, dress, make_form, make_text
from kwallet_bridge.question import DECISION, UNKNOWN_SANDBOX, Decision

if TYPE_CHECKING:
    from typing import TextIO

    from PyQt6.QtGui import QShowEvent

    from kwallet_bridge.question import Question

GUARD_MILLISECONDS: Final = 600
"""How long nothing can be allowed: a key or click meant for another window must not."""
_WIDTH_IN_LETTERS: Final = 82


class AccessDialog(QuestionDialog):
    """Asks one question; says on ``answers`` that it is seen, and what was decided."""

    def __init__(self, question: Question, *, answers: TextIO) -> None:
        """Lay the dialog out; nothing is said before it is shown."""
        super().__init__(answers=answers)
        self._question = question
        self.setWindowTitle(self.tr("Access to a Wallet"))
        self.buttons: dict[Decision, QPushButton] = {}
        self._lay_out()
        # Where a stray Enter or Space lands.
        self.buttons[Decision.DENY].setDefault(True)
        self.buttons[Decision.DENY].setFocus()

    def reject(self) -> None:
        """Deny this once: Escape and the window's close button come here."""
        self._decide(Decision.DENY)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Say that the question is seen; allow it to be allowed a little later."""
        super().showEvent(event)
        QTimer.singleShot(GUARD_MILLISECONDS, self._open_guard)

    def _open_guard(self) -> None:
        self.buttons[Decision.ONCE].setEnabled(True)
        self.buttons[Decision.ALWAYS].setEnabled(self._question.may_allow_always)

    def _decide(self, decision: Decision) -> None:
        self.answer(DECISION, decision.value)

    def _lay_out(self) -> None:
        heading = self.tr("May this program open the wallet?")
        hint = self.tr(
            "The name is the program's own word; program and process are the system's. "
            "Outside of a sandbox a program can still pose as another."
        )
        self.setAccessibleDescription(f"{heading} {hint}")
        parts = (self._make_facts(), make_text(hint))
        self.frame(heading, parts, self._make_buttons(), letters=_WIDTH_IN_LETTERS)

    def _make_facts(self) -> QFormLayout:
        question = self._question
        facts = [
            (self.tr("Wallet:"), question.wallet),
            (self.tr("Calls itself:"), question.appid or self.tr("(gives no name)")),
            (self.tr("Program:"), question.executable or self.tr("unknown program")),
            (self.tr("Process:"), str(question.pid)),
        ]
        if question.flatpak:
            vouched = question.flatpak != UNKNOWN_SANDBOX
            flatpak = question.flatpak if vouched else self.tr("(nobody vouches for it)")
            facts.insert(3, (self.tr("Flatpak:"), flatpak))
        return make_form(facts)

    def _make_buttons(self) -> QDialogButtonBox:
        role = QDialogButtonBox.ButtonRole
        rows = (
            (
                Decision.ONCE,
                role.AcceptRole,
                self.tr("Allow &Once"),
                self.tr("Open the wallet for as long as the program uses it; ask again next time"),
            ),
            (
                Decision.ALWAYS,
                role.AcceptRole,
                self.tr("&Always"),
                self.tr("Open the wallet, and do not ask about this name and wallet again"),
            ),
            (
                Decision.DENY,
                role.RejectRole,
                self.tr("&Deny"),
                self.tr("Do not open the wallet this time"),
            ),
            (
                Decision.NEVER,
                role.RejectRole,
                self.tr("&Never"),
                self.tr("Do not open the wallet, now or later, and do not ask again"),
            ),
        )
        box = QDialogButtonBox()
        for decision, its_role, text, explanation in rows:
            button = QPushButton()
            dress(
                button, text, explanation, theme="dialog-ok" if decision.allows else "dialog-cancel"
            )
            button.clicked.connect(lambda _, chosen=decision: self._decide(chosen))
            button.setEnabled(not decision.allows)
            box.addButton(button, its_role)
            self.buttons[decision] = button
        self.buttons[Decision.NEVER].setEnabled(self._question.may_deny_always)
        return box
