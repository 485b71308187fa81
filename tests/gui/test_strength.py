# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a chosen password's strength."""

from __future__ import annotations

import pytest

from kwallet_bridge.gui.strength import STRONG_BITS, WEAK_BITS, estimate_bits


@pytest.mark.parametrize(
    "password",
    ["", "a", "password", "Passwort123", "aaaaaaaaaaaaaaaaaaaaaaaa", "qwertyuiopasdfghjkl",
     "abcdefghijklmnopqrstuvwxyz", "9876543210", "letmein1"],
)  # fmt: skip
def test_what_everybody_tries_first_is_weak(password: str) -> None:
    """Length alone does not help."""
    assert estimate_bits(password) < WEAK_BITS


@pytest.mark.parametrize("password", ["correct horse battery", "kX7#pQ2!vN9$", "пароль из слов"])
def test_a_good_one_is_not(password: str) -> None:
    """Words enough, letters of many kinds, or another script."""
    assert estimate_bits(password) >= STRONG_BITS


def test_more_is_never_less() -> None:
    """Each further letter of a mixed password adds, or at least takes nothing."""
    whole = "x9!Kq2#Lm"
    bits = [estimate_bits(whole[:end]) for end in range(len(whole) + 1)]
    assert bits == sorted(bits)
