# SPDX-License-Identifier: GPL-3.0-or-later
"""The store that was chosen, at work: when it is there, that it served, and what to say of it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kwallet_bridge.daemon.choice import is_for
from kwallet_bridge.daemon.later import LaterBackend
from kwallet_bridge.errors import BridgeError, StateError, StoreUnavailableError
from kwallet_bridge.statefile import Decision, MadeBy, State, StoreKind, update
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.port import BackendGone
from kwallet_bridge.wire import store_status
from kwallet_bridge.wire.store_status import StoreStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kwallet_bridge.daemon.choice import Choice
    from kwallet_bridge.secretservice.backend import SecretServiceBackend
    from kwallet_bridge.store.port import BackendEvent, ItemBackend

_LOOK_SECONDS = 1.0
"""How long a program that asks whether there is a wallet system waits for a provider."""

_log = logging.getLogger(__name__)
DECIDE = "kwallet-bridge store use"
"""What a person who wants another store runs."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is to be kept of an open that succeeded."""

    kind: StoreKind
    made_by: MadeBy
    path: str = ""
    provider: str = ""
    for_oo7: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """The backend that was chosen, and what puts the store over it to work."""

    backend: ItemBackend
    serve: Callable[[EntryStore], Serving]


class Serving:
    """A store that is always there: a keyring file. See ``wallet.arrival``."""

    def __init__(self, store: EntryStore, choice: Choice, state_path: Path) -> None:
        """Serve from ``store``; what is decided is kept at ``state_path``."""
        self.store = store
        self._choice = choice
        self._state_path = state_path
        self._noted: Served | None = None
        self._unkept = ""

    @property
    def provider_kind(self) -> str:
        """Which kind of provider serves; "" for a file, and while nobody knows."""
        return ""

    async def is_expected(self, patience: float) -> bool:  # noqa: ARG002  nobody is waited for
        """Tell whether an open may succeed."""
        return await self.store.is_reachable() and not await self.store.find_problem()

    async def wait(self, patience: float) -> None:
        """Wait for nothing."""

    async def announce(self) -> None:
        """Tell the log what is waited for, or that every open fails."""
        await self.store.find_problem()

    async def describe(self) -> StoreStatus:
        """Tell which store serves and why."""
        status = self._status(
            kind=store_status.FILE,
            state=store_status.SERVING,
            path=os.fsencode(self._choice.path).decode("utf-8", "replace"),
        )
        return await self._with_problem(status)

    async def _with_problem(self, status: StoreStatus) -> StoreStatus:
        problem = await self.store.find_problem()
        return replace(status, state=store_status.UNUSABLE, problem=problem) if problem else status

    def _status(self, *, kind: str, state: str, program: str = "", path: str = "") -> StoreStatus:
        choice = self._choice
        kept = choice.decision if choice.agrees else None
        made_by = kept.made_by if kept is not None else choice.made_by
        return StoreStatus(
            kind=kind,
            state=state,
            program=program,
            path=path,
            decided_by="" if made_by is None else made_by.value,
            decided_at=0 if kept is None else kept.made_at,
            problem=self._unkept or self._disagreement(),
        )

    def _disagreement(self) -> str:
        choice = self._choice
        if choice.decision is None or choice.agrees or choice.made_by is not MadeBy.COMMAND_LINE:
            return ""
        return (
            "the daemon's command line names another store than was decided; take --store off it,"
            f" or decide for this one with {DECIDE}"
        )

    def _served(self) -> Served:
        made_by = self._choice.made_by or MadeBy.FIRST_OPEN
        return Served(StoreKind.FILE, made_by, self._choice.path, for_oo7=self._choice.for_oo7)

    async def note_served(self) -> None:
        """Keep that this store served, once; a disk that cannot be written stops nobody."""
        served = self._served()
        if served == self._noted:
            return
        self._noted = served
        if self._choice.served_before and self._choice.waits_for == served.provider:
            return
        try:
            state = await asyncio.to_thread(
                update, self._state_path, lambda state: note_served(state, served, _now())
            )
        except StateError as error:
            _log.warning("which store serves could not be kept: %s", type(error).__name__)
            self._unkept = f"which store serves cannot be kept: {error}"
            return
        self._choice = replace(self._choice, decision=state.decision)


class ProviderServing(Serving):
    """The Secret Service provider, which may be away."""

    def __init__(
        self,
        store: EntryStore,
        backend: SecretServiceBackend,
        choice: Choice,
        state_path: Path,
        *,
        has_display: Callable[[], Awaitable[bool]],
    ) -> None:
        """Serve from ``store``, which is over ``backend``.

        ``has_display`` tells whether a person would see the provider's question.
        """
        super().__init__(store, choice, state_path)
        self._has_display = has_display
        self._backend = backend
        self._away_since = asyncio.get_running_loop().time()
        self._told = False
        backend.subscribe(self._hear)

    @property
    def provider_kind(self) -> str:
        """Which kind of provider is there."""
        return self._backend.provider_kind

    def _hear(self, event: BackendEvent) -> None:
        if isinstance(event, BackendGone):
            self._away_since = asyncio.get_running_loop().time()
            self._told = False
            self._tell_waiting()

    async def is_expected(self, patience: float) -> bool:
        """Tell whether the provider is there, can be started, or is still waited for."""
        there = await self._backend.is_reachable()
        if not there and self._rest(patience) <= 0:
            return False
        if await self.store.find_problem():
            return False
        return not self._backend.is_present or await self._can_open()

    async def _can_open(self) -> bool:
        """Tell whether an open may succeed; a provider that is slow to say is believed to serve."""
        # Not asyncio.timeout: the first steps of a call run outside of any task.
        look = asyncio.ensure_future(self._backend.can_open(self._has_display))
        try:
            await asyncio.wait({look}, timeout=_LOOK_SECONDS)
            return look.result() if look.done() else True
        except StoreUnavailableError:
            return True  # it has just gone, and is waited for
        except BridgeError:
            return False
        finally:
            look.cancel()

    def _rest(self, patience: float) -> float:
        """Give the seconds left of the time in which a session's programs start."""
        return self._away_since + patience - asyncio.get_running_loop().time()

    async def wait(self, patience: float) -> None:
        """Wait for the provider.

        One that served before is worth the whole time at every open; where none ever did only the
        time of a login is.
        """
        if self._backend.is_present:
            return
        known = self._choice.kind is StoreKind.PROVIDER and self._choice.made_by is not None
        seconds = patience if known else max(0.0, self._rest(patience))
        if not await self._backend.is_reachable():
            self._tell_waiting()
        try:
            await self._backend.wait(seconds)
        except StoreUnavailableError as error:
            raise StoreUnavailableError(self._absence(), dbus_name=error.dbus_name) from error

    async def announce(self) -> None:
        """Subscribe to the provider's coming, and tell the log if it is away."""
        await super().announce()
        if not await self._backend.is_reachable():
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        if not self._told:
            self._told = True
            program = self._choice.waits_for or "a Secret Service provider"
            _log.warning("opens wait for %s, which is not running", program)

    def _absence(self) -> str:
        program = self._choice.waits_for
        if program:
            return (
                f"{program}, which keeps the secrets, is not running: start it, or decide for"
                f" another store with {DECIDE}"
            )
        return (
            "nobody provides the Secret Service: start gnome-keyring, KeePassXC or oo7, or have an"
            f" encrypted file serve with {DECIDE} file"
        )

    async def describe(self) -> StoreStatus:
        """Tell which provider serves, or is waited for."""
        there = await self._backend.is_reachable()
        status = self._status(
            kind=store_status.PROVIDER,
            state=store_status.SERVING if there else store_status.WAITING,
            program=self._backend.provider_kind or self._choice.waits_for,
        )
        if not there:
            status = replace(status, problem=status.problem or self._absence())
        return await self._with_problem(status)

    def _served(self) -> Served:
        made_by = self._choice.made_by
        if made_by in {None, MadeBy.COMMAND_LINE}:
            made_by = MadeBy.FIRST_OPEN
        return Served(StoreKind.PROVIDER, made_by, provider=self._backend.provider_kind)


class LaterServing(Serving):
    """No store yet: which one serves cannot be known, and is not guessed.

    Once a person has put that right the store serves, without a new start of the daemon.
    """

    def __init__(
        self,
        choice: Choice,
        state_path: Path,
        *,
        open_chosen: Callable[[], Awaitable[Opened]],
    ) -> None:
        """Ask ``open_chosen`` until it gives a store; it raises StateError while none is known."""
        self._backend = LaterBackend(self._find)
        super().__init__(EntryStore(self._backend), choice, state_path)
        self._open_chosen = open_chosen
        self._serving: Serving | None = None
        self._opened: ItemBackend | None = None
        self._opening = asyncio.Lock()

    async def _find(self) -> ItemBackend:
        async with self._opening:
            if self._opened is None:
                opened = await self._open_chosen()
                self._serving, self._opened = opened.serve(self.store), opened.backend
                _log.warning("which store serves is known again")
        return self._opened

    async def _chosen(self) -> Serving:
        """Return the store at work.

        Raises:
            StateError: It is not known which one serves.
        """
        await self._backend.find()
        if self._serving is None:
            raise StateError(self._choice.problem)
        return self._serving

    @property
    def provider_kind(self) -> str:
        """Which kind of provider serves, once a store does."""
        return "" if self._serving is None else self._serving.provider_kind

    async def is_expected(self, patience: float) -> bool:
        """Tell whether an open may succeed."""
        try:
            serving = await self._chosen()
        except StateError:
            return False
        return await serving.is_expected(patience)

    async def wait(self, patience: float) -> None:
        """Wait for the store.

        Raises:
            StateError: It is not known which one serves.
        """
        await (await self._chosen()).wait(patience)

    async def announce(self) -> None:
        """Tell the log that every open fails."""
        _log.error(
            "every open fails: the state file cannot be used; kwallet-bridge doctor says why"
        )

    async def describe(self) -> StoreStatus:
        """Tell which store serves and why, or what is wrong."""
        try:
            serving = await self._chosen()
        except StateError as error:
            return StoreStatus(problem=str(error))
        return await serving.describe()

    async def note_served(self) -> None:
        """Keep that the store served."""
        await (await self._chosen()).note_served()


def note_served(state: State, served: Served, now: int) -> State:
    """Return the state in which a store's success is kept; a decision for another one stands."""
    kept = state.decision
    if kept is None:
        extra = {"for_oo7": True} if served.for_oo7 else {}
        kept = Decision(
            served.kind,
            served.made_by,
            now,
            path=served.path,
            provider=served.provider,
            extra=extra,
        )
    if is_for(kept, served.kind, served.path):
        # The first to serve is remembered: another that comes in its place has other collections.
        kept = replace(
            kept,
            path=served.path,
            served_at=kept.served_at or now,
            provider=kept.provider or served.provider,
        )
    since = state.provider_served
    if served.kind is StoreKind.PROVIDER:
        since = since or now
    return replace(state, decision=kept, provider_served=since)


def _now() -> int:
    return int(time.time())
