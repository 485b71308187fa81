# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a command line the way each kind of file wants it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = re.compile(r"[A-Za-z0-9_@+:,./-]+")
_REFUSED = re.compile(r"""["'\\]""")


def quote_activation(argv: Sequence[str]) -> str:
    """Quote for ``Exec=`` of a D-Bus activation file: shell words inside of a key file."""
    return shlex.join(argv).replace("\\", "\\\\")


def quote_unit(argv: Sequence[str]) -> str:
    """Quote for ``ExecStart=`` of a systemd unit, which expands variables in arguments alone.

    systemd refuses a program with a quote or a backslash in its path, however it is written; as an
    argument of a shell, which becomes that program, it may have any.
    """
    program, *arguments = argv
    if _REFUSED.search(program):
        program, *arguments = "/bin/sh", "-c", 'exec "$0" "$@"', *argv
    doubled = [program, *(word.replace("$", "$$") for word in arguments)]
    return " ".join(_quote_unit_word(word) for word in doubled)


def _quote_unit_word(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_desktop(argv: Sequence[str]) -> str:
    """Quote for ``Exec=`` of a desktop entry: its own quotes inside of a key file."""
    return " ".join(_quote_desktop_word(word) for word in argv)


def _quote_desktop_word(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    quoted = '"' + re.sub(r'(["`$\\])', r"\\\1", word.replace("%", "%%")) + '"'
    return quoted.replace("\\", "\\\\")
