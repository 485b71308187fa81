# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels for text that other programs chose: long, hostile, or both."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QLabel, QSizePolicy, QWidget

from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from PyQt6.QtGui import QResizeEvent

_LIMIT = 500
"""Letters of a name ever shown, its tooltip included."""
_MINIMUM_LETTERS = 12
_PREFERRED_LETTERS = 48


def shown(text: str) -> str:
    """Make a name fit to be shown: one line, nothing that turns or hides its letters."""
    text = text if len(text) <= _LIMIT else text[:_LIMIT] + "…"
    return printable(text)


def plain_tooltip(text: str) -> str:
    """Make a tooltip that Qt does not take for markup."""
    return f"<qt>{html.escape(shown(text))}</qt>"


class ElidedLabel(QLabel):
    """One line of foreign text; what does not fit is left out in its middle, and in a tooltip."""

    def __init__(self, text: str, *, name: str, parent: QWidget | None = None) -> None:
        """Show ``text``; ``name`` says to a screen reader what it is."""
        super().__init__(parent)
        self._name = name
        self.full_text = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        # Breeze's forms give room only to what asks for it.
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.set_full_text(text)

    def set_full_text(self, text: str) -> None:
        """Show another text."""
        self.full_text = shown(text)
        self.setAccessibleName(f"{self._name} {self.full_text}".strip())
        self._elide()

    def minimumSizeHint(self) -> QSize:
        """Ask for room for a few letters."""
        return self._size_of(_MINIMUM_LETTERS)

    def sizeHint(self) -> QSize:
        """Ask for room for most names."""
        return self._size_of(_PREFERRED_LETTERS)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Elide anew."""
        super().resizeEvent(event)
        self._elide()

    def _size_of(self, letters: int) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.averageCharWidth() * letters, metrics.height() + 2)

    def _elide(self) -> None:
        # Left to itself a label stands where its text begins, far from its caption when the
        # window runs from right to left and the text does not.
        side = Qt.AlignmentFlag.AlignLeft
        if self.layoutDirection() is Qt.LayoutDirection.RightToLeft:
            side = Qt.AlignmentFlag.AlignRight
        self.setAlignment(side | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter)
        metrics = self.fontMetrics()
        mode = Qt.TextElideMode.ElideMiddle
        fitting = metrics.elidedText(self.full_text, mode, max(self.contentsRect().width(), 1))
        self.setText(fitting)
        self.setToolTip("" if fitting == self.full_text else plain_tooltip(self.full_text))
