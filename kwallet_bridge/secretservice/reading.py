# SPDX-License-Identifier: GPL-3.0-or-later
"""Read items and secrets from one provider: complete, or an error.

"Vanished" is said of an item only after its collection was seen unlocked, because a provider may
take the items of a locked collection off the bus.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import StoreError, StoreLockedError, StoreRefusedError
from kwallet_bridge.secretservice import names
from kwallet_bridge.secretservice.client import (
    MalformedReplyError,
    ObjectGoneError,
    ProviderSessionLostError,
    ReplyTooLargeError,
)
from kwallet_bridge.secretservice.provider_session import UndecryptableError
from kwallet_bridge.shared import run_windowed
from kwallet_bridge.store.port import ItemId, ItemInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kwallet_bridge.secretservice.provider import Provider
    from kwallet_bridge.secretservice.provider_session import ProviderSession
    from kwallet_bridge.store.port import ItemSecret

SLICE: Final = 100
"""Secrets asked for in one call."""
UNKNOWN_SLICE: Final = 10
"""The same while their sizes are unknown: they may have 6 MiB each."""
BUDGET: Final = 16 << 20
"""Bytes asked for in one call. D-Bus carries 64 MiB in one array, and a provider that answers with
more is cut off by the bus, which locks its keyrings: gnome-keyring 42 was seen to go so."""
SLICES_IN_FLIGHT: Final = 4
READS_IN_FLIGHT: Final = 24
"""Fewer than the calls a provider gets at once, so that a bulk read leaves room for others."""


async def read_items(provider: Provider, items: Iterable[ItemId]) -> dict[ItemId, ItemInfo]:
    """Read what items show without their secrets."""
    wanted = list(dict.fromkeys(items))
    found: dict[ItemId, ItemInfo] = {}
    missing: list[ItemId] = []

    async def read(item: ItemId) -> None:
        info = await _read_item(provider, item)
        if info is None:
            missing.append(item)
        else:
            found[item] = info

    if len(wanted) == 1:
        await read(wanted[0])
    elif wanted:
        await run_windowed(read, wanted, width=min(READS_IN_FLIGHT, len(wanted)))
    await confirm_vanished(provider, missing)
    return {item: found[item] for item in wanted if item in found}


async def _read_item(provider: Provider, item: ItemId) -> ItemInfo | None:
    asked = int(time.time())
    try:
        shown = await provider.client.read_properties(provider.path(item), names.ITEM)
    except ObjectGoneError:
        return None
    locked, label = shown.get("Locked"), shown.get("Label", "")
    attributes = shown.get("Attributes")
    if locked is True and attributes is None:
        raise StoreLockedError("a locked item shows nothing of itself")
    if not isinstance(locked, bool) or not isinstance(label, str):
        raise MalformedReplyError("an item shows no lock or no label")
    if not isinstance(attributes, dict):
        raise MalformedReplyError("an item shows no attributes")
    created, modified = _time(shown, "Created"), _time(shown, "Modified")
    return ItemInfo(item, label, attributes, locked, created, modified, asked)


def _time(shown: Mapping[str, object], name: str) -> int:
    value = shown.get(name, 0)
    return value if isinstance(value, int) else 0


async def confirm_vanished(provider: Provider, items: Sequence[ItemId]) -> None:
    """Check that items are missing because they are gone, not because they are hidden.

    Raises:
        StoreLockedError: Their collection is locked.
    """
    for collection in {provider.path(item).rpartition("/")[0] for item in items}:
        try:
            locked = await provider.client.read_locked(collection, names.COLLECTION)
        except ObjectGoneError:
            continue
        if locked:
            raise StoreLockedError("the collection is locked and hides its items")


# --- secrets ------------------------------------------------------------------------------------


async def read_secret(provider: Provider, item: ItemId) -> ItemSecret | None:
    """Read one secret; None if the item is gone."""
    session = provider.session or await provider.ensure_session()
    path = provider.path(item)
    try:
        secret = session.unseal(await provider.client.get_secret(path, session.path))
    except (ProviderSessionLostError, UndecryptableError):
        return await _read_again(provider, item, session)
    except ObjectGoneError:
        return await _read_unless_gone(provider, item, session)
    if not secret.value and provider.quirks.locked_reads_empty:
        await _require_unlocked(provider, item)
    return secret


async def _read_again(provider: Provider, item: ItemId, lost: ProviderSession) -> ItemSecret | None:
    """Read once more, in a new session."""
    session = await provider.renew_session(lost)
    path = provider.path(item)
    try:
        secret = session.unseal(await provider.client.get_secret(path, session.path))
    except ObjectGoneError:
        await confirm_vanished(provider, [item])
        return None
    if not secret.value and provider.quirks.locked_reads_empty:
        await _require_unlocked(provider, item)
    return secret


async def _read_unless_gone(
    provider: Provider, item: ItemId, session: ProviderSession
) -> ItemSecret | None:
    """Find out which object is gone: ksecretd says the same of an item and of a session."""
    try:
        await provider.client.read_locked(provider.path(item), names.ITEM)
    except ObjectGoneError:
        await confirm_vanished(provider, [item])
        return None
    return await _read_again(provider, item, session)


async def _require_unlocked(provider: Provider, item: ItemId) -> None:
    if await provider.client.read_locked(provider.path(item), names.ITEM):
        raise StoreLockedError("the item is locked")


async def read_secrets(provider: Provider, items: Iterable[ItemId]) -> dict[ItemId, ItemSecret]:
    """Read many secrets, a slice per call."""
    wanted = list(dict.fromkeys(items))
    found: dict[ItemId, ItemSecret] = {}
    sizes = provider.sizes
    unknown = [item for item in wanted if item not in sizes]
    if not unknown and len(wanted) <= SLICE and sum(map(sizes.__getitem__, wanted)) <= BUDGET:
        return await _read_slice(provider, wanted)

    async def read(part: Sequence[ItemId]) -> None:
        secrets = await _read_slice(provider, part)
        found.update(secrets)
        for item, secret in secrets.items():
            sizes[item] = len(secret.value)

    slices = _pack([item for item in wanted if item in sizes], sizes)
    for start in range(0, len(unknown), UNKNOWN_SLICE):
        slices.append(unknown[start : start + UNKNOWN_SLICE])
    if len(slices) == 1:
        await read(slices[0])
    elif slices:
        await run_windowed(read, slices, width=min(SLICES_IN_FLIGHT, len(slices)))
    return {item: found[item] for item in wanted if item in found}


def _pack(items: Sequence[ItemId], sizes: Mapping[ItemId, int]) -> list[Sequence[ItemId]]:
    """Part items into slices of bounded number and size."""
    slices: list[Sequence[ItemId]] = []
    part: list[ItemId] = []
    room = BUDGET
    for item in items:
        room -= sizes[item]
        if part and (room < 0 or len(part) == SLICE):
            slices.append(part)
            part, room = [], BUDGET - sizes[item]
        part.append(item)
    return [*slices, part] if part else slices


async def _read_slice(provider: Provider, items: Sequence[ItemId]) -> dict[ItemId, ItemSecret]:
    session = provider.session or await provider.ensure_session()
    paths = {item: provider.path(item) for item in items}
    found: dict[ItemId, ItemSecret] = {}
    try:
        answer = await provider.client.get_secrets(list(paths.values()), session.path)
        given = [item for item in items if paths[item] in answer]
        secrets = session.unseal_all([answer[paths[item]] for item in given])
        doubt_empty = provider.quirks.locked_reads_empty
        found = {
            item: secret
            for item, secret in zip(given, secrets, strict=True)
            if secret.value or not doubt_empty
        }
    except ReplyTooLargeError:
        if len(items) > 1:
            middle = len(items) // 2
            first = await _read_slice(provider, items[:middle])
            return first | await _read_slice(provider, items[middle:])
    except (ProviderSessionLostError, UndecryptableError, ObjectGoneError):
        # One item or the session spoils the slice; one by one, each tells its own story.
        found.clear()
    for item in items:
        if item not in found:
            secret_or_none = await _read_left_out(provider, item)
            if secret_or_none is not None:
                found[item] = secret_or_none
    return found


async def _read_left_out(provider: Provider, item: ItemId) -> ItemSecret | None:
    """Read an item that a bulk answer did not hold: locked, gone, or something else."""
    try:
        return await read_secret(provider, item)
    except StoreLockedError:
        raise
    except StoreError as error:
        if not isinstance(error, StoreRefusedError) or isinstance(error, UndecryptableError):
            raise
        await _require_unlocked(provider, item)
        raise
