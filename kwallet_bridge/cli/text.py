# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way to a person's terminal."""

from __future__ import annotations

import sys

from kwallet_bridge.text import printable


def say(*lines: str, error: bool = False) -> None:
    """Print lines on standard output, or on standard error; each stays one line.

    Whatever others chose, names, command lines and file names, is escaped here.
    """
    if lines:
        file = sys.stderr if error else sys.stdout
        print("\n".join(map(printable, lines)), file=file, flush=True)
