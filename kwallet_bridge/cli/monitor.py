# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge monitor``: show who calls what, live. Values are never shown."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.port import Signal, SignalMatch
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BusError, BusLostError, BusReplyError
from kwallet_bridge.session.census import find_owner
from kwallet_bridge.wire.generations import BUS_NAMES
from kwallet_bridge.wire.observed import CALLED, MONITOR_INTERFACE, MONITOR_PATH, ObservedCall

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--names", action="store_true", help="show wallets, folders and keys too")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--count", type=int, default=0, help="end after so many calls")


def execute(args: argparse.Namespace) -> int:
    """Print calls until interrupted, or until the service ends."""
    return asyncio.run(_watch(names=args.names, as_json=args.json, count=args.count))


async def _watch(*, names: bool, as_json: bool, count: int) -> int:
    bus = await BusConnection.connect()
    calls: asyncio.Queue[ObservedCall | None] = asyncio.Queue()

    def called(signal: Signal) -> None:
        calls.put_nowait(ObservedCall.from_body(signal.body))

    try:
        owners = [await find_owner(bus, name) for name in BUS_NAMES]
        owner = next((owner for owner in owners if owner is not None), None)
        if owner is None:
            raise BusError("nobody answers the KWallet names; try: kwallet-bridge session start")
        await bus.watch_name(owner.unique_name, lambda new: None if new else calls.put_nowait(None))
        match = SignalMatch(
            sender=owner.unique_name,
            path=MONITOR_PATH,
            interface=MONITOR_INTERFACE,
            member=CALLED,
        )
        await bus.subscribe(match, called)
        await _subscribe(bus, owner.unique_name, str(owner), names=names)
        begun = json.dumps({"watching": str(owner)}) if as_json else f"watching {owner}"
        say(begun, error=True)
        seen = 0
        while (call := await calls.get()) is not None:
            say(json.dumps(call.to_json()) if as_json else call.format())
            seen += 1
            if seen == count:
                return 0
        raise BusLostError("the service ended")
    finally:
        bus.close()


async def _subscribe(bus: BusConnection, unique_name: str, owner: str, *, names: bool) -> None:
    try:
        await bus.call(unique_name, MONITOR_PATH, MONITOR_INTERFACE, "Subscribe", "b", [names])
    except BusReplyError as error:
        raise BusError(f"{owner} answers the KWallet names and cannot be watched") from error
