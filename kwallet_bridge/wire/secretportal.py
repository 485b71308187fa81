# SPDX-License-Identifier: GPL-3.0-or-later
"""The Secret portal's backend, as KDE's daemon is one: each sandboxed application's own secret.

``org.freedesktop.impl.portal.Secret`` at ``/org/freedesktop/portal/desktop``, under the name that
``kwallet.portal`` gives. Only the portal itself may call: it alone knows which application asks,
and anybody else could ask in another application's name.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus import incoming
from kwallet_bridge.bus.port import Variant
from kwallet_bridge.wire.aside import run_aside
from kwallet_bridge.wire.descriptors import write_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.bus.connection import BusConnection
    from kwallet_bridge.bus.incoming import IncomingCall
    from kwallet_bridge.wallet.appsecrets import ApplicationSecrets

BUS_NAME: Final = "org.freedesktop.impl.portal.desktop.kwallet"
PATH: Final = "/org/freedesktop/portal/desktop"
INTERFACE: Final = "org.freedesktop.impl.portal.Secret"
REQUEST: Final = "org.freedesktop.impl.portal.Request"
PORTAL: Final = "org.freedesktop.portal.Desktop"
VERSION: Final = 1
DONE, CANCELLED, FAILED = 0, 1, 2
ACCESS_DENIED: Final = "org.freedesktop.DBus.Error.AccessDenied"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_INTROSPECTABLE: Final = "org.freedesktop.DBus.Introspectable"
_MOST_REQUESTS: Final = 256
_MOST_OF_ONE: Final = 8
"""Requests of one application at a time: each may wait in a thread for its reader."""
_XML: Final = f"""\
<node>
  <interface name="{INTERFACE}">
    <method name="RetrieveSecret">
      <arg type="o" name="handle" direction="in"/>
      <arg type="s" name="app_id" direction="in"/>
      <arg type="h" name="fd" direction="in"/>
      <arg type="a{{sv}}" name="options" direction="in"/>
      <arg type="u" name="response" direction="out"/>
      <arg type="a{{sv}}" name="results" direction="out"/>
    </method>
    <property name="version" type="u" access="read"/>
  </interface>
</node>
"""

_log = logging.getLogger(__name__)


class SecretPortal:
    """Serves one connection, which passes descriptors and is used for nothing else."""

    def __init__(
        self,
        bus: BusConnection,
        secrets: ApplicationSecrets,
        *,
        seen: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Hand out ``secrets`` on ``bus``; ``seen`` is told who asks, before a wallet is opened."""
        self._bus = bus
        self._secrets = secrets
        self._seen = seen
        self._portal = ""
        self._requests: dict[str, _Request] = {}

    async def serve(self) -> None:
        """Answer calls, then own the name.

        Raises:
            NameTakenError: Another backend serves the portal.
        """
        self._portal = await self._bus.watch_name(PORTAL, self._on_portal)
        self._bus.serve(self._receive)
        await self._bus.request_name(BUS_NAME)

    async def stop(self) -> None:
        """Give up what is under way; no write to a descriptor begins any more."""
        tasks = [request.task for request in self._requests.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _on_portal(self, owner: str) -> None:
        if owner != self._portal:
            for request in self._requests.values():
                request.withdraw()
        self._portal = owner

    # --- calls ----------------------------------------------------------------------------------

    def _receive(self, call: IncomingCall) -> None:
        descriptors = call.take_descriptors()
        try:
            self._answer(call, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _answer(self, call: IncomingCall, descriptors: list[int]) -> None:
        handlers: dict[tuple[str, str, str], Callable[[IncomingCall, list[int]], None]] = {
            (INTERFACE, "RetrieveSecret", "osha{sv}"): self._retrieve,
            (REQUEST, "Close", ""): self._close,
            (_PROPERTIES, "Get", "ss"): _get,
            (_PROPERTIES, "GetAll", "s"): _get_all,
            (_INTROSPECTABLE, "Introspect", ""): _introspect,
        }
        handler = handlers.get((call.interface, call.member, call.signature))
        is_request = call.interface == REQUEST
        if handler is None or (call.path != PATH and not is_request):
            call.fail(incoming.UNKNOWN_METHOD, "there is no such method here")
            return
        handler(call, descriptors)

    def _retrieve(self, call: IncomingCall, descriptors: list[int]) -> None:
        if not self._portal or call.sender != self._portal:
            call.fail(ACCESS_DENIED, "only the portal may ask for an application's secret")
            return
        handle, application, place, _ = call.body
        if not isinstance(place, int) or not 0 <= place < len(descriptors) or not application:
            call.fail(incoming.INVALID_ARGS, "an application's id and a descriptor are wanted")
            return
        of_one = sum(one.application == application for one in self._requests.values())
        if (
            str(handle) in self._requests
            or len(self._requests) >= _MOST_REQUESTS
            or of_one >= _MOST_OF_ONE
        ):
            call.fail(incoming.FAILED, "this request is under way, or too many are")
            return
        self._seen(call.sender)
        request = _Request(call, str(application), os.dup(descriptors[place]))
        self._requests[str(handle)] = request
        request.task = asyncio.get_running_loop().create_task(self._hand_out(request))
        # Not in the task: one that is cancelled before its first step never runs.
        request.task.add_done_callback(lambda task: self._end(str(handle), task))

    def _close(self, call: IncomingCall, _: list[int]) -> None:
        request = self._requests.get(call.path)
        if request is None:
            call.fail(incoming.UNKNOWN_OBJECT, "there is no such request")
        elif call.sender != self._portal:
            call.fail(ACCESS_DENIED, "the request is the portal's")
        else:
            request.withdraw()
            call.reply()

    # --- one request ----------------------------------------------------------------------------

    async def _hand_out(self, request: _Request) -> None:
        secret = await self._secrets.read(request.application, caller=request.call.sender)
        request.is_writing = True
        own = os.dup(request.descriptor)

        def work() -> None:
            try:
                write_secret(own, secret)
            finally:
                os.close(own)

        try:
            writing = run_aside(work, name="hand out")
        except RuntimeError as error:
            os.close(own)
            raise OSError(errno.EAGAIN, "no thread can be started") from error
        await asyncio.shield(writing)

    def _end(self, handle: str, task: asyncio.Task[None]) -> None:
        request = self._requests.pop(handle)
        os.close(request.descriptor)
        response = DONE
        if task.cancelled():
            response = CANCELLED
        elif (error := task.exception()) is not None:
            response = FAILED
            # No text and no traceback: both may quote a name.
            _log.warning("an application's secret was not handed out: %s", type(error).__name__)
        request.call.reply("ua{sv}", [response, {}])


class _Request:
    """One application's wish for its secret, and the descriptor it is to be written to."""

    task: asyncio.Task[None]

    def __init__(self, call: IncomingCall, application: str, descriptor: int) -> None:
        self.call = call
        self.application = application
        self.descriptor = descriptor
        self.is_writing = False

    def withdraw(self) -> None:
        """Give it up, unless the secret is being written: a started write finishes."""
        if not self.is_writing:
            self.task.cancel()


def _get(call: IncomingCall, _: list[int]) -> None:
    if call.body == [INTERFACE, "version"]:
        call.reply("v", [Variant("u", VERSION)])
    else:
        call.fail("org.freedesktop.DBus.Error.UnknownProperty", "there is no such property")


def _get_all(call: IncomingCall, _: list[int]) -> None:
    known = {"version": Variant("u", VERSION)} if call.body == [INTERFACE] else {}
    call.reply("a{sv}", [known])


def _introspect(call: IncomingCall, _: list[int]) -> None:
    call.reply("s", [_XML])
