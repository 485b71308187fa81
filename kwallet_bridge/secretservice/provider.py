# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that owns the Secret Service name: who it is, and what we hold at it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.errors import BusError
from kwallet_bridge.hardening import visible
from kwallet_bridge.secretservice import names
from kwallet_bridge.secretservice.client import ServiceClient
from kwallet_bridge.secretservice.prompt import Prompts
from kwallet_bridge.secretservice.provider_session import (
    ProviderSession,
    open_provider_session,
)
from kwallet_bridge.secretservice.quirks import (
    NAMES,
    PROGRAMS,
    ROWS,
    SAVE_IN_BACKGROUND,
    UNKNOWN,
)
from kwallet_bridge.secretservice.resting import rest
from kwallet_bridge.shared import SharedRun, join_or_start

if TYPE_CHECKING:
    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.store.port import ItemId, Quirks

_log = logging.getLogger(__name__)
_PROBE_TIMEOUT = 5.0
_LOOK_TIMEOUT = 2.0
"""Seconds we may be seen by a provider that does not answer."""


class Provider:
    """One provider process, from its arrival on the bus to its end.

    ``tag`` begins every item id given out during its life: item paths mean nothing, or something
    else, at its successor, so an id is never sent to another provider than it came from.
    """

    def __init__(self, bus: Bus, owner: str, *, serial: int, timeout: float) -> None:
        """Speak to ``owner``, the ``serial``-th provider we meet."""
        self.client = ServiceClient(bus, owner, timeout=timeout)
        self.prompts = Prompts(self.client)
        self.quirks: Quirks = UNKNOWN
        self.kind = ""
        self.identified = False
        self.since = asyncio.get_running_loop().time()
        self.session: ProviderSession | None = None
        self.aliases: dict[str, str] = {}
        self.settled: set[str] = set()
        """Collections seen with items, or without any for a while, since they were last locked."""
        self.sizes: dict[ItemId, int] = {}
        """Bytes of secrets read in bulk, for the next time, until an item is touched."""
        self.unlocking: dict[str, SharedRun[None]] = {}
        self.tag = f"{serial}/"
        self._cut = len(self.tag) - 1
        self._bus = bus
        self._opening: dict[str, SharedRun[ProviderSession]] = {}
        self._identifying: dict[str, SharedRun[None]] = {}

    def drop(self) -> None:
        """Forget everything: the process left the bus."""
        self.client.gone = True
        self.session = None
        self.prompts.drop()

    def owns(self, item: ItemId) -> bool:
        """Tell whether an item id was given out by this provider."""
        return item.startswith(self.tag)

    def path(self, item: ItemId) -> str:
        """Give the object path of an item id."""
        return item[self._cut :]

    async def identify(self) -> None:
        """Find out once who this is, and pick the row of quirks."""
        if not self.identified:
            await join_or_start(self._identifying, "", self._identify)

    async def _identify(self) -> None:
        self.kind = await identify(self._bus, self.client.owner)
        self.quirks = ROWS[self.kind]
        if self.quirks.looks_at_clients:
            await self._show_ourselves()
        self.identified = True
        _log.info("the Secret Service provider is %s", self.kind or "unknown")

    async def _show_ourselves(self) -> None:
        """Make the first call while it can be seen which program makes it.

        A provider that looks at who calls does so once for each connection, before it answers.
        """
        with visible(), contextlib.suppress(BusError):
            await self._bus.call(
                self.client.owner,
                names.ROOT,
                names.SERVICE,
                "ReadAlias",
                "s",
                ["default"],
                timeout=_LOOK_TIMEOUT,
                auto_start=False,
            )

    async def rest(self) -> None:
        """Return once it can be written to again, if it is one that saves in the background."""
        if self.kind in SAVE_IN_BACKGROUND:
            process = await _ask_daemon(self._bus, "GetConnectionUnixProcessID", self.client.owner)
            if isinstance(process, int):
                await rest(process)

    async def ensure_session(self) -> ProviderSession:
        """Give the session, opening it if there is none."""
        if self.session is not None:
            return self.session
        return await join_or_start(self._opening, "", self._open)

    async def _open(self) -> ProviderSession:
        self.session = session = await open_provider_session(self.client)
        if not session.encrypted:
            _log.warning("the provider offers no encrypted session")
        return session

    async def renew_session(self, lost: ProviderSession) -> ProviderSession:
        """Open another session, unless somebody did so already."""
        if self.session is lost:
            self.session = None
        return await self.ensure_session()


async def identify(bus: Bus, owner: str) -> str:
    """Name the provider behind a unique name; "" if it is none we know.

    Asks for the names it holds first (behaviour), for its program last (a label on the box; a
    sandbox's proxy shows another one).
    """
    held = [_name_held(bus, name, owner) for name in NAMES.values()]
    *answers, program = await asyncio.gather(*held, _program_of(bus, owner))
    for kind, answer in zip(NAMES, answers, strict=True):
        if answer:
            return kind
    return PROGRAMS.get(str(program), "")


async def _name_held(bus: Bus, name: str, owner: str) -> bool:
    return await _ask_daemon(bus, "GetNameOwner", name) == owner


async def _program_of(bus: Bus, owner: str) -> str:
    pid = await _ask_daemon(bus, "GetConnectionUnixProcessID", owner)
    return await asyncio.to_thread(_read_program, pid) if isinstance(pid, int) else ""


def _read_program(pid: int) -> str:
    # comm, not exe: gnome-keyring may lock memory, which hides exe from its own user.
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


async def _ask_daemon(bus: Bus, member: str, name: str) -> object:
    try:
        reply = await bus.call(
            names.DBUS, names.DBUS_PATH, names.DBUS, member, "s", [name], timeout=_PROBE_TIMEOUT
        )
    except BusError:
        return None
    return reply[0] if reply else None
