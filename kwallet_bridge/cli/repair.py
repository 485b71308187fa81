# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge repair``: entries other migrations left become readable for KDE's programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kwallet_bridge.cli.dialogue import make_dialogue
from kwallet_bridge.cli.migrate import (
    add_run_arguments,
    answering_errors,
    carry_out_and_report,
    end_earlier,
)
from kwallet_bridge.config import read_settings
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.model import WalletName

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "wallets", nargs="*", metavar="WALLET", help="collections to look at (default: the default)"
    )
    add_run_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Repair, or end an earlier repair; exit codes as for ``migrate``."""
    return answering_errors(args, _execute)


def _execute(args: argparse.Namespace) -> int:
    ended = end_earlier(args)
    if ended is not None:
        return ended
    names = args.wallets or [read_settings(os.environ).default_wallet]
    jobs = [Job(WalletName(name), (), repair=True) for name in names]
    return carry_out_and_report(args, make_dialogue(args), jobs, ("repair", *names))
