# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge store``: which store serves, and the decision for another one."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.keyrings import (
    accept,
    add_transfer_arguments,
    move,
    spec_of,
    take_along,
)
from kwallet_bridge.cli.stores import SECRET_SERVICE, SPEC_HELP
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BusLostError, UsageError
from kwallet_bridge.session.decision import (
    WORDS,
    describe_kept,
    keep,
    read_kept,
    read_status,
    read_word,
)
from kwallet_bridge.session.manifest import manifest_path
from kwallet_bridge.session.takeover import Takeover
from kwallet_bridge.statefile import MadeBy, StoreKind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from kwallet_bridge.statefile import Decision


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
    taking = actions.add_parser(
        "copy",
        help="take along what a wallet's former keyring held",
        description="Copy into the keyring that is in a wallet's place what the former one held.",
    )
    accepting = actions.add_parser(
        "accept",
        help="go on without what a wallet's former keyring held",
        description="Have a wallet start anew with the keyring that is in its place.",
    )
    for each in (taking, accepting):
        each.add_argument("wallet", nargs="?", metavar="WALLET", help="preset: the default wallet")
    taking.add_argument("--from", dest="origin", metavar="STORE", help=SPEC_HELP)
    add_transfer_arguments(taking)
    switching = actions.add_parser(
        "switch",
        help="move to another store, with everything in this one",
        description="Copy everything into another store, and have that one serve once it is there.",
    )
    switching.add_argument("store", metavar=WORDS, help="where to")
    add_transfer_arguments(switching)


def execute(args: argparse.Namespace) -> int:
    """Show or decide."""
    if args.action == "accept":
        accept(os.environ, args.wallet)
        return 0
    if args.action == "copy":
        return take_along(os.environ, args, asyncio.run(_serving(os.environ)))
    if args.action == "switch":
        decision = read_word(args.store, os.environ, MadeBy.COMMAND_LINE)
        code = move(args, asyncio.run(_serving(os.environ)), spec_of(decision))
        if not code and not args.dry_run:
            asyncio.run(_use(decision, os.environ))
        return code
    if args.action == "use":
        asyncio.run(_use(read_word(args.store, os.environ, MadeBy.COMMAND_LINE), os.environ))
        return 0
    status = asyncio.run(read_status(os.environ))
    if args.json:
        say(json.dumps({"type": "store"} | asdict(status)))
    else:
        say(status.describe())
        if status.problem and status.kind:
            say(status.problem)
    return 0


async def _serving(environ: Mapping[str, str]) -> str:
    """Name the store that serves, as ``--to`` and ``--from`` do."""
    status = await read_status(environ)
    kept = await asyncio.to_thread(read_kept, environ)
    if kept is not None and kept.kind.value == status.kind:
        return spec_of(kept)
    if status.kind == StoreKind.PROVIDER.value:
        return SECRET_SERVICE
    if status.kind == StoreKind.FILE.value and status.path:
        return f"file:{status.path}"
    raise UsageError("no store serves yet: kwallet-bridge store use decides for one")


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
