# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor's look at the Secret Service provider. Nothing is unlocked, no secret is read."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import BridgeError, StoreError
from kwallet_bridge.secretservice import names
from kwallet_bridge.secretservice.provider import Provider
from kwallet_bridge.secretservice.text_keyrings import MEANING, is_text_keyring
from kwallet_bridge.session.census import SECRETS, list_activatable
from kwallet_bridge.session.findings import Finding, Status
from kwallet_bridge.session.provider_version import find_version
from kwallet_bridge.store.codec import MARKER_QUERY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.session.census import Owner

TIMEOUT: Final = 5.0
NOBODY: Final = frozenset({"", names.NOTHING})

CHOOSE: Final = "set the provider's default collection, or Default Wallet in kwalletrc"


async def check_provider(
    bus: Bus, owner: Owner | None, *, default_wallet: str, needed: bool = True
) -> tuple[str, Finding]:
    """See who keeps the secrets, what is odd about it, and whether a session works.

    It is not ``needed`` where a keyring file serves.
    """
    if owner is None and not needed:
        return "", Finding("provider", Status.NOTE, ("nobody provides the Secret Service",))
    if owner is None:
        return "", await _check_absence(bus)
    provider = Provider(bus, owner.unique_name, serial=1, timeout=TIMEOUT)
    try:
        return await _look_at(provider, owner, default_wallet)
    except BridgeError as error:
        seen = (str(owner), f"it does not answer as it should: {error}")
        return provider.kind, Finding("provider", Status.PROBLEM, seen, _restart(owner))


async def _check_absence(bus: Bus) -> Finding:
    startable = SECRETS in await list_activatable(bus)
    seen = (
        "nobody provides the Secret Service",
        f"the bus can{'' if startable else 'not'} start one",
    )
    start = (
        "busctl --user call org.freedesktop.DBus / org.freedesktop.DBus StartServiceByName "
        f"su {SECRETS} 0"
    )
    hint = start if startable else "install gnome-keyring, KeePassXC, ksecretd or oo7"
    return Finding("provider", Status.WARNING if startable else Status.PROBLEM, seen, hint)


def _restart(owner: Owner) -> str:
    return f"systemctl --user restart {owner.unit}" if owner.unit else "log out and in"


async def _look_at(provider: Provider, owner: Owner, default_wallet: str) -> tuple[str, Finding]:
    await provider.identify()
    quirks = [name for name in provider.quirks.__slots__ if _deviates(provider, name)]
    default = await provider.client.read_alias("default")
    collections = await provider.client.list_collections()
    locked = {path for path in collections if await _is_locked(provider, path)}
    seen = [
        f"{owner}, {provider.kind or 'of a kind we do not know'}",
        f"version: {await find_version(provider.kind, owner)}",
        f"quirks in force: {', '.join(quirks) or 'none'}",
        f"collections: {len(collections)}, locked: {len(locked)}",
        f"default alias: {_describe_default(default, locked)}",
        await _open_session(provider),
        await _make_round_trip(provider, [path for path in collections if path not in locked]),
    ]
    notes = []
    if not collections:
        seen.append("there is no collection yet; the first wallet opened makes one")
    elif default in NOBODY and len(collections) == 1:
        seen.append("without a default alias the only collection is taken")
    elif default in NOBODY:
        labels = [await _read_label(provider, path) for path in collections]
        if default_wallet not in labels:
            seen.append("nothing says which collection is the default wallet; its opens fail")
            return provider.kind, Finding("provider", Status.PROBLEM, tuple(seen), CHOOSE)
        notes.append("without a default alias the wallet of the configured name is taken")
    if provider.kind == "gnome-keyring":
        notes += [
            f"{path.rpartition('/')[2]}: {MEANING}"
            for path in collections
            if is_text_keyring(path, os.environ)
        ]
    status = Status.NOTE if notes else Status.OK
    return provider.kind, Finding("provider", status, (*seen, *notes))


def _deviates(provider: Provider, field: str) -> bool:
    return bool(getattr(provider.quirks, field) != getattr(type(provider.quirks)(), field))


def _describe_default(path: str, locked: set[str]) -> str:
    if path in NOBODY:
        return "not set"
    if path in locked:
        return "set, locked; the provider asks when the first program needs it"
    return "set, unlocked"


async def _is_locked(provider: Provider, path: str) -> bool:
    try:
        return await provider.client.read_locked(path, names.COLLECTION)
    except StoreError:
        return False


async def _read_label(provider: Provider, path: str) -> object:
    return (await provider.client.read_properties(path, names.COLLECTION)).get("Label")


async def _open_session(provider: Provider) -> str:
    started = time.perf_counter()
    session = await provider.ensure_session()
    kind = "encrypted" if session.encrypted else "plain: secrets travel in clear"
    return f"session: {kind}, opened in {_milliseconds_since(started)}"


async def _make_round_trip(provider: Provider, collections: Sequence[str]) -> str:
    """Read a folder's marker, which holds nothing: that it decrypts shows that the keys agree.

    Items that say that they are locked are left alone: some providers would ask a person.
    """
    session = await provider.ensure_session()
    try:
        marker = await _find_marker(provider, collections)
        if marker is None:
            return "round trip: not made; no folder's marker of ours lies unlocked"
        started = time.perf_counter()
        session.unseal(await provider.client.get_secret(marker, session.path))
        return f"round trip: a folder's marker came back in {_milliseconds_since(started)}"
    finally:
        provider.client.close_session(session.path)


async def _find_marker(provider: Provider, collections: Sequence[str]) -> str | None:
    client = provider.client
    for path in collections:
        for item in (await client.search_items(path, MARKER_QUERY))[:1]:
            if not await client.read_locked(item, names.ITEM):
                return item
    return None


def _milliseconds_since(started: float) -> str:
    return f"{(time.perf_counter() - started) * 1000:.1f} ms"
