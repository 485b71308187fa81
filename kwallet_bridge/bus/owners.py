# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to well-known names go to their owners: whose answer counts is known before one is sent.

Any program on the bus can send a reply that nobody asked it for, and guess the serial of the call.
The bus vouches for the sender alone, so a reply is believed only of the unique name that was called.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from kwallet_bridge.errors import BusReplyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

DAEMON: Final = "org.freedesktop.DBus"
DAEMON_PATH: Final = "/org/freedesktop/DBus"
NO_OWNER: Final = "org.freedesktop.DBus.Error.NameHasNoOwner"
_NOBODY: Final = frozenset({NO_OWNER, "org.freedesktop.DBus.Error.ServiceUnknown"})


class AskDaemon(Protocol):
    """Calls a method of the bus daemon."""

    async def __call__(
        self,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        timeout: float | None = 25.0,  # noqa: ASYNC109  a D-Bus call's own deadline
    ) -> Sequence[object]:
        """Give the reply's body."""


def is_well_known(destination: str) -> bool:
    """Tell whether a destination is a name that can change hands; the bus's own cannot."""
    return destination[:1] != ":" and destination != DAEMON


async def find_owner(ask: AskDaemon, name: str, *, timeout: float | None = 25.0) -> str:  # noqa: ASYNC109
    """Give the unique name of who owns ``name``, "" for nobody. Starts nothing.

    Raises:
        BusReplyError: The bus refuses to say.
    """
    try:
        (owner,) = await ask("GetNameOwner", "s", [name], timeout=timeout)
    except BusReplyError as error:
        if error.name != NO_OWNER:
            raise
        return ""
    return str(owner)


async def call_owner(
    ask: AskDaemon,
    name: str,
    send: Callable[[str, float | None], Awaitable[Sequence[object]]],
    *,
    patience: float | None,
    auto_start: bool,
) -> Sequence[object]:
    """Have ``send`` call the owner of ``name``, which is started if it may be.

    An owner that left before the call reached it was never called; its successor is.

    Raises:
        BusReplyError: There is no owner and none can be started, or it answered by an error.
    """
    loop = asyncio.get_running_loop()
    end = None if patience is None else loop.time() + patience

    def left() -> float | None:
        return None if end is None else max(end - loop.time(), 0.0)

    owner = await _meet(ask, name, left, auto_start=auto_start)
    try:
        return await send(owner, left())
    except BusReplyError as error:
        if error.name not in _NOBODY or await find_owner(ask, name, timeout=left()) == owner:
            raise
    return await send(await _meet(ask, name, left, auto_start=auto_start), left())


async def _meet(
    ask: AskDaemon, name: str, left: Callable[[], float | None], *, auto_start: bool
) -> str:
    owner = await find_owner(ask, name, timeout=left())
    if owner:
        return owner
    if not auto_start:
        raise BusReplyError(NO_OWNER)
    try:
        await ask("StartServiceByName", "su", [name, 0], timeout=left())
    except BusReplyError:
        # The bus refuses to start what nothing can start, even if it has come by now.
        owner = await find_owner(ask, name, timeout=left())
        if not owner:
            raise
        return owner
    owner = await find_owner(ask, name, timeout=left())
    if not owner:
        raise BusReplyError(NO_OWNER)
    return owner
