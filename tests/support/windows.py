# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for what a window shows, by letting Qt's events happen."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QLabel, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 15.0
_TURN_MILLISECONDS = 20


def wait_until(condition: Callable[[], bool]) -> None:
    """Let events happen until a condition holds; one that never does is a failure."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        QTest.qWait(_TURN_MILLISECONDS)  # type: ignore[call-arg, arg-type]  # it is static


def press(
    widget: QWidget | None,
    key: Qt.Key,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """Press a key as a person does, in an active window."""
    assert widget is not None
    wait_until(widget.isActiveWindow)
    QTest.keyClick(widget, key, modifier)  # type: ignore[call-overload]  # as above


def click(widget: QWidget) -> None:
    """Click the middle of a control."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]  # as above


def find_labels(window: QWidget) -> list[str]:
    """Give the texts of every label a person sees."""
    return [label.text() for label in window.findChildren(QLabel) if label.isVisibleTo(window)]


def check_controls(window: QWidget) -> None:
    """Hold every control that takes the focus by Tab to having a name for screen readers."""
    controls = [
        each
        for each in window.findChildren(QWidget)
        if each.focusPolicy() & Qt.FocusPolicy.TabFocus and each.isVisibleTo(window)
    ]
    assert controls, "there is nothing to reach"
    nameless = [
        type(each).__name__
        for each in controls
        if not each.accessibleName() and not (isinstance(each, QAbstractButton) and each.text())
    ]
    assert nameless == []


def mnemonics(window: QWidget) -> list[str]:
    """Give the letters that Alt reaches on what is visible."""
    labelled: list[QAbstractButton | QLabel] = [
        *window.findChildren(QAbstractButton),
        *window.findChildren(QLabel),
    ]
    texts = [each.text() for each in labelled if each.isVisibleTo(window)]
    return [found[1].lower() for text in texts if (found := re.search(r"&([^&\s])", text))]
