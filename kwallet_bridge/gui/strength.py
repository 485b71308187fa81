# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a chosen password would withstand guessing, roughly. Pure.

An estimate in bits, from the letters' variety and from what guessers try first: repetitions, runs
along the alphabet or the keyboard, and a few words everybody chooses. It is there to warn of weak
passwords, not to certify strong ones.
"""

from __future__ import annotations

import math
from typing import Final

_CLASSES: Final = (
    (str.islower, 26),
    (str.isupper, 26),
    (str.isdigit, 10),
    (lambda letter: letter.isascii() and not letter.isalnum(), 33),
    (lambda letter: not letter.isascii(), 100),
)
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
)
_COMMON: Final = ("password", "passwort", "kennwort", "letmein", "welcome", "admin", "secret")
_RUN_LENGTH: Final = 3
STRONG_BITS: Final = 70.0
"""From here on the bar is full: more than anybody guesses through a slow key derivation."""
WEAK_BITS: Final = 40.0


def estimate_bits(password: str) -> float:
    """Return the estimate for a password, 0 for an empty one."""
    if not password:
        return 0.0
    size = sum(size for is_member, size in _CLASSES if any(is_member(each) for each in password))
    return _count_surprises(password) * math.log2(max(size, 2))


def _count_surprises(password: str) -> int:
    """Count the letters that what came before does not suggest; a run or a known word counts one."""
    lowered = password.casefold()
    for word in _COMMON:
        lowered = lowered.replace(word, "\0")
    surprises = 0
    for place, letter in enumerate(lowered):
        before = lowered[max(0, place - _RUN_LENGTH + 1) : place]
        if before and letter == before[-1]:
            continue
        if len(before) == _RUN_LENGTH - 1 and _is_run(before + letter):
            continue
        surprises += 1
    return surprises


def _is_run(letters: str) -> bool:
    return any(letters in row or letters in row[::-1] for row in _ROWS)
