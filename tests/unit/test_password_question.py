# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest

from kwallet_bridge.question import PasswordQuestion, Purpose, Question, WaitingProgram

PROGRAM = WaitingProgram("app", "/usr/bin/app", "flat", "org.app")
QUESTION = PasswordQuestion(
    Purpose.MOVE, "wäll\n", (PROGRAM,), 2, again=True, least=4, may_start_without=True
)


def test_it_survives_the_pipe() -> None:
    """A question is one line, and the same on the other side."""
    line = QUESTION.to_line()
    assert line.count("\n") == 1
    assert PasswordQuestion.parse(line) == QUESTION


def test_its_repr_has_no_name() -> None:
    """Names are private."""
    assert "app" not in repr(QUESTION)
    assert "w" not in repr(QUESTION).replace("PasswordQuestion", "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("purpose", "guess"), ("purpose", None), ("wallet", 1), ("again", "yes"), ("least", "4"),
        ("least", True), ("may_start_without", 1), ("appid", "app"), ("more", "2"),
        ("waiting", None), ("waiting", 1), ("waiting", ["app"]), ("waiting", [{}]),
        ("waiting", [{"appid": 1}]), ("waiting", [{"appid": "a", "pid": "1"}]),
        ("unknown", 1), ("type", "access"),
    ],
)  # fmt: skip
def test_another_form_is_refused(field: str, value: object) -> None:
    """A field that is missing, too many, or of another type makes it no question."""
    found = json.loads(QUESTION.to_line())
    with pytest.raises(ValueError, match=r"question|Purpose"):
        PasswordQuestion.parse(json.dumps(found | {field: value}))


@pytest.mark.parametrize("line", ["", "[]", "{", Question("w", "a", 1, "", "").to_line()])
def test_what_is_none_is_refused(line: str) -> None:
    """Neither rubbish nor another question."""
    with pytest.raises(ValueError, match=r"question|Expecting"):
        PasswordQuestion.parse(line)
