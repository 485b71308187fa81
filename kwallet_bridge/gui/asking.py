# SPDX-License-Identifier: GPL-3.0-or-later
"""What every window has that asks one question for the daemon: its answer, its end, its frame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSocketNotifier, Qt
from PyQt6.QtWidgets import (
    QDialog,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLayout,
    QPushButton,
    QStyle,
    QVBoxLayout,
    QWidget,
)
from PyQt6.sip import voidptr

from kwallet_bridge.gui.icons import decorate, icon
from kwallet_bridge.gui.labels import ElidedLabel
from kwallet_bridge.question import SHOWN, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from PyQt6.QtGui import QShowEvent

_ICON_SIZE: Final = 48
_HEADING_SCALE: Final = 1.2


class QuestionDialog(QDialog):
    """Asks one question; says on ``answers`` that it is seen, and what was answered, once."""

    def __init__(self, *, answers: TextIO) -> None:
        """Make an empty window; nothing is said before it is shown."""
        super().__init__(None, Qt.WindowType.Dialog | Qt.WindowType.WindowStaysOnTopHint)
        self._answers = answers
        self._withdrawn: QSocketNotifier | None = None
        self._is_answered = False

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

    def showEvent(self, event: QShowEvent | None) -> None:
        """Say that the question is seen."""
        super().showEvent(event)
        self._say(SHOWN, value=True)
        self.raise_()
        self.activateWindow()

    def answer(self, key: str, value: str) -> None:
        """Say the answer, if none was said, and close."""
        if not self._is_answered:
            self._is_answered = True
            self._say(key, value=value)
        super().done(QDialog.DialogCode.Accepted)

    def _say(self, key: str, *, value: object) -> None:
        try:
            self._answers.write(say(key, value))
            self._answers.flush()
        except BrokenPipeError:
            super().done(QDialog.DialogCode.Rejected)

    # --- the frame ------------------------------------------------------------------------------

    def frame(
        self,
        heading: str,
        parts: Sequence[QWidget | QLayout],
        buttons: QWidget,
        *,
        letters: int,
    ) -> None:
        """Put a picture, ``heading`` and ``parts`` above ``buttons``, at least ``letters`` wide."""
        picture = QLabel()
        themed = icon("dialog-password", QStyle.StandardPixmap.SP_MessageBoxQuestion)
        picture.setPixmap(themed.pixmap(_ICON_SIZE, _ICON_SIZE))
        title = make_text(heading)
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * _HEADING_SCALE)
        font.setBold(True)
        title.setFont(font)
        grid = QGridLayout()
        grid.addWidget(picture, 0, 0, 1 + len(parts), 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(title, 0, 1)
        for row, part in enumerate(parts, 1):
            if isinstance(part, QWidget):
                grid.addWidget(part, row, 1)
            else:
                grid.addLayout(part, row, 1)
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(12)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        layout.addStretch(1)
        layout.addWidget(buttons)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * letters)


def make_text(text: str = "") -> QLabel:
    """Make a label of as many lines as its text needs."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def make_form(facts: Iterable[tuple[str, str]]) -> QFormLayout:
    """Make a form that shows names and values, which other programs chose."""
    form = QFormLayout()
    form.setHorizontalSpacing(12)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for name, value in facts:
        form.addRow(QLabel(name), ElidedLabel(value, name=name))
    return form


def dress(button: QPushButton, text: str, explanation: str = "", *, theme: str = "") -> None:
    """Give a button its text, what it means, and an icon of the desktop's theme."""
    button.setText(text)
    button.setToolTip(explanation)
    button.setAccessibleName(text.replace("&", ""))
    button.setAccessibleDescription(explanation)
    if theme:
        decorate(button, theme)
