# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge status``: wallets, who uses them, who was refused. Starts nothing."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BusError
from kwallet_bridge.session.census import SECRETS, Owner, find_owner
from kwallet_bridge.session.decision import ask_daemon
from kwallet_bridge.text import printable
from kwallet_bridge.wire.calls import INTERFACE
from kwallet_bridge.wire.generations import GENERATIONS
from kwallet_bridge.wire.observed import MONITOR_INTERFACE, MONITOR_PATH, REFUSALS
from kwallet_bridge.wire.store_status import SERVING, StoreStatus

if TYPE_CHECKING:
    import argparse

_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class WalletStatus:
    """A wallet, and the applications that have it open."""

    name: str
    is_open: bool
    users: list[str]


@dataclass(slots=True)
class Status:
    """What is shown; ``owner`` and ``provider`` are "" for nobody."""

    owner: str = ""
    is_bridge: bool = False
    provider: str = ""
    enabled: bool = False
    wallets: list[WalletStatus] = field(default_factory=list)
    store: StoreStatus | None = None
    """Which store the bridge serves from; None where it does not run."""
    refusals: list[dict[str, Any]] = field(default_factory=list)
    """``time``, ``appid``, ``pid``, ``executable``, ``wallet``; oldest first."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")


def execute(args: argparse.Namespace) -> int:
    """Print the status of the session."""
    status = asyncio.run(_read())
    if args.json:
        print(json.dumps({"type": "status"} | asdict(status)))
    else:
        _print(status)
    return 0


async def _read() -> Status:
    bus = await BusConnection.connect()
    try:
        provider = await find_owner(bus, SECRETS)
        status = Status(provider=str(provider or ""))
        for generation in reversed(GENERATIONS):
            owner = await find_owner(bus, generation.bus_name)
            if owner is not None:
                await _ask(bus, owner, generation.path, status)
                break
        return status
    finally:
        bus.close()


async def _ask(bus: BusConnection, owner: Owner, path: str, status: Status) -> None:
    async def call(member: str, signature: str = "", *body: object) -> Any:
        answer = await bus.call(
            owner.unique_name, path, INTERFACE, member, signature, body, timeout=_TIMEOUT
        )
        return answer[0]

    status.owner, status.is_bridge = str(owner), owner.is_bridge
    status.store = await ask_daemon(bus, owner)
    status.enabled = bool(await call("isEnabled"))
    if status.enabled and (status.store is None or status.store.state == SERVING):
        for name in await call("wallets"):
            is_open = bool(await call("isOpen", "s", name))
            users = list(await call("users", "s", name)) if is_open else []
            status.wallets.append(WalletStatus(name, is_open, users))
    if owner.is_bridge:
        status.refusals = await _read_refusals(bus, owner)


async def _read_refusals(bus: BusConnection, owner: Owner) -> list[dict[str, Any]]:
    try:
        (rows,) = await bus.call(
            owner.unique_name, MONITOR_PATH, MONITOR_INTERFACE, REFUSALS, timeout=_TIMEOUT
        )
    except BusError:
        return []  # an older bridge that still runs
    names = ("time", "appid", "pid", "executable", "wallet")
    return [dict(zip(names, row, strict=True)) for row in rows] if isinstance(rows, list) else []


def _print(status: Status) -> None:
    say(f"KWallet: {status.owner or 'nobody answers'}")
    say(f"Secret Service: {status.provider or 'nobody answers'}")
    if status.store is not None:
        say(f"store: {status.store.describe()}")
        if status.store.problem and status.store.kind:
            say(f"  {status.store.problem}")
        if status.store.pending:
            say(f"  {status.store.describe_pending()}; see kwallet-bridge migrate --list")
    if status.owner and not status.enabled:
        say("the wallet system is switched off, or has no store")
    for wallet in status.wallets:
        users = ", ".join(printable(user) for user in wallet.users)
        state = "open" if wallet.is_open else "closed"
        say(f"  {printable(wallet.name)}  {state}" + (f"  {users}" if users else ""))
    for refusal in status.refusals:
        clock = time.strftime("%H:%M:%S", time.localtime(refusal["time"]))
        program = printable(refusal["executable"]) or "?"
        names = f'"{printable(refusal["appid"])}" from {printable(refusal["wallet"])}'
        say(f"  refused at {clock}: {program} ({refusal['pid']}) as {names}")
