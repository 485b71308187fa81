# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of ``doctor`` that ask the bus. Read-only: nothing is started, nothing unlocked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import BridgeError, BusError, StoreError
from kwallet_bridge.secretservice import names
from kwallet_bridge.secretservice.provider import Provider
from kwallet_bridge.session.census import (
    KSECRETD,
    SECRETS,
    Owner,
    find_owner,
    list_activatable,
)
from kwallet_bridge.session.doctor_files import (
    check_portal,
    check_second_stores,
    file_checks,
    list_activations,
)
from kwallet_bridge.session.findings import Finding, Status, redact
from kwallet_bridge.wire.calls import INTERFACE
from kwallet_bridge.wire.generations import BUS_NAMES, GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.bus.port import Bus

SLOW: Final = 0.05
"""Seconds after which clients begin to look elsewhere (QtKeychain) or to stall (browsers)."""
CALL_TIMEOUT: Final = 5.0


async def examine(bus: Bus | None, environ: Mapping[str, str]) -> list[Finding]:
    """Make every check; ``bus`` None means that there is none."""
    findings = list(file_checks(environ))
    if bus is None:
        seen = ("no session bus answers",)
        findings.append(Finding("session bus", Status.PROBLEM, seen, "log in to a desktop session"))
    else:
        owners = {name: await find_owner(bus, name) for name in (*BUS_NAMES, SECRETS, KSECRETD)}
        findings.append(check_names(owners))
        findings.append(await check_activatable(bus, environ))
        findings.append(await check_latency(bus, owners))
        kind, finding = await check_provider(bus, owners[SECRETS])
        findings.append(finding)
        findings.append(check_second_stores(environ, kind))
        running = [owner for name in BUS_NAMES if (owner := owners[name])]
        kde = owners[KSECRETD] is not None or any(owner.is_kwalletd for owner in running)
        findings.append(check_portal(environ, kde_answers=kde))
    return [redact(finding, environ) for finding in findings]


def check_names(owners: Mapping[str, Owner | None]) -> Finding:
    """See who answers the names."""
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
        return Finding("names", Status.WARNING, seen, "kwallet-bridge session start")
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


async def check_provider(bus: Bus, owner: Owner | None) -> tuple[str, Finding]:
    """See who keeps the secrets, what is odd about it, and whether a session opens."""
    if owner is None:
        startable = SECRETS in await list_activatable(bus)
        seen = ("nobody provides the Secret Service", f"the bus can start one: {startable}")
        start = (
            "busctl --user call org.freedesktop.DBus / org.freedesktop.DBus StartServiceByName "
            f"su {SECRETS} 0"
        )
        hint = start if startable else "install gnome-keyring, KeePassXC, ksecretd or oo7"
        status = Status.WARNING if startable else Status.PROBLEM
        return "", Finding("provider", status, seen, hint)
    provider = Provider(bus, owner.unique_name, serial=1, timeout=CALL_TIMEOUT)
    try:
        return await _look_at(provider, owner)
    except BridgeError as error:
        seen = (str(owner), f"it does not answer as it should: {error}")
        return provider.kind, Finding("provider", Status.PROBLEM, seen)


async def _look_at(provider: Provider, owner: Owner) -> tuple[str, Finding]:
    await provider.identify()
    quirks = [name for name in provider.quirks.__slots__ if _deviates(provider, name)]
    client = provider.client
    default = await client.read_alias("default")
    collections = await client.list_collections()
    seen = [
        f"{owner}, {provider.kind or 'of a kind we do not know'}",
        f"quirks: {', '.join(quirks) or 'none'}",
        f"collections: {len(collections)}, locked: {await _count_locked(provider, collections)}",
        f"default alias: {'set' if default not in {'', names.NOTHING} else 'not set'}",
        await _open_session(provider),
    ]
    has_default = default not in {"", names.NOTHING}
    if not collections:
        seen.append("there is no collection yet; the first wallet opened makes one")
    elif not has_default and len(collections) > 1:
        seen.append("without a default alias the wallet of the configured name is taken")
        return provider.kind, Finding("provider", Status.NOTE, tuple(seen))
    return provider.kind, Finding("provider", Status.OK, tuple(seen))


def _deviates(provider: Provider, field: str) -> bool:
    return bool(getattr(provider.quirks, field) != getattr(type(provider.quirks)(), field))


async def _count_locked(provider: Provider, collections: object) -> int:
    locked = 0
    for path in collections if isinstance(collections, list | tuple) else ():
        try:
            locked += await provider.client.read_locked(path, names.COLLECTION)
        except StoreError:
            continue
    return locked


async def _open_session(provider: Provider) -> str:
    started = time.perf_counter()
    session = await provider.ensure_session()
    took = (time.perf_counter() - started) * 1000
    provider.client.close_session(session.path)
    kind = "encrypted" if session.encrypted else "plain"
    return f"session: {kind}, opened in {took:.1f} ms"
