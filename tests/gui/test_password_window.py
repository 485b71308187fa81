# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QLineEdit
from support.windows import check_controls, click, find_labels, mnemonics, press, wait_until

from kwallet_bridge.gui.password import PasswordWindow
from kwallet_bridge.question import UNKNOWN_SANDBOX, PasswordQuestion, Purpose, WaitingProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("application")

KMAIL = WaitingProgram("kmail", "/usr/bin/kmail")
UNLOCK = PasswordQuestion(Purpose.UNLOCK, "kdewallet", (KMAIL,))
CREATE = PasswordQuestion(Purpose.CREATE, "kdewallet", least=4)
MOVE = PasswordQuestion(Purpose.MOVE, "kdewallet", may_start_without=True)


class Asked:
    """A window that is shown, and what it said."""

    def __init__(self, question: PasswordQuestion) -> None:
        self.output = io.StringIO()
        self.window = PasswordWindow(question, answers=self.output)
        self.window.show()

    def said(self) -> list[dict[str, Any]]:
        """Return every line the window wrote."""
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    def type(self, text: str, field: QLineEdit | None = None) -> None:
        """Type as a person does."""
        QTest.keyClicks(field or self.window.field, text)  # type: ignore[call-arg, arg-type]  # it is static


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    """A question, shown; to unlock unless the test says another."""
    made = Asked(getattr(request, "param", UNLOCK))
    yield made
    made.window.close()


def typed(text: str) -> list[dict[str, Any]]:
    """Return what a window says in all when this is typed."""
    return [{"shown": True}, {"password": base64.b64encode(text.encode()).decode()}]


PUT_OFF = [{"shown": True}, {"decision": "later"}]


def test_enter_gives_what_was_typed(asked: Asked) -> None:
    """A password of any letters arrives as its UTF-8 bytes, and stays in no field."""
    asked.window.field.setText("pä ss\t\N{KEY}")
    asked.type("!")
    press(asked.window.field, Qt.Key.Key_Return)
    assert asked.said() == typed("pä ss\t\N{KEY}!")
    assert not asked.window.isVisible()
    assert asked.window.field.text() == ""


def test_nothing_typed_is_no_answer(asked: Asked) -> None:
    """Enter in an empty field does nothing; the button is off."""
    press(asked.window.field, Qt.Key.Key_Return)
    assert asked.said() == [{"shown": True}]
    assert not asked.window.go_on.isEnabled()


@pytest.mark.parametrize("asked", [UNLOCK, CREATE, MOVE], indirect=True)
def test_escape_and_the_close_button_put_it_off(asked: Asked) -> None:
    """Nobody is held: every way out says "later", and what was typed is not said."""
    asked.type("half a pass")
    press(asked.window.field, Qt.Key.Key_Escape)
    assert asked.said() == PUT_OFF
    again = Asked(UNLOCK)
    again.window.close()
    assert again.said() == PUT_OFF


@pytest.mark.parametrize("asked", [MOVE], indirect=True)
def test_starting_without_is_a_decision_of_its_own(asked: Asked) -> None:
    """Only where it is offered, only by its own button."""
    click(asked.window.without)
    assert asked.said() == [{"shown": True}, {"decision": "start-without"}]
    assert "Start" not in " ".join(find_labels(Asked(UNLOCK).window))


@pytest.mark.parametrize("asked", [CREATE], indirect=True)
def test_a_new_password_is_typed_twice(asked: Asked) -> None:
    """Too short and unequal ones cannot be sent, and the window says which it is."""
    window = asked.window
    asked.type("abc")
    assert "4 letters" in window.problem.text()
    asked.type("d")
    assert window.problem.text() == ""
    asked.type("abce", window.again)
    assert "differ" in window.problem.text()
    press(window.again, Qt.Key.Key_Return)
    assert asked.said() == [{"shown": True}]
    press(window.again, Qt.Key.Key_Backspace)
    asked.type("d", window.again)
    assert window.problem.text() == ""
    press(window.again, Qt.Key.Key_Return)
    assert asked.said() == typed("abcd")


@pytest.mark.parametrize("asked", [CREATE], indirect=True)
def test_strength_is_shown(asked: Asked) -> None:
    """A better password is shown as one, in a word and not by colour alone."""
    asked.type("aaaaaaaaaaaaaaaa")
    assert asked.window.strength.format() == "weak"
    weak = asked.window.strength.value()
    asked.type("Tr0ub4dor&3 horse battery")
    assert asked.window.strength.format() == "strong"
    assert asked.window.strength.value() > weak


def test_caps_lock_is_told(asked: Asked) -> None:
    """A capital without Shift means Caps Lock, and the next small letter that it is off."""
    asked.type("a")
    assert not asked.window.caps_lock.isVisible()
    QTest.keyClick(asked.window.field, "B", Qt.KeyboardModifier.NoModifier)  # type: ignore[call-overload]
    assert asked.window.caps_lock.isVisible()
    asked.type("c")
    assert not asked.window.caps_lock.isVisible()


def test_a_wrong_one_is_told(asked: Asked) -> None:
    """Who is asked again is told why."""
    again = Asked(PasswordQuestion(Purpose.UNLOCK, "kdewallet", again=True))
    assert "did not open" in again.window.problem.text()
    assert asked.window.problem.text() == ""
    again.window.close()


def test_it_can_be_shown_and_is_hidden_first(asked: Asked) -> None:
    """What is typed is dots until a person wants to see it."""
    assert asked.window.field.echoMode() is QLineEdit.EchoMode.Password
    (reveal,) = asked.window.field.actions()
    reveal.trigger()
    assert asked.window.field.echoMode() is QLineEdit.EchoMode.Normal


def test_the_window_goes_when_nobody_waits_any_more() -> None:
    """The end of the question's pipe closes it, and it decides nothing."""
    reading, writing = os.pipe()
    asked = Asked(UNLOCK)
    asked.window.withdraw_at_end_of(reading)
    os.close(writing)
    wait_until(lambda: not asked.window.isVisible())
    os.close(reading)
    assert asked.said() == [{"shown": True}]


@pytest.mark.parametrize("asked", [UNLOCK, CREATE, MOVE], indirect=True)
def test_it_can_be_used_without_a_mouse_and_without_eyes(asked: Asked) -> None:
    """Every control has a name, letters of Alt are each one's own, the field has the focus."""
    check_controls(asked.window)
    letters = mnemonics(asked.window)
    assert len(letters) == len(set(letters))
    assert asked.window.focusWidget() is asked.window.field


def test_foreign_names_are_shown_as_they_are() -> None:
    """Markup and letters that turn the text are no markup here."""
    asked = Asked(PasswordQuestion(Purpose.UNLOCK, "<b>x</b>", (WaitingProgram("\u202eevil"),)))
    labels = find_labels(asked.window)
    assert "<b>x</b>" in labels
    assert "\\u202eevil" in labels
    asked.window.close()


def test_each_program_that_waits_is_named_and_its_own_word_is_told_apart() -> None:
    """What is known comes first; a claim is called one, also where it looks like a path."""
    waiting = (
        KMAIL,
        WaitingProgram("/usr/bin/kmail", "/tmp/evil"),  # noqa: S108  nothing is there
        WaitingProgram("", "", UNKNOWN_SANDBOX),
        WaitingProgram("portal", "/usr/libexec/portal", application="org.example.App"),
    )
    asked = Asked(PasswordQuestion(Purpose.UNLOCK, "kdewallet", waiting, more=2))
    labels = find_labels(asked.window)
    facts = labels[labels.index("Wallet:") : labels.index("&Password:")]
    # Another test may have left the English plurals installed.
    assert facts.pop() in {"2 more caller(s)", "2 more callers"}
    assert facts.pop() == "Besides:"
    assert list(zip(facts[::2], facts[1::2], strict=True)) == [
        ("Wallet:", "kdewallet"),
        ("Wanted by:", "/usr/bin/kmail"),
        ("Calls itself:", "kmail"),
        ("Wanted by:", "/tmp/evil"),  # noqa: S108  as above
        ("Calls itself:", "/usr/bin/kmail"),
        ("Wanted by:", "unknown program"),
        ("Flatpak:", "(nobody vouches for it)"),
        ("Calls itself:", "(gives no name)"),
        ("Wanted by:", "/usr/libexec/portal"),
        ("For application:", "org.example.App"),
    ]
    asked.window.close()
