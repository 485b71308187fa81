# SPDX-License-Identifier: GPL-3.0-or-later
"""The key patterns of KWallet's ``read...List`` calls.

kwalletd turns them into a regular expression with Qt's ``wildcardToRegularExpression`` and then
lets every wildcard cross slashes: ``*`` is any run without a newline, ``?`` one character but a
newline, ``[...]`` a set, ``[!...]`` or ``[^...]`` its complement; everything else stands for itself.
A set that is never closed, or that holds a slash, makes the whole pattern match nothing.

A regular expression with twenty ``*`` goes back and forth for ever over sixty letters. So the
pattern is parted at its ``*``; each part matches a fixed number of characters, and the first place
where one fits is as good as any later one, which needs no going back. Only a newline, which ``*``
does not cross, can make a later place better; there every place is followed at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.errors import InvalidNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SPECIAL = frozenset("*?[")
MOST_PATTERN = 1 << 12
"""Characters of a pattern with wildcards; a key may have more."""
MOST_STEPS = 1 << 20
"""Comparisons that one key may take: some ten milliseconds."""
_LINE_COST = 16
"""A step of a key of several lines costs so many others."""


def matcher(pattern: str) -> Callable[[str], bool]:
    """Give a test for keys, which takes time in proportion to both lengths at most.

    The test raises InvalidNameError for a key that would take too long.

    Raises:
        InvalidNameError: The pattern is longer than any program's.
    """
    if not _SPECIAL.intersection(pattern):
        return pattern.__eq__
    if len(pattern) > MOST_PATTERN:
        raise InvalidNameError("the pattern is too long")
    try:
        return _Pattern(list(_parts(pattern)))
    except re.error:
        return lambda _: False


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands between two ``*``; ``expression`` is None where every character is itself."""

    width: int
    text: str
    expression: re.Pattern[str] | None

    def fits(self, key: str, start: int) -> bool:
        if self.expression is None:
            return key.startswith(self.text, start)
        return self.expression.match(key, start) is not None

    def find(self, key: str, start: int) -> int:
        if self.expression is None:
            return key.find(self.text, start)
        found = self.expression.search(key, start)
        return -1 if found is None else found.start()


class _Pattern:
    """A pattern with wildcards."""

    __slots__ = ("_first", "_last", "_longest", "_longest_lines", "_middle")

    def __init__(self, parts: list[_Part]) -> None:
        self._first = parts[0]
        self._last = parts[-1] if len(parts) > 1 else None
        self._middle = [part for part in parts[1:-1] if part.width]
        slow = sum(part.width for part in parts if part.expression is not None)
        self._longest = MOST_STEPS // max(slow, 1)
        self._longest_lines = MOST_STEPS // _LINE_COST // (slow + len(parts))

    def __call__(self, key: str) -> bool:
        lines = "\n" in key
        if len(key) > (self._longest_lines if lines else self._longest):
            raise InvalidNameError("the pattern takes too long for a key")
        if not self._first.fits(key, 0):
            return False
        if self._last is None:
            return len(key) == self._first.width
        return self._match_lines(key, self._last) if lines else self._match(key, self._last)

    def _match(self, key: str, last: _Part) -> bool:
        position = self._first.width
        for part in self._middle:
            found = part.find(key, position)
            if found < 0:
                return False
            position = found + part.width
        end = len(key) - last.width
        return end >= position and last.fits(key, end)

    def _match_lines(self, key: str, last: _Part) -> bool:
        ends = [self._first.width]
        for part in (*self._middle, last):
            ends = [start + part.width for start in _reach(key, ends) if part.fits(key, start)]
        return len(key) in ends


def _reach(key: str, ends: Iterable[int]) -> Iterator[int]:
    """Name every place that ``*`` leads to from some of ``ends``, ascending as they are."""
    done = -1
    for end in ends:
        if end <= done:
            continue
        line = key.find("\n", end)
        done = len(key) if line < 0 else line
        yield from range(end, done + 1)


def _parts(pattern: str) -> Iterator[_Part]:
    """Part a pattern at its ``*``.

    Raises:
        re.error: It matches nothing.
    """
    position = start = width = 0
    source, fixed = "", True
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            yield _part(pattern[start : position - 1], source, width, fixed=fixed)
            start, width, source, fixed = position, 0, "", True
            continue
        width += 1
        if char == "?":
            source, fixed = source + ".", False
        elif char == "[":
            text, position = _translate_set(pattern, position)
            source, fixed = source + text, False
        else:
            source += re.escape(char)
    yield _part(pattern[start:], source, width, fixed=fixed)


def _part(text: str, source: str, width: int, *, fixed: bool) -> _Part:
    return _Part(width, text, None if fixed else re.compile(source))


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
