# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge store``: which store serves, and the decision for another one."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BusLostError
from kwallet_bridge.session.census import find_owner
from kwallet_bridge.session.decision import (
    WORDS,
    ask_daemon,
    describe_kept,
    keep,
    read_kept,
    read_word,
)
from kwallet_bridge.session.manifest import manifest_path
from kwallet_bridge.session.takeover import Takeover
from kwallet_bridge.statefile import MadeBy, StoreKind
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from kwallet_bridge.statefile import Decision
    from kwallet_bridge.wire.store_status import StoreStatus


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="tell which store serves, and why")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    use = actions.add_parser(
        "use",
        help="decide which store serves from now on",
        description="Decide which store serves from now on. Nothing is moved there.",
    )
    use.add_argument(
        "store",
        metavar=WORDS,
        help="the Secret Service provider, whichever runs, or an encrypted file",
    )


def execute(args: argparse.Namespace) -> int:
    """Show or decide."""
    if args.action == "use":
        asyncio.run(_use(read_word(args.store, os.environ, MadeBy.COMMAND_LINE), os.environ))
        return 0
    status = asyncio.run(_read(os.environ))
    if args.json:
        say(json.dumps({"type": "store"} | asdict(status)))
    else:
        say(status.describe())
        if status.problem and status.kind:
            say(status.problem)
    return 0


async def _read(environ: Mapping[str, str]) -> StoreStatus:
    """Ask the daemon; where none runs tell what is kept."""
    try:
        bus = await BusConnection.connect()
    except BusLostError:
        return describe_kept(read_kept(environ))
    try:
        told = await ask_daemon(bus, await find_owner(bus, BUS_NAMES[0]))
    finally:
        bus.close()
    return told or describe_kept(read_kept(environ))


async def _use(decision: Decision, environ: Mapping[str, str]) -> None:
    await asyncio.to_thread(keep, environ, decision)
    say(f"decided: {describe_kept(decision).describe()}")
    if decision.kind is StoreKind.FILE:
        say("programs of the Secret Service itself see nothing of this file")
    say("what another store holds stays there: kwallet-bridge copy takes it along")
    try:
        bus = await BusConnection.connect()
    except BusLostError:
        return
    try:
        await Takeover(
            bus, program="", planned=(), record=manifest_path(environ), say=say
        ).restart()
    finally:
        bus.close()
