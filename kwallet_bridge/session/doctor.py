# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of ``doctor`` that ask the bus. Read-only: nothing is started, nothing unlocked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from kwallet_bridge.config import read_settings
from kwallet_bridge.errors import BusError
from kwallet_bridge.session.census import (
    KSECRETD,
    SECRETS,
    Owner,
    find_owner,
    list_activatable,
)
from kwallet_bridge.session.decision import ask_daemon, served_store
from kwallet_bridge.session.doctor_files import (
    check_portal,
    file_checks,
    find_starter,
    list_activations,
)
from kwallet_bridge.session.doctor_provider import check_provider
from kwallet_bridge.session.doctor_serving import check_serving
from kwallet_bridge.session.doctor_stores import BRIDGE, check_second_stores
from kwallet_bridge.session.findings import Finding, Status, redact
from kwallet_bridge.session.login_handover import check_login_handover
from kwallet_bridge.wire.calls import INTERFACE
from kwallet_bridge.wire.generations import BUS_NAMES, GENERATIONS
from kwallet_bridge.wire.store_status import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.wire.store_status import StoreStatus

SLOW: Final = 0.05
"""Seconds after which clients begin to look elsewhere (QtKeychain) or to stall (browsers)."""
CALL_TIMEOUT: Final = 5.0


async def examine(bus: Bus | None, environ: Mapping[str, str]) -> list[Finding]:
    """Make every check; ``bus`` None means that there is none."""
    findings: list[Finding] = []
    told: StoreStatus | None = None
    if bus is None:
        seen = ("no session bus answers",)
        findings.append(Finding("session bus", Status.PROBLEM, seen, "log in to a desktop session"))
    else:
        owners = {name: await find_owner(bus, name) for name in (*BUS_NAMES, SECRETS, KSECRETD)}
        findings.append(check_names(owners, starter=find_starter(environ)))
        findings.append(await check_activatable(bus, environ))
        findings.append(await check_latency(bus, owners))
        told = await ask_daemon(bus, owners[BUS_NAMES[0]])
        findings.append(check_serving(environ, told))
        of_file = told is not None and told.kind == FILE
        wanted = read_settings(environ).default_wallet
        kind, finding = await check_provider(
            bus, owners[SECRETS], default_wallet=wanted, needed=not of_file
        )
        findings.append(finding)
        serving = {kind} | ({BRIDGE} if of_file or not kind else set())
        findings.append(check_second_stores(environ, serving))
        running = [owner for name in BUS_NAMES if (owner := owners[name])]
        kde = owners[KSECRETD] is not None or any(owner.is_kwalletd for owner in running)
        findings.append(check_portal(environ, kde_answers=kde))
    of_files = [*file_checks(environ, served_store(told, environ)), check_login_handover()]
    return [redact(finding, environ) for finding in (*of_files, *findings)]


def check_names(owners: Mapping[str, Owner | None], *, starter: str) -> Finding:
    """See who answers the names; ``starter`` is the command that has us answer."""
    seen = tuple(f"{name}: {owner or 'nobody'}" for name, owner in owners.items())
    ours = [owner for name in BUS_NAMES if (owner := owners[name]) and owner.is_bridge]
    others = [owner for name in BUS_NAMES if (owner := owners[name]) and not owner.is_bridge]
    if others:
        seen += (f"{others[0].program} answers instead of kwallet-bridge",)
        return Finding("names", Status.PROBLEM, seen, "kwallet-bridge session install")
    if len({owner.unique_name for owner in ours}) > 1 or 0 < len(ours) < len(BUS_NAMES):
        restart = "systemctl --user restart kwallet-bridge.service"
        return Finding("names", Status.PROBLEM, seen, restart)
    if not ours:
        seen += ("browsers choose another store if nobody answers when they start",)
        return Finding("names", Status.WARNING, seen, starter)
    return Finding("names", Status.OK, seen)


async def check_activatable(bus: Bus, environ: Mapping[str, str]) -> Finding:
    """See whether the bus knows the activation files that are there."""
    known = await list_activatable(bus)
    there = {each.name for each in list_activations(environ)}
    unseen = [name for name in BUS_NAMES if name in there and name not in known]
    missing = [name for name in BUS_NAMES if name not in known]
    if unseen:
        reload = "busctl --user call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig"
        seen = tuple(f"{name}: the file is newer than the bus" for name in unseen)
        return Finding("activation", Status.PROBLEM, seen, reload)
    if missing:
        seen = tuple(f"{name}: the bus cannot start it" for name in missing)
        return Finding("activation", Status.WARNING, seen, "kwallet-bridge session install")
    return Finding("activation", Status.OK, ("the bus can start every name",))


async def check_latency(bus: Bus, owners: Mapping[str, Owner | None]) -> Finding:
    """Time ``isEnabled`` at every name somebody owns."""
    seen, status = [], Status.OK
    for generation in GENERATIONS:
        owner = owners[generation.bus_name]
        if owner is None:
            continue
        started = time.perf_counter()
        try:
            await bus.call(
                owner.unique_name,
                generation.path,
                INTERFACE,
                "isEnabled",
                timeout=CALL_TIMEOUT,
                auto_start=False,
            )
        except BusError as error:
            seen.append(f"{generation.bus_name}: {error}")
            status = Status.PROBLEM
            continue
        took = time.perf_counter() - started
        seen.append(f"{generation.bus_name}: {took * 1000:.1f} ms")
        if took > SLOW and status is Status.OK:
            status = Status.WARNING
    if not seen:
        return Finding("isEnabled", Status.NOTE, ("nobody to ask",))
    slow = "journalctl --user -u kwallet-bridge.service" if status is not Status.OK else ""
    return Finding("isEnabled", status, tuple(seen), slow)
