# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store serves a program: the host's Secret Service, or in a sandbox a file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.keyring.errors import AbsentError
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.folder import resolve_path
from kwallet_bridge.keyringfile.portal import PortalPassword
from kwallet_bridge.keyringfile.sandbox import is_sandboxed
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.secret import Secret
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.port import DEFAULT_ALIAS, CollectionId

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.keyringfile.sources import KeySource
    from kwallet_bridge.store.port import ItemBackend

LABEL = "default"
"""What the file's own collection is called; the file does not hold its label."""


class Opened:
    """A store, the collection that is used where none is named, and how both are let go."""

    def __init__(
        self,
        backend: ItemBackend,
        default: CollectionId,
        *,
        is_file: bool,
        close_bus: Callable[[], None] = lambda: None,
    ) -> None:
        self.backend = backend
        self.default = default
        self.is_file = is_file
        self._close_bus = close_bus

    async def close(self) -> None:
        """Let go of the store and of the bus."""
        try:
            await self.backend.close()
        finally:
            self._close_bus()


async def is_in_sandbox() -> bool:
    """Return whether this program runs in a Flatpak or Snap."""
    return await asyncio.to_thread(is_sandboxed, os.environ, Path("/"))


async def open_service(address: str | None) -> Opened:
    """Open the host's Secret Service on the bus at ``address``, None for the session's."""
    bus = await BusConnection.connect(address)
    backend = SecretServiceBackend(bus)
    try:
        default = await _find_default(backend)
    except BaseException:
        await backend.close()
        bus.close()
        raise
    return Opened(backend, default, is_file=False, close_bus=bus.close)


async def _find_default(backend: SecretServiceBackend) -> CollectionId:
    """Return the default collection.

    The only one there is stands in for one that no alias names, as it does for a wallet; with
    several, or none, nobody said which is meant.
    """
    if not await backend.is_reachable():
        raise AbsentError("there is no Secret Service provider on the bus, and none can be started")
    found = await backend.read_alias(DEFAULT_ALIAS)
    if found is not None:
        return found
    seen = await backend.collections()
    if len(seen) == 1 and not backend.quirks.own_default:
        return seen[0].id
    if seen:
        raise AbsentError(
            f"the provider names none of its {len(seen)} collections as the default one; "
            "choose one in its own settings"
        )
    return await backend.create_collection(LABEL)


async def open_portal_file(address: str | None) -> Opened:
    """Open the sandboxed program's own file; the Secret portal keeps its password."""
    path = await asyncio.to_thread(resolve_path, "", os.environ)
    keys = PortalPassword(lambda: BusConnection.connect(address, unix_fds=True))
    return await _open_file(path, keys)


async def open_password_file(path: Path, password: str | bytes) -> Opened:
    """Open a file with its password; it is made if it was never there."""
    given = password.encode() if isinstance(password, str) else bytes(password)
    found = await asyncio.to_thread(resolve_path, str(path), os.environ)
    return await _open_file(found, KnownPassword(Secret(given)))


async def open_file_by(keys: KeySource) -> Opened:
    """Open the standard file, whose password is had from ``keys``."""
    return await _open_file(await asyncio.to_thread(resolve_path, "", os.environ), keys)


async def _open_file(path: Path, keys: KeySource) -> Opened:
    backend = KeyringFileBackend(path, keys, label=LABEL)
    try:
        found = await backend.read_alias(DEFAULT_ALIAS)
        if found is None:
            found = await backend.create_collection(LABEL)
        await backend.unlock(found)
    except BaseException:
        await backend.close()
        raise
    return Opened(backend, found, is_file=True)
