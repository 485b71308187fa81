# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwallet_bridge.question import Decision, Question, parse_answer

GOOD = {
    "type": "access",
    "wallet": "w",
    "appid": "a",
    "pid": 1,
    "executable": "/x",
    "flatpak": "",
    "may_allow_always": True,
    "may_deny_always": True,
}


@given(st.text(), st.text(), st.text())
def test_any_names_survive_the_line(wallet: str, appid: str, executable: str) -> None:
    """A question of any names is one line and reads back equal."""
    question = Question(wallet, appid, 7, executable, "")
    line = question.to_line()
    assert line.count("\n") == 1
    assert Question.parse(line) == question


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{",
        json.dumps(GOOD | {"type": "other"}),
        json.dumps(GOOD | {"more": 1}),
        json.dumps(GOOD | {"pid": "1"}),
        json.dumps(GOOD | {"pid": True}),
        json.dumps(GOOD | {"wallet": None}),
        json.dumps({key: value for key, value in GOOD.items() if key != "pid"}),
    ],
)
def test_what_is_no_question_is_refused(line: str) -> None:
    """A line that is no complete question of the right types raises ValueError."""
    assert Question.parse(json.dumps(GOOD)).pid == 1
    with pytest.raises(ValueError):  # noqa: PT011  json words some of them
        Question.parse(line)


def test_the_repr_holds_no_name() -> None:
    """The repr of a question shows neither wallet nor application."""
    assert repr(Question("w4llet", "4pp", 7, "/pr0gram", "")) == "Question(pid=7)"


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[1]", b"\xff\xfe"])
def test_what_is_no_answer_is_empty(line: bytes) -> None:
    """A line that is no JSON object reads as an empty answer."""
    assert parse_answer(line) == {}


def test_only_the_two_allowing_decisions_allow() -> None:
    """Once and Always allow; Deny and Never do not; Always and Never are kept."""
    assert {each for each in Decision if each.allows} == {Decision.ONCE, Decision.ALWAYS}
    assert {each for each in Decision if each.is_kept} == {Decision.ALWAYS, Decision.NEVER}
