# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialog that asks whether a program may open a wallet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSocketNotifier, Qt, QTimer
from PyQt6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QStyle,
    QVBoxLayout,
)
from PyQt6.sip import voidptr

from kwallet_bridge.gui.icons import decorate, icon
from kwallet_bridge.gui.labels import ElidedLabel
from kwallet_bridge.question import DECISION, SHOWN, UNKNOWN_SANDBOX, Decision, say

if TYPE_CHECKING:
    from typing import TextIO

    from PyQt6.QtGui import QShowEvent

    from kwallet_bridge.question import Question

GUARD_MILLISECONDS: Final = 600
"""How long nothing can be allowed: a key or click meant for another window must not."""
_ICON_SIZE: Final = 48
_HEADING_SCALE: Final = 1.2
_WIDTH_IN_LETTERS: Final = 82


class AccessDialog(QDialog):
    """Asks one question; says on ``answers`` that it is seen, and what was decided."""

    def __init__(self, question: Question, *, answers: TextIO) -> None:
        """Lay the dialog out; nothing is said before it is shown."""
        super().__init__(None, Qt.WindowType.Dialog | Qt.WindowType.WindowStaysOnTopHint)
        self._question = question
        self._answers = answers
        self._withdrawn: QSocketNotifier | None = None
        self._is_answered = False
        self.setWindowTitle(self.tr("Access to a Wallet"))
        self.buttons: dict[Decision, QPushButton] = {}
        self._lay_out()
        # Where a stray Enter or Space lands.
        self.buttons[Decision.DENY].setDefault(True)
        self.buttons[Decision.DENY].setFocus()

    def withdraw_at_end_of(self, descriptor: int) -> None:
        """Close, deciding nothing, when the pipe the question came through ends."""
        self._withdrawn = QSocketNotifier(voidptr(descriptor), QSocketNotifier.Type.Read, self)
        self._withdrawn.activated.connect(lambda: self._on_readable(descriptor))

    def _on_readable(self, descriptor: int) -> None:
        if os.read(descriptor, 4096):
            return
        if self._withdrawn is not None:
            self._withdrawn.setEnabled(False)
        self._is_answered = True
        super().reject()

    def reject(self) -> None:
        """Deny this once: Escape and the window's close button come here."""
        self._answer(Decision.DENY)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Say that the question is seen; allow it to be allowed a little later."""
        super().showEvent(event)
        self._say(SHOWN, value=True)
        self.raise_()
        self.activateWindow()
        QTimer.singleShot(GUARD_MILLISECONDS, self._open_guard)

    def _open_guard(self) -> None:
        self.buttons[Decision.ONCE].setEnabled(True)
        self.buttons[Decision.ALWAYS].setEnabled(self._question.may_allow_always)

    def _answer(self, decision: Decision) -> None:
        if not self._is_answered:
            self._is_answered = True
            self._say(DECISION, value=decision.value)
        super().done(QDialog.DialogCode.Accepted)

    def _say(self, key: str, *, value: object) -> None:
        try:
            self._answers.write(say(key, value))
            self._answers.flush()
        except BrokenPipeError:
            super().done(QDialog.DialogCode.Rejected)

    def _lay_out(self) -> None:
        picture = QLabel()
        themed = icon("dialog-password", QStyle.StandardPixmap.SP_MessageBoxQuestion)
        picture.setPixmap(themed.pixmap(_ICON_SIZE, _ICON_SIZE))
        heading = QLabel(self.tr("May this program open the wallet?"))
        font = heading.font()
        font.setPointSizeF(font.pointSizeF() * _HEADING_SCALE)
        font.setBold(True)
        heading.setFont(font)
        heading.setWordWrap(True)
        hint = QLabel(
            self.tr(
                "The name is the program's own word; program and process are the system's. "
                "Outside of a sandbox a program can still pose as another."
            )
        )
        hint.setWordWrap(True)
        self.setAccessibleDescription(f"{heading.text()} {hint.text()}")
        grid = QGridLayout()
        grid.addWidget(picture, 0, 0, 3, 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(heading, 0, 1)
        grid.addLayout(self._make_facts(), 1, 1)
        grid.addWidget(hint, 2, 1)
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(12)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        layout.addStretch(1)
        layout.addWidget(self._make_buttons())
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * _WIDTH_IN_LETTERS)

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
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, value in facts:
            form.addRow(QLabel(name), ElidedLabel(value, name=name))
        return form

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
            button = QPushButton(text)
            button.setToolTip(explanation)
            button.setAccessibleName(text.replace("&", ""))
            button.setAccessibleDescription(explanation)
            button.clicked.connect(lambda _, chosen=decision: self._answer(chosen))
            button.setEnabled(not decision.allows)
            decorate(button, "dialog-ok" if decision.allows else "dialog-cancel")
            box.addButton(button, its_role)
            self.buttons[decision] = button
        self.buttons[Decision.NEVER].setEnabled(self._question.may_deny_always)
        return box
