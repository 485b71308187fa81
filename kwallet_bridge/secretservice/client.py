# SPDX-License-Identifier: GPL-3.0-or-later
"""The Secret Service's methods, one function each, on one owner of the provider's name.

Everything is sent to the owner's unique name: a provider that restarts in mid-call can never be
handed paths that named something else in its predecessor. D-Bus error names become our errors
here and nowhere else, and every reply's shape is checked here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.errors import (
    BusError,
    BusLostError,
    BusReplyError,
    BusTimeoutError,
    StoreError,
    StoreLockedError,
    StoreRefusedError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from kwallet_bridge.secretservice import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kwallet_bridge.bus.port import Bus

WireSecret = tuple[str, bytes, bytes, str]
"""The specification's Secret: session, parameters, value, content type."""

CALLS_IN_FLIGHT = 32
READY_TIMEOUT = 15.0
"""Seconds that a provider which just came gets to have its objects behind its name."""
_FIRST_LOOK = 0.05
_LAST_LOOK = 1.0


class ObjectGoneError(StoreRefusedError):
    """The provider knows no such object (any more)."""


class ProviderSessionLostError(StoreRefusedError):
    """The provider does not know our session (any more)."""


class ReplyTooLargeError(StoreRefusedError):
    """The answer is larger than the bus, or the provider, allows."""


class MalformedReplyError(StoreRefusedError):
    """The provider answered in a form the specification does not have."""


def next_look(age: float) -> float:
    """Give the seconds until the next look at a provider that is not ready, fewer while young."""
    return min(max(age, _FIRST_LOOK), _LAST_LOOK)


def translate(error: BusError) -> StoreError:
    """Make one of our errors of what the bus reports."""
    if isinstance(error, BusReplyError):
        return _translate_name(error.name)
    if isinstance(error, BusTimeoutError):
        return StoreTimeoutError("the Secret Service provider did not answer in time")
    if isinstance(error, BusLostError):
        return StoreUnavailableError("the message bus is gone")
    return StoreUnavailableError("the Secret Service provider cannot be reached")


def _translate_name(name: str) -> StoreError:
    if name in names.IS_LOCKED:
        return StoreLockedError("the collection or item is locked", dbus_name=name)
    if name in names.PROVIDER_GONE:
        return StoreUnavailableError("the Secret Service provider went away", dbus_name=name)
    if name in names.OBJECT_GONE:
        return ObjectGoneError("the provider has no such object", dbus_name=name)
    if name in names.NO_SESSION:
        return ProviderSessionLostError("the provider lost our session", dbus_name=name)
    if name in names.TIMED_OUT:
        return StoreTimeoutError("the provider gave up on a call", dbus_name=name)
    kind = ReplyTooLargeError if name == names.LIMITS_EXCEEDED else StoreRefusedError
    return kind("the Secret Service provider refused", dbus_name=name)


class ServiceClient:
    """The methods of one provider process."""

    def __init__(self, bus: Bus, owner: str, *, timeout: float) -> None:
        """Speak to the unique name ``owner``; every call but prompts ends within ``timeout``."""
        self.owner = owner
        self.gone = False
        self._bus = bus
        self._timeout = timeout
        self._slots = asyncio.Semaphore(CALLS_IN_FLIGHT)
        self._since = asyncio.get_running_loop().time()

    async def _call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
    ) -> Sequence[object]:
        if self.gone:
            raise StoreUnavailableError("the Secret Service provider went away")
        async with self._slots:
            try:
                return await self._bus.call(
                    self.owner,
                    path,
                    interface,
                    member,
                    signature,
                    body,
                    timeout=self._timeout,
                    auto_start=False,
                )
            except BusError as error:
                raise translate(error) from error

    async def _ask_service(
        self, interface: str, member: str, signature: str, body: Sequence[object]
    ) -> Sequence[object]:
        """Call the service's own object, which a provider may have only after its name.

        Raises:
            StoreUnavailableError: It had its time.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._call(names.ROOT, interface, member, signature, body)
            except ObjectGoneError as error:
                if error.dbus_name not in names.NOT_CALLABLE:
                    raise
                age = loop.time() - self._since
                if age >= READY_TIMEOUT:
                    raise StoreUnavailableError(
                        "the Secret Service provider does not offer its service",
                        dbus_name=error.dbus_name,
                    ) from error
            await asyncio.sleep(next_look(age))

    # --- Service ---------------------------------------------------------------------------

    async def open_session(self, algorithm: str, data: Variant) -> tuple[object, str]:
        """Open a session; gives the provider's output and the session's path."""
        reply = await self._ask_service(names.SERVICE, "OpenSession", "sv", [algorithm, data])
        output, path = _pair(reply)
        return _unwrap(output), _path(path)

    async def create_collection(self, label: str) -> tuple[str, str]:
        """Ask for a collection without alias; gives collection and prompt."""
        properties = {names.COLLECTION_LABEL: Variant("s", label)}
        reply = await self._call(
            names.ROOT, names.SERVICE, "CreateCollection", "a{sv}s", [properties, ""]
        )
        collection, prompt = _pair(reply)
        return _path(collection), _path(prompt)

    async def unlock(self, paths: Sequence[str]) -> tuple[Sequence[str], str]:
        """Ask to unlock objects; gives those done at once and a prompt for the rest."""
        return await self._change_lock("Unlock", paths)

    async def lock(self, paths: Sequence[str]) -> tuple[Sequence[str], str]:
        """Ask to lock objects; gives those done at once and a prompt for the rest."""
        return await self._change_lock("Lock", paths)

    async def _change_lock(self, member: str, paths: Sequence[str]) -> tuple[Sequence[str], str]:
        reply = await self._call(names.ROOT, names.SERVICE, member, "ao", [list(paths)])
        done, prompt = _pair(reply)
        return _paths(done), _path(prompt)

    async def get_secrets(self, paths: Sequence[str], session: str) -> Mapping[str, WireSecret]:
        """Read many secrets; what is locked or gone is left out, by most providers."""
        reply = await self._call(names.ROOT, names.SERVICE, "GetSecrets", "aoo", [paths, session])
        found = _single(reply)
        if not isinstance(found, dict):
            raise _malformed()
        return {path: _secret(value) for path, value in found.items()}

    async def read_alias(self, alias: str) -> str:
        """Resolve an alias; ``/`` for none."""
        return _path(_single(await self._ask_service(names.SERVICE, "ReadAlias", "s", [alias])))

    async def list_collections(self) -> Sequence[str]:
        """List the paths of all collections."""
        body = [names.SERVICE, "Collections"]
        return _paths(
            _unwrap(_single(await self._ask_service(names.PROPERTIES, "Get", "ss", body)))
        )

    # --- Collection ------------------------------------------------------------------------

    async def delete_collection(self, path: str) -> str:
        """Delete a collection; gives a prompt or ``/``."""
        return _path(_single(await self._call(path, names.COLLECTION, "Delete")))

    async def search_items(self, path: str, attributes: Mapping[str, str]) -> Sequence[str]:
        """Find items of one collection."""
        reply = await self._call(path, names.COLLECTION, "SearchItems", "a{ss}", [dict(attributes)])
        return _paths(_single(reply))

    async def list_items(self, path: str) -> Sequence[str]:
        """List all items of one collection."""
        return _paths(await self.read_property(path, names.COLLECTION, "Items"))

    async def create_item(
        self,
        path: str,
        label: str,
        attributes: Mapping[str, str],
        secret: WireSecret,
        *,
        replace: bool,
    ) -> tuple[str, str]:
        """Store an item; gives item and prompt."""
        # Exactly these two: one provider refuses unknown properties, another never answers
        # when one of them is missing.
        properties = {
            names.ITEM_LABEL: Variant("s", label),
            names.ITEM_ATTRIBUTES: Variant("a{ss}", dict(attributes)),
        }
        reply = await self._call(
            path,
            names.COLLECTION,
            "CreateItem",
            "a{sv}(oayays)b",
            [properties, list(secret), replace],
        )
        item, prompt = _pair(reply)
        return _path(item), _path(prompt)

    # --- Item ------------------------------------------------------------------------------

    async def get_secret(self, path: str, session: str) -> WireSecret:
        """Read one secret."""
        return _secret(_single(await self._call(path, names.ITEM, "GetSecret", "o", [session])))

    async def delete_item(self, path: str) -> str:
        """Delete an item; gives a prompt or ``/``."""
        return _path(_single(await self._call(path, names.ITEM, "Delete")))

    async def set_attributes(self, path: str, attributes: Mapping[str, str]) -> None:
        """Set an item's attributes."""
        value = Variant("a{ss}", dict(attributes))
        body = [names.ITEM, "Attributes", value]
        await self._call(path, names.PROPERTIES, "Set", "ssv", body)

    # --- properties ------------------------------------------------------------------------

    async def read_properties(self, path: str, interface: str) -> Mapping[str, object]:
        """Read all properties of an object, out of their variants."""
        reply = await self._call(path, names.PROPERTIES, "GetAll", "s", [interface])
        found = _single(reply)
        if not isinstance(found, dict):
            raise _malformed()
        return {name: _unwrap(value) for name, value in found.items()}

    async def read_property(self, path: str, interface: str, name: str) -> object:
        """Read one property, out of its variant."""
        reply = await self._call(path, names.PROPERTIES, "Get", "ss", [interface, name])
        return _unwrap(_single(reply))

    async def read_locked(self, path: str, interface: str) -> bool:
        """Read whether a collection or item is locked."""
        locked = await self.read_property(path, interface, "Locked")
        if not isinstance(locked, bool):
            raise _malformed()
        return locked

    # --- Session, Prompt -------------------------------------------------------------------

    def close_session(self, path: str) -> None:
        """Close a session, without waiting."""
        self._bus.send_call(self.owner, path, names.SESSION, "Close")

    async def show_prompt(self, path: str, window_id: str) -> None:
        """Have a prompt shown. A person may take any time, and so may this call."""
        try:
            await self._bus.call(
                self.owner,
                path,
                names.PROMPT,
                "Prompt",
                "s",
                [window_id],
                timeout=None,
                auto_start=False,
            )
        except BusError as error:
            raise translate(error) from error

    def dismiss_prompt(self, path: str) -> None:
        """Take a prompt back, without waiting."""
        self._bus.send_call(self.owner, path, names.PROMPT, "Dismiss")


# --- shapes of replies --------------------------------------------------------------------------


def _malformed() -> MalformedReplyError:
    return MalformedReplyError("the provider answered in an unknown form")


def _single(reply: Sequence[object]) -> object:
    if len(reply) != 1:
        raise _malformed()
    return reply[0]


def _pair(reply: Sequence[object]) -> tuple[object, object]:
    if len(reply) != 2:
        raise _malformed()
    return reply[0], reply[1]


def _unwrap(value: object) -> object:
    if not isinstance(value, Variant):
        raise _malformed()
    return value.value


def _path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise _malformed()
    return value


def _paths(value: object) -> Sequence[str]:
    if not isinstance(value, list):
        raise _malformed()
    return [_path(path) for path in value]


def _secret(value: object) -> WireSecret:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise _malformed()
    session, parameters, data, content_type = value
    if not (
        isinstance(session, str)
        and isinstance(parameters, bytes)
        and isinstance(data, bytes)
        and isinstance(content_type, str)
    ):
        raise _malformed()
    return session, parameters, data, content_type
