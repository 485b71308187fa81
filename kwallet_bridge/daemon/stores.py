# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the store that serves, by the word of ``--store`` and by what was decided."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.config import Settings
from kwallet_bridge.daemon.choice import (
    SECRET_SERVICE,
    Choice,
    Surroundings,
    choose_store,
    named_store,
)
from kwallet_bridge.daemon.serving import LaterServing, Opened, ProviderServing, Serving
from kwallet_bridge.errors import JournalError, StateError
from kwallet_bridge.keyringfile.sandbox import is_sandboxed
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.names import BUS_NAME, BUS_NAME_VARIABLE
from kwallet_bridge.secretservice.quirks import COME_BY_THEMSELVES
from kwallet_bridge.statefile import StoreKind, load, state_path
from kwallet_bridge.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.keyringfile.loginslot import LoginKeySource
    from kwallet_bridge.keyringfile.sources import KeyRequest, PasswordKeeper
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.statefile import State
    from kwallet_bridge.withdrawal import Withdrawal

_DAEMON = "org.freedesktop.DBus"
_DAEMON_PATH = "/org/freedesktop/DBus"


async def _cannot() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What a keyring file needs to know besides its path.

    ``ask`` gets a password from a person, blocking until it is withdrawn; it gives None for "no".
    ``window`` does so in a window, and raises WindowUnavailableError where none can be shown.
    ``can_show`` and ``can_ask`` tell whether these reach anybody, ``has_display`` whether another
    program's window would.
    ``login_key`` opens a file whose password was kept under it; ``keeper`` keeps what opened one.
    """

    password_file: Path | None = None
    ask: Callable[[KeyRequest, Withdrawal], Secret | None] | None = None
    label: str = field(default_factory=lambda: Settings().default_wallet)
    window: Callable[[KeyRequest], Awaitable[Secret | None]] | None = None
    can_show: Callable[[], Awaitable[bool]] = _cannot
    can_ask: Callable[[], bool] | None = None
    has_display: Callable[[], Awaitable[bool]] = _cannot
    login_key: LoginKeySource | None = None
    keeper: PasswordKeeper | None = None
    bus_address: str | None = None
    root: Path = Path("/")


async def open_store(
    spec: str, *, bus: Bus, environ: Mapping[str, str], options: FileOptions | None = None
) -> Serving:
    """Open the store that ``spec`` names.

    ``auto``, ``secret-service``, ``file``, ``file:PATH``, or ``oo7-file:PATH`` for a file that
    oo7-daemon shall go on with. ``auto`` is what was decided, see ``daemon.choice``; where that
    cannot be known every open of the store fails.

    Raises:
        UsageError: There is no such kind of store.
    """
    options = options or FileOptions()
    kept = state_path(environ)
    named = named_store(spec)

    async def choose() -> Choice:
        return await _choose(named, kept, bus=bus, environ=environ, options=options)

    async def open_chosen(choice: Choice | None = None) -> Opened:
        choice = choice or await choose()
        if choice.kind is None:
            raise StateError(choice.problem)
        if choice.kind is StoreKind.FILE:
            return await _open_file(choice, kept, environ, options)
        return _open_provider(choice, kept, bus, options)

    choice = await choose()
    if choice.kind is None:
        return LaterServing(choice, kept, open_chosen=open_chosen)
    opened = await open_chosen(choice)
    return opened.serve(EntryStore(opened.backend))


async def _choose(
    named: Choice | None,
    kept: Path,
    *,
    bus: Bus,
    environ: Mapping[str, str],
    options: FileOptions,
) -> Choice:
    try:
        state = await asyncio.to_thread(load, kept)
    except StateError as error:
        # Who named a store has no need of what was decided.
        return named or Choice(None, problem=str(error))
    if named is not None:
        return replace(named, decision=state.decision)
    return choose_store(state, await _look_around(state, bus, environ, options))


async def _look_around(
    state: State, bus: Bus, environ: Mapping[str, str], options: FileOptions
) -> Surroundings:
    """Find out what decides where nothing is decided."""
    if await asyncio.to_thread(is_sandboxed, environ, options.root):
        return Surroundings(sandboxed=True)
    if state.decision is not None or not await asyncio.to_thread(
        _is_password_given, environ, options
    ):
        return Surroundings()
    return Surroundings(
        password_given=True,
        provider_there=await _serves_secrets(bus, environ),
        provider_served=await has_provider_served(state, environ),
    )


def _is_password_given(environ: Mapping[str, str], options: FileOptions) -> bool:
    return given_password_file(environ, options) is not None


def given_password_file(environ: Mapping[str, str], options: FileOptions) -> Path | None:
    """Return the file that has a keyring file's password: one named, else systemd's credential."""
    if options.password_file is not None or "CREDENTIALS_DIRECTORY" not in environ:
        return options.password_file
    from kwallet_bridge.keyringfile.sources import find_credential  # noqa: PLC0415  as _open_file

    credential = find_credential(environ)
    return None if credential is None else credential.path


async def has_provider_served(state: State, environ: Mapping[str, str]) -> bool:
    """Return whether a provider is known to have served, or to have been moved into, before."""
    return bool(state.provider_served) or await _was_moved_to_provider(environ)


async def _was_moved_to_provider(environ: Mapping[str, str]) -> bool:
    """Tell whether wallets were moved into a provider, by a program that kept no decision yet."""
    from kwallet_bridge.migrate.journal import FILE_NAME, peek_runs  # noqa: PLC0415  as _open_file

    try:
        runs = await asyncio.to_thread(peek_runs, state_path(environ).with_name(FILE_NAME))
    except JournalError:
        return True  # it may have been so, and to wait for a provider loses nothing
    return any(run.destination.startswith(SECRET_SERVICE) for run in runs.values())


async def _serves_secrets(bus: Bus, environ: Mapping[str, str]) -> bool:
    name = environ.get(BUS_NAME_VARIABLE) or BUS_NAME
    for member in ("ListNames", "ListActivatableNames"):
        (names,) = await bus.call(_DAEMON, _DAEMON_PATH, _DAEMON, member)
        if isinstance(names, list) and name in names:
            return True
    return False


def _open_provider(choice: Choice, kept: Path, bus: Bus, options: FileOptions) -> Opened:
    backend = SecretServiceBackend(bus, may_start=choice.waits_for not in COME_BY_THEMSELVES)

    def serve(store: EntryStore) -> Serving:
        return ProviderServing(store, backend, choice, kept, has_display=options.has_display)

    return Opened(backend, serve)


async def _open_file(
    choice: Choice, kept: Path, environ: Mapping[str, str], options: FileOptions
) -> Opened:
    # Most daemons never need it: 1.5 MB and a tenth of the start.
    from kwallet_bridge.daemon.filestore import open_file  # noqa: PLC0415
    from kwallet_bridge.keyringfile.folder import resolve_path  # noqa: PLC0415

    path = await asyncio.to_thread(resolve_path, choice.path, environ)
    choice = replace(choice, path=str(path))
    backend = await open_file(
        path, environ, options, for_oo7=choice.for_oo7, served=choice.served_before
    )
    return Opened(backend, lambda store: Serving(store, choice, kept))
