# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge doctor``: look, change nothing, name the one next command."""

from __future__ import annotations

import asyncio
import json
import os
import platform
from typing import TYPE_CHECKING

from kwallet_bridge import __version__
from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BusLostError, FindingsError
from kwallet_bridge.session.doctor import examine
from kwallet_bridge.session.findings import Finding, count

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--exit-zero", action="store_true", help="exit 0 whatever was found")


def execute(args: argparse.Namespace) -> int:
    """Print what every check saw; the exit code tells whether there is something to do."""
    findings = asyncio.run(_examine())
    if args.json:
        _print_json(findings)
    else:
        for finding in findings:
            say(*finding.format().split("\n"))
    if count(findings) and not args.exit_zero:
        return FindingsError.exit_code
    return 0


async def _examine() -> list[Finding]:
    try:
        bus = await BusConnection.connect()
    except BusLostError:
        return await examine(None, os.environ)
    try:
        return await examine(bus, os.environ)
    finally:
        bus.close()


def _print_json(findings: list[Finding]) -> None:
    report = {
        "version": __version__,
        "python": platform.python_version(),
        "findings": count(findings),
        "checks": [finding.to_json() for finding in findings],
    }
    print(json.dumps(report, indent=1))
