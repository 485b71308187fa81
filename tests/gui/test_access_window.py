# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication
from support.windows import check_controls, click, find_labels, press, wait_until

from kwallet_bridge.gui.access import AccessDialog
from kwallet_bridge.gui.labels import ElidedLabel
from kwallet_bridge.question import Decision, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("application")

QUESTION = Question("kdewallet", "kmail", 4711, "/usr/bin/kmail", "")


class Asked:
    """A dialog that is shown, and what it said."""

    def __init__(self, question: Question) -> None:
        self.output = io.StringIO()
        self.dialog = AccessDialog(question, answers=self.output)
        self.dialog.show()

    def said(self) -> list[dict[str, Any]]:
        """Give every line the dialog wrote."""
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    def wait_open(self) -> None:
        """Wait until something can be allowed."""
        wait_until(self.dialog.buttons[Decision.ONCE].isEnabled)


@pytest.fixture
def asked() -> Iterator[Asked]:
    """An ordinary question, shown."""
    made = Asked(QUESTION)
    yield made
    made.dialog.close()


def decided(word: str) -> list[dict[str, Any]]:
    """Give what a dialog says in all when it is decided so."""
    return [{"shown": True}, {"decision": word}]


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Space])
def test_a_stray_key_denies(asked: Asked, key: Qt.Key) -> None:
    """Enter, Space and Escape right after the dialog came up all deny, once."""
    target = asked.dialog.focusWidget()
    assert target is asked.dialog.buttons[Decision.DENY]
    press(target, key)
    assert asked.said() == decided("deny")
    assert not asked.dialog.isVisible()


def test_closing_the_window_denies(asked: Asked) -> None:
    """The close button of the window denies this once."""
    asked.dialog.close()
    assert asked.said() == decided("deny")


@pytest.mark.parametrize("decision", list(Decision))
def test_each_button_says_its_decision(asked: Asked, decision: Decision) -> None:
    """A click on each button says that decision and closes the dialog."""
    asked.wait_open()
    click(asked.dialog.buttons[decision])
    assert asked.said() == decided(decision.value)
    assert not asked.dialog.isVisible()


@pytest.mark.parametrize(
    ("key", "word"),
    [
        (Qt.Key.Key_O, "allow-once"),
        (Qt.Key.Key_A, "allow-always"),
        (Qt.Key.Key_D, "deny"),
        (Qt.Key.Key_N, "deny-always"),
    ],
)
def test_the_keyboard_reaches_every_decision(asked: Asked, key: Qt.Key, word: str) -> None:
    """Alt and the underlined letter decides."""
    asked.wait_open()
    press(asked.dialog, key, Qt.KeyboardModifier.AltModifier)
    wait_until(lambda: asked.said() == decided(word))


def test_nothing_can_be_allowed_at_once(asked: Asked) -> None:
    """Allowing is impossible when the dialog appears and possible a moment later."""
    allow = asked.dialog.buttons[Decision.ONCE]
    click(allow)
    assert asked.said() == [{"shown": True}]
    asked.wait_open()


def test_what_cannot_be_kept_cannot_be_chosen() -> None:
    """Always and Never stay off where kwalletrc cannot be changed."""
    question = replace(QUESTION, may_allow_always=False, may_deny_always=False)
    asked = Asked(question)
    asked.wait_open()
    enabled = {each for each, button in asked.dialog.buttons.items() if button.isEnabled()}
    assert enabled == {Decision.ONCE, Decision.DENY}
    asked.dialog.close()


def test_claim_and_program_are_both_shown() -> None:
    """Wallet, claimed name, executable, Flatpak and pid are on the dialog, each once."""
    asked = Asked(replace(QUESTION, appid="pretender", flatpak="org.example.App"))
    texts = find_labels(asked.dialog)
    for text in ("kdewallet", "pretender", "/usr/bin/kmail", "org.example.App", "4711"):
        assert texts.count(text) == 1
    asked.dialog.close()


def test_names_cannot_deceive() -> None:
    """Letters that turn text are written as escapes, and markup is no markup, in tooltips too."""
    asked = Asked(replace(QUESTION, appid="\u202egpj.exe <b>x</b>\nWallet: other"))
    (label,) = [each for each in find_labels(asked.dialog) if "gpj" in each]
    assert label == r"\u202egpj.exe <b>x</b>\nWallet: other"
    asked.dialog.close()
    asked = Asked(replace(QUESTION, appid="<b>bold</b>" * 40))
    tips = "".join(each.toolTip() for each in asked.dialog.findChildren(ElidedLabel))
    assert "&lt;b&gt;bold" in tips
    assert "<b>" not in tips
    asked.dialog.close()


def test_long_names_neither_widen_the_dialog_nor_are_lost() -> None:
    """A name of 300 letters leaves the width as it is, is elided, and whole in the tooltip."""
    usual = Asked(QUESTION)
    name = "x" * 300
    asked = Asked(replace(QUESTION, wallet=name, executable="/" + name))
    assert asked.dialog.width() == usual.dialog.width()
    elided = [each for each in find_labels(asked.dialog) if "…" in each]
    assert len(elided) == 2
    assert name in "".join(each.toolTip() for each in asked.dialog.findChildren(ElidedLabel))
    for each in (usual, asked):
        each.dialog.close()


def test_the_end_of_the_question_closes_the_dialog() -> None:
    """When the daemon withdraws the question the dialog goes away and decides nothing."""
    reading, writing = os.pipe()
    asked = Asked(QUESTION)
    asked.dialog.withdraw_at_end_of(reading)
    QApplication.processEvents()
    assert asked.dialog.isVisible()
    os.close(writing)
    wait_until(lambda: not asked.dialog.isVisible())
    assert asked.said() == [{"shown": True}]
    os.close(reading)


def test_a_screen_reader_has_a_name_for_everything(asked: Asked) -> None:
    """Every control that can have the focus has a name, and every decision an explanation."""
    check_controls(asked.dialog)
    assert all(button.accessibleDescription() for button in asked.dialog.buttons.values())
