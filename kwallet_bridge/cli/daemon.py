# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge daemon``: serve the KWallet names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kwallet_bridge import log
from kwallet_bridge.daemon.app import Options, serve
from kwallet_bridge.daemon.process import harden
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--store",
        default="auto",
        metavar="auto|secret-service|file:PATH",
        help="where entries are kept (default: the Secret Service, else a file)",
    )
    parser.add_argument(
        "--name",
        action="append",
        choices=BUS_NAMES,
        help="own only this name; may be repeated (default: all)",
    )
    parser.add_argument("--log-level", choices=log.LEVELS, default="warning")


def execute(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    log.configure(args.log_level)
    harden()
    asyncio.run(serve(Options(store=args.store, names=tuple(args.name or BUS_NAMES))))
    return 0
