# SPDX-License-Identifier: GPL-3.0-or-later
"""Meet every fault: ``PYTHONPATH=.:tests python -m fault``."""

from __future__ import annotations

import argparse
import sys

from fault.daemon_table import CASES
from fault.daemon_world import world


def main() -> int:
    """Run every case once; the first that is badly borne ends it with its traceback."""
    parser = argparse.ArgumentParser(prog="fault", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    arguments = parser.parse_args()
    meet(arguments.only)
    return 0


def meet(only: str = "") -> dict[str, str]:
    """Meet every fault whose name holds ``only``; gives what became of each."""
    seen = {}
    with world() as made:
        for case in CASES:
            if only in case.name:
                seen[case.name] = case.run(made)
                sys.stdout.write(f"{case.name}: {seen[case.name]}\n")
    return seen


if __name__ == "__main__":
    sys.exit(main())
