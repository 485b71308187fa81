# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that others chose, made fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return text in one line in which nothing steers a terminal, or turns or hides letters.

    What is not printable (controls, line ends, formatting characters, bytes that are no text) is
    written as Python's escapes; text that was treated so already comes back as it is.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
