# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from kwallet_bridge.wallet.wildcards import matcher

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
