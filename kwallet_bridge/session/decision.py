# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store shall serve: keep a person's decision, take it back, ask the daemon how it stands."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import BusError, BusLostError, StateError, UsageError
from kwallet_bridge.keyringfile.folder import default_path
from kwallet_bridge.migrate.pending import ServedStore
from kwallet_bridge.secretservice.names import SECRET_SERVICE
from kwallet_bridge.session.census import find_owner
from kwallet_bridge.statefile import Decision, MadeBy, State, StoreKind, load, state_path, update
from kwallet_bridge.wire.generations import BUS_NAMES
from kwallet_bridge.wire.store_status import (
    FILE,
    PROVIDER,
    STATUS,
    STORE_INTERFACE,
    STORE_PATH,
    StoreStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.session.census import Owner

WORDS: Final = "provider|file[:PATH]|oo7-file:PATH"
TIMEOUT: Final = 5.0


def read_word(word: str, environ: Mapping[str, str], made_by: MadeBy) -> Decision:
    """Return the decision that a word on the command line stands for; the file's path is absolute.

    Raises:
        UsageError: It names no store.
    """
    kind, colon, path = word.partition(":")
    now = int(time.time())
    if word == "provider":
        return Decision(StoreKind.PROVIDER, made_by, now)
    if (kind == "file" and (path or not colon)) or (kind == "oo7-file" and path):
        found = Path(path).expanduser() if path else default_path(environ)
        extra = {"for_oo7": True} if kind == "oo7-file" else {}
        return Decision(StoreKind.FILE, made_by, now, path=str(found.resolve()), extra=extra)
    raise UsageError(f"a store is {WORDS}")


def keep(environ: Mapping[str, str], decision: Decision | None) -> None:
    """Keep a decision, durably, in place of any other; None keeps none.

    Decided anew for the same file, that this file served is still known.

    Raises:
        StateError: The state file cannot be used.
    """

    def change(state: State) -> State:
        return replace(state, decision=_with_past(decision, state.decision))

    update(state_path(environ), change)


def _with_past(decision: Decision | None, before: Decision | None) -> Decision | None:
    if decision is None or before is None or decision.kind is not StoreKind.FILE:
        return decision
    same = (before.kind, before.path) == (decision.kind, decision.path)
    return replace(decision, served_at=before.served_at) if same else decision


def read_kept(environ: Mapping[str, str]) -> Decision | None:
    """Return the decision that is kept; None if there is none.

    Raises:
        StateError: The state file cannot be used.
    """
    return load(state_path(environ)).decision


def describe_kept(decision: Decision | None) -> StoreStatus:
    """Return how it stands where no daemon runs that could be asked."""
    if decision is None:
        return StoreStatus()
    return StoreStatus(
        kind=decision.kind.value,
        state="",
        program=decision.provider,
        path=decision.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        decided_by=decision.made_by.value,
        decided_at=decision.made_at,
    )


async def ask_daemon(bus: Bus, owner: Owner | None) -> StoreStatus | None:
    """Ask our daemon which store serves; None if it is not ours, or too old to know."""
    if owner is None or not owner.is_bridge:
        return None
    try:
        (answer,) = await bus.call(
            owner.unique_name, STORE_PATH, STORE_INTERFACE, STATUS, timeout=TIMEOUT
        )
    except BusError:
        return None
    return StoreStatus.from_body(answer) if isinstance(answer, dict) else None


async def ask_running() -> StoreStatus | None:
    """Ask our daemon as :func:`ask_daemon` does; None too where none runs. Starts nothing."""
    try:
        bus = await BusConnection.connect()
    except BusLostError:
        return None
    try:
        return await ask_daemon(bus, await find_owner(bus, BUS_NAMES[0]))
    finally:
        bus.close()


async def read_status(environ: Mapping[str, str]) -> StoreStatus:
    """Return how it stands by the daemon's word, or by what is kept where none runs.

    Raises:
        StateError: No daemon runs, and the state file cannot be used.
    """
    return await ask_running() or describe_kept(read_kept(environ))


def served_store(told: StoreStatus | None, environ: Mapping[str, str]) -> ServedStore:
    """Return the store that wallet files are pending for; any while none is known.

    ``told`` is the daemon's word; where none runs, what is kept counts.
    """
    try:
        status = told or describe_kept(read_kept(environ))
    except StateError:
        return ServedStore()
    address = environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    if status.kind == PROVIDER:
        return ServedStore(SECRET_SERVICE, status.program, address)
    if status.kind == FILE and status.path:
        return ServedStore(f"file:{status.path}", bus_address=address)
    return ServedStore()
