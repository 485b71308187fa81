# SPDX-License-Identifier: GPL-3.0-or-later
"""The window that asks for a password: of a keyring file, of a new one, or of a wallet file."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QAction, QKeyEvent
from PyQt6.QtWidgets import (
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QStyle,
)

from kwallet_bridge.gui.asking import QuestionDialog, dress, make_form, make_text
from kwallet_bridge.gui.icons import icon
from kwallet_bridge.gui.strength import STRONG_BITS, WEAK_BITS, estimate_bits
from kwallet_bridge.question import (
    DECISION,
    LATER,
    PASSWORD,
    START_WITHOUT,
    UNKNOWN_SANDBOX,
    Purpose,
)

if TYPE_CHECKING:
    from typing import TextIO

    from kwallet_bridge.question import PasswordQuestion, WaitingProgram

_WIDTH_IN_LETTERS: Final = 70


class CapsLock(QObject):
    """Tells from what is typed whether Caps Lock is on; no toolkit says it everywhere."""

    def __init__(self, label: QLabel) -> None:
        """Show ``label`` while it is on."""
        super().__init__(label)
        self._label = label
        label.setVisible(False)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look at a key on its way to a field."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            letter = event.text()
            if event.key() == Qt.Key.Key_CapsLock:
                self._label.setVisible(False)  # the next letter tells
            elif len(letter) == 1 and letter.upper() != letter.lower():
                shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
                self._label.setVisible(letter.isupper() != shifted)
        return super().eventFilter(watched, event)


class PasswordField(QLineEdit):
    """A line for a password, which a button in it shows."""

    def __init__(self, name: str) -> None:
        """``name`` says to a screen reader what is typed here."""
        super().__init__()
        self.setAccessibleName(name)
        self.setEchoMode(QLineEdit.EchoMode.Password)
        # A field for a password is none for words: no dictionary, no history, no completion.
        self.setInputMethodHints(
            Qt.InputMethodHint.ImhHiddenText
            | Qt.InputMethodHint.ImhSensitiveData
            | Qt.InputMethodHint.ImhNoPredictiveText
            | Qt.InputMethodHint.ImhNoAutoUppercase
        )
        self._reveal = QAction(self)
        self._reveal.setCheckable(True)
        self._reveal.setText(self.tr("Show the password"))
        themed = icon("view-reveal", QStyle.StandardPixmap.SP_FileDialogContentsView)
        self._reveal.setIcon(themed)
        self._reveal.toggled.connect(self._show)
        self.addAction(self._reveal, QLineEdit.ActionPosition.TrailingPosition)

    def _show(self, on: bool) -> None:  # noqa: FBT001  a Qt signal's argument
        mode = QLineEdit.EchoMode.Normal if on else QLineEdit.EchoMode.Password
        self.setEchoMode(mode)


class PasswordWindow(QuestionDialog):
    """Asks one question; says on ``answers`` that it is seen, and what was typed or decided."""

    def __init__(self, question: PasswordQuestion, *, answers: TextIO) -> None:
        """Lay the window out; nothing is said before it is shown."""
        super().__init__(answers=answers)
        self._question = question
        self._is_new = question.purpose is Purpose.CREATE
        self.setWindowTitle(self.tr("Password of a Wallet"))
        self.field = PasswordField(self.tr("Password"))
        self.again = PasswordField(self.tr("Password, once more"))
        self.strength = QProgressBar()
        self.problem = make_text()
        self.caps_lock = QLabel(self.tr("Caps Lock is on."))
        watcher = CapsLock(self.caps_lock)
        for field in (self.field, self.again):
            field.installEventFilter(watcher)
            field.textEdited.connect(self._look)
        self.go_on = QPushButton()
        self.later = QPushButton()
        self.without = QPushButton()
        self._lay_out()
        self.field.setFocus()
        self._look()
        if question.again:
            self._tell(
                self.tr("This password is too short.")
                if self._is_new
                else self.tr("This password did not open it. Please try again.")
            )

    def reject(self) -> None:
        """Put it off: Escape and the window's close button come here."""
        self.answer(DECISION, LATER)

    # --- answers --------------------------------------------------------------------------------

    def _accept(self) -> None:
        if not self.go_on.isEnabled():
            return
        typed = self.field.text().encode("utf-8", "surrogatepass")
        self.answer(PASSWORD, base64.b64encode(typed).decode("ascii"))

    def answer(self, key: str, value: str) -> None:
        """Say the answer, and keep nothing that was typed."""
        super().answer(key, value)
        for field in (self.field, self.again):
            field.clear()

    # --- what is typed --------------------------------------------------------------------------

    def _look(self) -> None:
        """Say what is wrong with what stands in the fields, and whether one may go on."""
        typed = self.field.text()
        if not self._is_new:
            self.go_on.setEnabled(bool(typed))
            self._tell("")
            return
        long_enough = len(typed.encode("utf-8", "surrogatepass")) >= self._question.least
        alike = typed == self.again.text()
        self.go_on.setEnabled(long_enough and alike)
        self._show_strength(typed)
        if typed and not long_enough:
            self._tell(self.tr("A password needs %n letters or more.", "", self._question.least))
        elif typed and self.again.text() and not alike:
            self._tell(self.tr("The two passwords differ."))
        else:
            self._tell("")

    def _show_strength(self, typed: str) -> None:
        bits = estimate_bits(typed)
        self.strength.setValue(min(100, round(100 * bits / STRONG_BITS)))
        word = self.tr("weak") if bits < WEAK_BITS else self.tr("fair")
        self.strength.setFormat(self.tr("strong") if bits >= STRONG_BITS else word)

    def _tell(self, problem: str) -> None:
        self.problem.setText(problem)
        self.field.setAccessibleDescription(problem)

    # --- the window -----------------------------------------------------------------------------

    def _lay_out(self) -> None:
        heading, reason = self._texts()
        self.setAccessibleDescription(f"{heading} {reason}")
        parts = (make_text(reason), self._make_form(), self.problem, self.caps_lock)
        self.frame(heading, parts, self._make_buttons(), letters=_WIDTH_IN_LETTERS)

    def _texts(self) -> tuple[str, str]:
        """Return what is asked, and why."""
        return {
            Purpose.UNLOCK: (
                self.tr("Unlock the wallet"),
                self.tr(
                    "It is kept in an encrypted file. Its password opens it until you log out."
                ),
            ),
            Purpose.CREATE: (
                self.tr("Choose a password for the new wallet"),
                self.tr(
                    "Your programs' passwords will be kept in an encrypted file. "
                    "Without this password nobody can open it again, not even you."
                ),
            ),
            Purpose.MOVE: (
                self.tr("Open your KDE wallet once more"),
                self.tr(
                    "What it holds is moved to your password store and checked. "
                    "The wallet's file stays as it is."
                ),
            ),
        }[self._question.purpose]

    def _make_form(self) -> QFormLayout:
        question = self._question
        facts = [(self.tr("Wallet:"), question.wallet)]
        for program in question.waiting:
            facts += self._describe(program)
        if question.more:
            facts.append((self.tr("Besides:"), self.tr("%n more caller(s)", "", question.more)))
        form = make_form(facts)
        form.addRow(self._caption(self.tr("&Password:"), self.field), self.field)
        if self._is_new:
            form.addRow(self._caption(self.tr("Once &more:"), self.again), self.again)
            self.strength.setRange(0, 100)
            self.strength.setAccessibleName(self.tr("Strength of the password"))
            form.addRow(QLabel(self.tr("Strength:")), self.strength)
        self.again.setVisible(self._is_new)
        self.strength.setVisible(self._is_new)
        return form

    def _describe(self, program: WaitingProgram) -> list[tuple[str, str]]:
        """Return what is known of a program that waits, then what it only claims."""
        facts = [(self.tr("Wanted by:"), program.executable or self.tr("unknown program"))]
        if program.flatpak:
            vouched = program.flatpak != UNKNOWN_SANDBOX
            flatpak = program.flatpak if vouched else self.tr("(nobody vouches for it)")
            facts.append((self.tr("Flatpak:"), flatpak))
        if program.application:
            facts.append((self.tr("For application:"), program.application))
        else:
            facts.append((self.tr("Calls itself:"), program.appid or self.tr("(gives no name)")))
        return facts

    @staticmethod
    def _caption(text: str, field: QLineEdit) -> QLabel:
        label = QLabel(text)
        label.setBuddy(field)
        return label

    def _make_buttons(self) -> QDialogButtonBox:
        role = QDialogButtonBox.ButtonRole
        words = {
            Purpose.UNLOCK: self.tr("&Unlock"),
            Purpose.CREATE: self.tr("&Create"),
            Purpose.MOVE: self.tr("&Open and Move"),
        }
        box = QDialogButtonBox()
        for button in (self.go_on, self.without, self.later):
            button.setAutoDefault(False)
        dress(self.go_on, words[self._question.purpose], theme="dialog-ok")
        self.go_on.setDefault(True)
        self.go_on.clicked.connect(self._accept)
        box.addButton(self.go_on, role.AcceptRole)
        if self._question.may_start_without:
            dress(
                self.without,
                self.tr("&Start Without It"),
                self.tr("Programs find the wallet without what the file holds, and may begin anew"),
            )
            self.without.clicked.connect(lambda: self.answer(DECISION, START_WITHOUT))
            box.addButton(self.without, role.DestructiveRole)
        dress(
            self.later,
            self.tr("&Later"),
            self.tr("The program is told that the wallet cannot be opened now"),
            theme="dialog-cancel",
        )
        self.later.clicked.connect(self.reject)
        box.addButton(self.later, role.RejectRole)
        return box
