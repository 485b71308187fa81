# SPDX-License-Identifier: GPL-3.0-or-later
"""The key patterns of KWallet's ``read...List`` calls.

kwalletd turns them into a regular expression with Qt's ``wildcardToRegularExpression`` and then
lets every wildcard cross slashes: ``*`` is any run without a newline, ``?`` one character but a
newline, ``[...]`` a set, ``[!...]`` or ``[^...]`` its complement; everything else stands for itself.
A set that is never closed, or that holds a slash, makes the whole pattern match nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL = frozenset("*?[")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Give a test for keys."""
    if not _SPECIAL.intersection(pattern):
        return pattern.__eq__
    try:
        expression = re.compile(_translate(pattern))
    except re.error:
        return lambda _: False
    return lambda key: expression.fullmatch(key) is not None


def _translate(pattern: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif char == "[":
            text, position = _translate_set(pattern, position)
            parts.append(text)
        else:
            parts.append(re.escape(char))
    return "".join(parts)


def _translate_set(pattern: str, start: int) -> tuple[str, int]:
    position = start
    negated = pattern[position : position + 1] in {"!", "^"}
    position += negated
    # A bracket that comes first is a member of the set.
    end = pattern.find("]", position + 1)
    if end < 0 or "/" in pattern[position:end]:
        raise re.error("a set is not closed")
    members = re.sub(r"([\\\[\]^&~|])", r"\\\1", pattern[position:end])
    return f"[{'^' if negated else ''}{members}]", end + 1
