# SPDX-License-Identifier: GPL-3.0-or-later
"""Meet every fault and write the page: ``PYTHONPATH=.:tests python -m fault --write``."""

from __future__ import annotations

import argparse
import sys

from fault.daemon_page import PAGE, render
from fault.daemon_table import CASES
from fault.daemon_world import world


def main() -> int:
    """Run every case once; the first that is badly borne ends it with its traceback."""
    parser = argparse.ArgumentParser(prog="fault", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    arguments = parser.parse_args()
    seen = {}
    with world() as made:
        for case in CASES:
            if arguments.only in case.name:
                seen[case.name] = case.run(made)
                sys.stdout.write(f"{case.name}: {seen[case.name]}\n")
    if arguments.write:
        PAGE.write_text(render(seen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
