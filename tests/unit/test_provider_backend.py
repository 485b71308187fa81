# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.port import Signal, SignalMatch, Variant
from kwallet_bridge.ciphers import AesCbc
from kwallet_bridge.errors import BusReplyError
from kwallet_bridge.secret import Secret
from kwallet_bridge.secretservice import dh, names
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.client import CALLS_IN_FLIGHT
from kwallet_bridge.store.port import CollectionId, ItemSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

LOGIN = "/org/freedesktop/secrets/collection/login"
OWNER = ":1.9"
SESSION = "/org/freedesktop/secrets/session/s1"
VALUE = b"canary in the wallet"


class StubBus:
    """Answers at once, unless ``gate`` is there to wait for; counts what is under way."""

    unique_name = ":1.1"

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.flying = 0
        self.peak = 0
        self.cipher: AesCbc | None = None
        self.sent: list[tuple[str, str]] = []

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        **_: object,
    ) -> Sequence[object]:
        """Answer a call."""
        self.sent.append((destination, member))
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        try:
            if self.gate is not None and destination == OWNER:
                await self.gate.wait()
        finally:
            self.flying -= 1
        answer: list[object] = getattr(self, f"_{member}".lower())(*body)
        return answer

    async def subscribe(self, match: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Hear nothing."""

    async def watch_name(self, name: str, listener: Callable[[str], None]) -> str:
        """Give the owner."""
        return OWNER

    def send_call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
    ) -> None:
        """Take note."""
        self.sent.append((destination, member))

    def _getnameowner(self, _: str) -> list[object]:
        return [":1.77"]

    def _getconnectionunixprocessid(self, _: str) -> list[object]:
        return [0]

    def _opensession(self, _: str, key: Any) -> list[object]:
        self.cipher = AesCbc(dh.derive_session_key(5, key.value))
        return [Variant("ay", dh.public_key(5)), SESSION]

    def _searchitems(self, _: object) -> list[object]:
        return [[f"{LOGIN}/1"]]

    def _get(self, interface: str, name: str) -> list[object]:
        return [Variant("b", value=False)]

    def _getsecret(self, session: str) -> list[object]:
        assert self.cipher is not None
        return [[session, *self.cipher.encrypt(VALUE), "text/plain"]]


async def finish(coroutine: Coroutine[Any, Any, object]) -> tuple[object, int]:
    """Step a coroutine outside of any task, as the daemon does; gives result and suspensions."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[object, int]] = loop.create_future()
    count = 0

    def step(_: object = None) -> None:
        nonlocal count
        assert asyncio.current_task() is None
        try:
            waiting = coroutine.send(None)
        except StopIteration as stop:
            done.set_result((stop.value, count))
            return
        count += 1
        waiting._asyncio_future_blocking = False
        waiting.add_done_callback(step)

    loop.call_soon(step)
    return await done


async def test_it_can_be_stepped_outside_of_a_task() -> None:
    """First contact, handshake, search and read need no current task."""
    backend = SecretServiceBackend(StubBus())
    items, _ = await finish(backend.search(CollectionId(LOGIN), {"user": "k"}))
    assert isinstance(items, list)
    secrets, _ = await finish(backend.read_secrets(items))
    assert secrets == {items[0]: ItemSecret(Secret(VALUE))}


async def test_a_provider_that_comes_while_none_is_told_is_used() -> None:
    """A failed start does not fail those who wait for a provider that is there by then."""
    heard: list[Callable[[str], None]] = []

    class LateBus(StubBus):
        async def watch_name(self, name: str, listener: Callable[[str], None]) -> str:
            heard.append(listener)
            return ""

        def _startservicebyname(self, *_: object) -> list[object]:
            asyncio.get_running_loop().call_soon(heard[0], OWNER)
            raise BusReplyError("org.freedesktop.DBus.Error.ServiceUnknown")

    assert await SecretServiceBackend(LateBus()).is_locked(CollectionId(LOGIN)) is False


async def test_a_warm_read_adds_no_suspension_of_its_own() -> None:
    """With session and provider known, a read suspends for the bus alone."""
    bus = StubBus()
    backend = SecretServiceBackend(bus)
    items = await backend.search(CollectionId(LOGIN), {"user": "k"})
    await backend.read_secrets(items)
    bus.sent.clear()
    assert (await finish(backend.read_secrets(items)))[1] == 0
    assert bus.sent == [(OWNER, "GetSecret")]


async def test_no_more_calls_fly_than_the_provider_bears() -> None:
    """Of a hundred calls at once, at most 32 are under way."""
    bus = StubBus()
    backend = SecretServiceBackend(bus)
    await backend.is_locked(CollectionId(LOGIN))
    bus.gate, bus.peak = asyncio.Event(), 0
    loop = asyncio.get_running_loop()
    calls = [loop.create_task(backend.is_locked(CollectionId(LOGIN))) for _ in range(100)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert bus.flying == bus.peak == CALLS_IN_FLIGHT
    bus.gate.set()
    assert await asyncio.gather(*calls) == [False] * 100
    assert bus.peak == CALLS_IN_FLIGHT


async def test_everything_goes_to_the_owner_itself() -> None:
    """After first contact no call names the well-known name, where a successor would answer."""
    bus = StubBus()
    backend = SecretServiceBackend(bus)
    items = await backend.search(CollectionId(LOGIN), {"user": "k"})
    await backend.read_secrets(items)
    await backend.close()
    assert {destination for destination, _ in bus.sent} == {OWNER, names.DBUS}
    assert bus.sent[-1] == (OWNER, "Close")


async def test_nothing_prints_a_secret() -> None:
    """What comes out of a read shows no byte of the secret when printed."""
    backend = SecretServiceBackend(StubBus())
    items = await backend.search(CollectionId(LOGIN), {"user": "k"})
    assert "canary" not in repr(await backend.read_secrets(items))
