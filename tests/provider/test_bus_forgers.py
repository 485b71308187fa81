# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody on the bus can answer for another, and old news never replace newer ones."""

from __future__ import annotations

import array
import asyncio
import fcntl
import termios
import time
from typing import TYPE_CHECKING

import pytest
from support.forger import Forger
from support.stand_in import write_stand_in

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.owners import NO_OWNER, call_owner, find_owner
from kwallet_bridge.bus.port import Signal, SignalMatch
from kwallet_bridge.errors import BusReplyError
from kwallet_bridge.wire.peers import Peers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from dbus_fast import Message
    from support.client import RawClient
    from support.private_bus import PrivateBus

    from kwallet_bridge.bus.incoming import IncomingCall

NAME = "org.example.Vault"
OTHER_NAME = "org.example.Vault.Other"
PATH = "/vault"
ABSENT = "org.freedesktop.DBus.Error.UnknownObject"
NOT_PROVIDED = "org.freedesktop.DBus.Error.ServiceUnknown"


class Vault:
    """A service that answers a call only when told to."""

    def __init__(self, connection: BusConnection) -> None:
        self.connection = connection
        self.asked: asyncio.Queue[IncomingCall] = asyncio.Queue()
        connection.serve(self.asked.put_nowait)

    @classmethod
    async def open(cls, bus: PrivateBus, *names: str) -> Vault:
        """Connect and own names."""
        vault = cls(await BusConnection.connect(bus.address))
        for name in names:
            await vault.connection.request_name(name)
        return vault


@pytest.fixture
async def vault(bus: PrivateBus) -> AsyncIterator[Vault]:
    """A service with two names."""
    opened = await Vault.open(bus, NAME, OTHER_NAME)
    yield opened
    opened.connection.close()


@pytest.fixture
async def client(bus: PrivateBus) -> AsyncIterator[BusConnection]:
    """The connection that is lied to."""
    connection = await BusConnection.connect(bus.address)
    yield connection
    connection.close()


@pytest.fixture
def forger(bus: PrivateBus) -> Iterator[Forger]:
    """The liar."""
    with Forger.connect(bus.address) as liar:
        yield liar


@pytest.mark.parametrize("name", ["", NAME, OTHER_NAME])
@pytest.mark.parametrize("error", ["", ABSENT])
async def test_only_who_was_called_answers(
    vault: Vault, client: BusConnection, forger: Forger, name: str, error: str
) -> None:
    """Forged returns and errors come first, and the true answer is the one that counts."""
    whom = name or vault.connection.unique_name
    waiting = asyncio.ensure_future(client.call(whom, PATH, "a.b", "Read"))
    call = await vault.asked.get()
    forger.forge_answers(client.unique_name, "s", ["forged"], error=error)
    call.reply("s", ["true"])
    assert await waiting == ["true"]


async def test_the_bus_still_tells_that_who_was_called_left(
    vault: Vault, client: BusConnection
) -> None:
    """An error by the bus itself counts for any call."""
    waiting = asyncio.ensure_future(
        client.call(vault.connection.unique_name, PATH, "a.b", "Read", timeout=None)
    )
    await vault.asked.get()
    vault.connection.close()
    with pytest.raises(BusReplyError) as caught:
        await waiting
    assert caught.value.name == "org.freedesktop.DBus.Error.NoReply"


async def test_nobody_answers_for_the_bus(
    vault: Vault, client: BusConnection, forger: Forger
) -> None:
    """Owners and process ids come from the bus alone."""
    # What is forged waits in our socket when the question is sent: it is read before the answer.
    forger.forge_answers(client.unique_name, "s", [forger.unique_name])
    assert await client.name_owner(NAME) == vault.connection.unique_name
    forger.forge_answers(client.unique_name, "s", [""], error=NO_OWNER)
    assert await client.name_owner(NAME) == vault.connection.unique_name
    forger.forge_owner(
        client.unique_name, NAME, before=vault.connection.unique_name, owner=forger.unique_name
    )
    assert await client.name_owner(NAME) == vault.connection.unique_name


async def test_nobody_says_which_process_another_is(
    bus: PrivateBus, client: BusConnection, forger: Forger
) -> None:
    """The program behind a peer is what the bus says."""
    peers = Peers(client, vanished=lambda _: None)
    caller = bus.client()
    peers.seen(caller.unique_name)
    forger.forge_answers(client.unique_name, "u", [1])
    program = await peers.program(caller.unique_name)
    assert program is not None
    assert (
        program.pid == caller.bus_call("GetConnectionUnixProcessID", "s", caller.unique_name).value
    )
    assert program.pid != 1


async def test_signals_count_from_the_owner_alone(
    vault: Vault, client: BusConnection, forger: Forger
) -> None:
    """A forged change of owner gives the forger no voice, and takes nobody's."""
    heard: asyncio.Queue[Signal] = asyncio.Queue()
    owners: list[str] = []
    await client.subscribe(SignalMatch(sender=NAME, member="Moved"), heard.put_nowait)
    assert await client.watch_name(NAME, owners.append) == vault.connection.unique_name
    forger.forge_owner(client.unique_name, NAME, before="", owner=forger.unique_name)
    forger.forge_signal(client.unique_name, PATH, "a.b", "Moved", ["forged"])
    vault.connection.emit(PATH, "a.b", "Moved", "s", ["true"])
    assert (await heard.get()).body == ["true"]
    assert owners == []


# --- who owns a name ----------------------------------------------------------------------------


@pytest.mark.starts_services
@pytest.mark.starts_services
async def test_a_call_starts_who_can_be_started(
    bus: PrivateBus, client: BusConnection, tmp_path: Path
) -> None:
    """A provider that has no owner yet is started by the call, and its answer counts."""
    bus.make_activatable(NAME, [str(write_stand_in(tmp_path / "vault", [NAME]))])
    with pytest.raises(BusReplyError) as caught:
        await client.call(NAME, PATH, "a.b", "Read", auto_start=False)
    assert caught.value.name == NO_OWNER
    assert await client.call(NAME, PATH, "a.b", "Read") == [True]


async def test_a_name_that_nobody_has_is_an_error(client: BusConnection) -> None:
    """The bus's own error says so."""
    with pytest.raises(BusReplyError) as caught:
        await client.call(NAME, PATH, "a.b", "Read")
    assert caught.value.name == NOT_PROVIDED


async def test_a_name_that_changed_hands_is_asked_again() -> None:
    """An owner that left before the call reached it was not called; its successor answers."""
    owners = iter([":1.1", ":1.2", ":1.2"])
    called: list[str] = []

    async def ask(member: str, *_: object, **__: object) -> Sequence[object]:
        assert member == "GetNameOwner"
        return [next(owners)]

    async def send(owner: str, _: float | None) -> Sequence[object]:
        called.append(owner)
        if owner == ":1.1":
            raise BusReplyError(NOT_PROVIDED)
        return ["answer"]

    assert await call_owner(ask, NAME, send, patience=9, auto_start=True) == ["answer"]
    assert called == [":1.1", ":1.2"]


async def test_an_owner_that_refuses_is_asked_once() -> None:
    """The same owner's error is the answer, whatever its name."""
    called: list[str] = []

    async def ask(*_: object, **__: object) -> Sequence[object]:
        return [":1.1"]

    async def send(owner: str, _: float | None) -> Sequence[object]:
        called.append(owner)
        raise BusReplyError(NOT_PROVIDED)

    with pytest.raises(BusReplyError):
        await call_owner(ask, NAME, send, patience=9, auto_start=True)
    assert called == [":1.1"]


async def test_another_error_is_not_nobody() -> None:
    """A bus that does not say who owns a name is no proof that nobody does."""

    async def ask(*_: object, **__: object) -> Sequence[object]:
        raise BusReplyError("org.freedesktop.DBus.Error.LimitsExceeded")

    with pytest.raises(BusReplyError):
        await find_owner(ask, NAME)


def _waiting_bytes(client: BusConnection) -> int:
    """Return how much lies unread in the client's socket."""
    assert client._engine._fd is not None
    size = array.array("i", [0])
    fcntl.ioctl(client._engine._fd, termios.FIONREAD, size)
    return size[0]


def _wait_for_more(client: BusConnection, other: RawClient, known: int) -> None:
    """Wait until more than ``known`` bytes lie unread; each look is a round trip of the bus."""
    deadline = time.monotonic() + 10
    while _waiting_bytes(client) <= known:
        assert time.monotonic() < deadline, "nothing came"
        other.bus_call("GetId")


def _take_name_after_the_answer(client: BusConnection, newcomer: RawClient, name: str) -> None:
    """Have ``newcomer`` own ``name`` when the bus has said that nobody does, and we have not read.

    The answer and the news then wait in our socket together.
    """
    write = client._writer.schedule_write

    def written(message: Message | None = None, future: object = None) -> None:
        write(message)
        if message is not None and message.member == "GetNameOwner":
            client._writer.schedule_write = write  # type: ignore[method-assign]
            _wait_for_more(client, newcomer, 0)
            waiting = _waiting_bytes(client)
            assert newcomer.bus_call("RequestName", "su", name, 4).value == 1
            # The bus may answer the newcomer before it writes the news to us.
            _wait_for_more(client, newcomer, waiting)

    client._writer.schedule_write = written  # type: ignore[method-assign]


async def test_news_of_an_owner_outlive_an_older_answer(
    client: BusConnection, forger: Forger
) -> None:
    """An owner that came while we asked is the one whose signals are heard."""
    heard: asyncio.Queue[Signal] = asyncio.Queue()
    _take_name_after_the_answer(client, forger, NAME)
    await client.subscribe(SignalMatch(sender=NAME, member="Moved"), heard.put_nowait)
    forger.forge_signal(client.unique_name, PATH, "a.b", "Moved", ["true"])
    async with asyncio.timeout(10):
        assert (await heard.get()).body == ["true"]


async def test_the_present_owner_is_the_newest(client: BusConnection, forger: Forger) -> None:
    """What a watch gives is not older than what it told."""
    told: list[str] = []
    _take_name_after_the_answer(client, forger, NAME)
    assert await client.watch_name(NAME, told.append) == forger.unique_name
    assert told == [forger.unique_name]


async def test_two_that_subscribe_at_once_both_know_the_owner(
    vault: Vault, client: BusConnection
) -> None:
    """The second subscription returns when signals are heard, not before."""
    heard: asyncio.Queue[Signal] = asyncio.Queue()
    match = SignalMatch(sender=NAME, member="Moved")
    first = asyncio.ensure_future(client.subscribe(match, heard.put_nowait))
    await client.subscribe(match, heard.put_nowait)
    assert client._listeners.owners[NAME] == vault.connection.unique_name
    await first


async def test_a_failed_subscription_is_tried_afresh(bus: PrivateBus, vault: Vault) -> None:
    """An owner that could not be asked for is asked for by the next one."""
    client = await BusConnection.connect(bus.address)
    match = SignalMatch(sender=NAME, member="Moved")
    broken = asyncio.ensure_future(client.subscribe(match, lambda _: None))
    await asyncio.sleep(0)
    broken.cancel()
    await asyncio.wait([broken])
    await client.subscribe(match, lambda _: None)
    assert client._listeners.owners[NAME] == vault.connection.unique_name
    client.close()
