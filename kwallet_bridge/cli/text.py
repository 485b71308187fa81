# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for terminals."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape what a terminal might obey, or cannot show: controls, unpaired surrogates."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
