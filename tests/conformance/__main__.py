# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the differential suite by hand: ``PYTHONPATH=.:tests python -m conformance --help``."""

from __future__ import annotations

import argparse
import secrets
import sys

from conformance.runs import CONVERSATION_SIZE, explain, run
from conformance.subjects import SUBJECTS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("--subject", choices=SUBJECTS, default="bridge")
    parser.add_argument("--oracle", choices=SUBJECTS, default="kwalletd5")
    parser.add_argument("--calls", type=int, default=5000, help="calls for each seed")
    parser.add_argument("--size", type=int, default=CONVERSATION_SIZE, help="of a conversation")
    parser.add_argument("--seed", action="append", help="repeatable; default: a fresh one")
    parser.add_argument("--all", action="store_true", help="go on after a difference")
    return parser.parse_args()


def main() -> int:
    """Run, print the figures, and exit with 1 when something differs."""
    arguments = _arguments()
    seeds = arguments.seed or [secrets.token_hex(4)]
    sys.stdout.write(f"seeds: {' '.join(seeds)}\n")
    result = run(
        arguments.subject,
        seeds,
        calls=arguments.calls,
        oracle=arguments.oracle,
        size=arguments.size,
        first_only=not arguments.all,
    )
    sys.stdout.write(f"{result}\n")
    # Who goes on after a difference wants to know how many there are.
    for failing in [] if arguments.all else result.failing[:1]:
        sys.stdout.write(explain(failing, arguments.subject, oracle=arguments.oracle) + "\n")
    return 1 if result.failing else 0


if __name__ == "__main__":
    sys.exit(main())
