# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m kwallet_bridge`` and the installed ``kwallet-bridge`` command."""

from __future__ import annotations

import sys

from kwallet_bridge.cli.main import run


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
