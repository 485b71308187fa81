# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kwallet_bridge.errors import InvalidNameError
from kwallet_bridge.wallet.wildcards import MOST_PATTERN, MOST_STEPS, matcher

KEYS = ["", "a", "a/b", "a\nb", "[", "]", "b", "ab", "a.c", "*", "\\", "a\\c", "^", "!", "é", "-"]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*", [key for key in KEYS if "\n" not in key]),
        ("", [""]),
        ("?", [key for key in KEYS if len(key) == 1]),
        ("a*", ["a", "a/b", "ab", "a.c", "a\\c"]),
        ("a?b", ["a/b"]),
        ("[ab]", ["a", "b"]),
        ("[a-c]", ["a", "b"]),
        ("[!a]", ["[", "]", "b", "*", "\\", "^", "!", "é", "-"]),
        ("[^a]", ["[", "]", "b", "*", "\\", "^", "!", "é", "-"]),
        ("[]]", ["]"]),
        ("[]a]", ["a", "]"]),
        ("[\\]", ["\\"]),
        ("[", []),
        ("a[", []),
        ("a[/]b", []),
        ("a.c", ["a.c"]),
        ("a\\c", ["a\\c"]),
        ("a\nb", ["a\nb"]),
    ],
)
def test_patterns_match_what_kwalletd_matches(pattern: str, matched: list[str]) -> None:
    """A pattern picks exactly these keys."""
    wanted = matcher(pattern)
    assert [key for key in KEYS if wanted(key)] == matched


def _as_expression(pattern: str) -> re.Pattern[str] | None:
    """Say the same as one regular expression, which may go back and forth; None for nothing."""
    source, position = "", 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char != "[":
            source += {"*": ".*", "?": "."}.get(char, re.escape(char))
            continue
        negated = pattern[position : position + 1] in {"!", "^"}
        position += negated
        end = pattern.find("]", position + 1)
        if end < 0 or "/" in pattern[position:end]:
            return None
        members = re.sub(r"([\\\[\]^&~|])", r"\\\1", pattern[position:end])
        source += f"[{'^' if negated else ''}{members}]"
        position = end + 1
    try:
        return re.compile(source)
    except re.error:
        return None


PIECES = ["a", "b", "c", "*", "*", "?", "\n", "[ab]", "[!a]", "[^b\n]", "[a-b]", "[", "]", "/", "-"]


@settings(max_examples=1000)
@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(st.text("abc\n[]/-", max_size=8), min_size=1, max_size=8),
)
@example("*[!x]*b", ["a\nb"])
@example("*a*[!x]b*", ["a\na\nbb"])
@pytest.mark.filterwarnings("ignore:Possible (nested set|set difference)")
def test_every_pattern_means_what_its_expression_means(pattern: str, keys: list[str]) -> None:
    """Parted at its ``*`` or as one expression, a pattern picks the same keys."""
    wanted, expression = matcher(pattern), _as_expression(pattern)
    for key in keys:
        assert wanted(key) == (expression is not None and expression.fullmatch(key) is not None)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("end", ["", "b", "?b", "[b]", "\n"])
@pytest.mark.parametrize("key", ["a" * 60, "a" * 30 + "\n" + "a" * 30, "a" * 5000])
def test_no_pattern_takes_for_ever(end: str, key: str) -> None:
    """Twenty ``*`` over a run of one letter are answered while one waits."""
    wanted = matcher("*a" * 20 + end)
    assert wanted(key) == (not end and "\n" not in key)


def test_what_takes_too_long_is_an_error_and_no_absence() -> None:
    """A pattern or key beyond every use is refused, never told to match nothing."""
    with pytest.raises(InvalidNameError):
        matcher("*" * (MOST_PATTERN + 1))
    slow = matcher("*" + "?" * 1000 + "b")
    with pytest.raises(InvalidNameError):
        slow("a" * MOST_STEPS)
    assert matcher("*a*")("a" * MOST_STEPS)
    assert not matcher("x" * MOST_STEPS)("y")
