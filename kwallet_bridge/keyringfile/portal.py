# SPDX-License-Identifier: GPL-3.0-or-later
"""In a sandbox the keyring file's password comes from the Secret portal, as libsecret and oo7 do.

The portal writes 64 bytes, always the same for one application, into a pipe that we hand it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.bus.port import SignalMatch, Variant
from kwallet_bridge.descriptors import read_to_end
from kwallet_bridge.errors import PasswordNeededError, StoreTimeoutError, StoreUnavailableError
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kwallet_bridge.bus.port import Signal
    from kwallet_bridge.keyringfile.sources import KeyRequest

_DESKTOP = "org.freedesktop.portal.Desktop"
_DESKTOP_PATH = "/org/freedesktop/portal/desktop"
_SECRET = "org.freedesktop.portal.Secret"  # noqa: S105  an interface
_REQUEST = "org.freedesktop.portal.Request"
_SIZE = 64
PATIENCE = 120.0
"""Seconds for all of it: the desktop may ask a person for the password of its own keyring."""
_DONE, _DISMISSED = 0, 1


class DescriptorBus(Protocol):
    """What the portal needs of a bus connection that passes file descriptors."""

    @property
    def unique_name(self) -> str:
        """Our own unique name."""

    async def call_with_fds(  # noqa: PLR0913, PLR0917  a D-Bus call has that many parts
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str,
        body: Sequence[object],
        *,
        fds: Sequence[int],
    ) -> Sequence[object]:
        """Call a method, sending file descriptors; the body names them by their place."""

    async def subscribe(self, match: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Have ``listener`` told of matching signals."""

    async def watch_name(self, name: str, listener: Callable[[str], None]) -> str:
        """Tell ``listener`` each new owner of ``name``; give the present one."""

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection has ended."""

    def close(self) -> None:
        """End the connection."""


class PortalPassword:
    """The application's own secret, kept for it by the desktop."""

    asks_person = False
    answers_alone = False

    def __init__(self, connect: Callable[[], Awaitable[DescriptorBus]]) -> None:
        """Use a connection of its own for each request, made by ``connect``."""
        self._connect = connect

    async def is_ready(self, request: KeyRequest) -> bool:  # noqa: ARG002  protocol
        """Tell that the desktop may give it."""
        return True

    async def read_password(self, request: KeyRequest) -> Secret | None:
        """Have the portal write the secret into a pipe.

        Raises:
            PasswordNeededError: The portal gave no secret.
            StoreTimeoutError: It took longer than any person.
            StoreUnavailableError: It ended before it answered.
            BusError: There is no portal.
        """
        # Not asyncio.timeout: the first steps of a call run outside of any task.
        work = asyncio.get_running_loop().create_task(self._retrieve(request))
        try:
            await asyncio.wait({work}, timeout=PATIENCE)
            if not work.done():
                raise StoreTimeoutError("the Secret portal did not answer")
            return work.result()
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _retrieve(self, request: KeyRequest) -> Secret | None:
        bus = await self._connect()
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                answer = await _ask(bus, writer, request)
            finally:
                os.close(writer)
                bus.close()
            if answer == _DISMISSED:
                return None
            if answer != _DONE:
                raise PasswordNeededError("the Secret portal gave no password")
            return await _read_secret(reader)
        finally:
            os.close(reader)


async def _ask(bus: DescriptorBus, writer: int, request: KeyRequest) -> int:
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def hear(signal: Signal) -> None:
        if not answered.done() and signal.body and isinstance(signal.body[0], int):
            answered.set_result(signal.body[0])

    token = f"kwallet_bridge_{secrets.token_hex(8)}"
    sender = bus.unique_name.removeprefix(":").replace(".", "_")
    path = f"{_DESKTOP_PATH}/request/{sender}/{token}"
    owner = ""

    def give_up(_: object = None) -> None:
        if not answered.done():
            answered.set_exception(StoreUnavailableError("the Secret portal has ended"))
            answered.exception()  # nobody has to look: the call may have failed as well

    def change(new: str) -> None:
        nonlocal owner
        # One that is started by our call takes nothing from us.
        if owner:
            give_up()
        owner = new

    await bus.subscribe(
        SignalMatch(sender=_DESKTOP, path=path, interface=_REQUEST, member="Response"), hear
    )
    owner = await bus.watch_name(_DESKTOP, change)
    bus.lost.add_done_callback(give_up)
    del request  # the portal shows nothing
    body = [0, {"handle_token": Variant("s", token)}]
    (handle,) = await bus.call_with_fds(
        _DESKTOP, _DESKTOP_PATH, _SECRET, "RetrieveSecret", "ha{sv}", body, fds=[writer]
    )
    if handle != path:
        raise StoreUnavailableError("the Secret portal is too old for request tokens")
    return await answered


async def _read_secret(reader: int) -> Secret:
    """Read until the portal has closed its end."""
    data = await read_to_end(reader, _SIZE)
    if len(data) != _SIZE:
        raise PasswordNeededError("the Secret portal's password has not the agreed length")
    return Secret(data)
