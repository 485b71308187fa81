# SPDX-License-Identifier: GPL-3.0-or-later
"""The bus layer on a real bus daemon."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.port import Signal, SignalMatch, Variant
from kwallet_bridge.errors import BusLostError, BusReplyError, BusTimeoutError, NameTakenError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.private_bus import PrivateBus

    from kwallet_bridge.bus.incoming import IncomingCall

NAME = "org.example.Echo"
PATH = "/echo"
BIG = "x" * 65536


def _answer(call: IncomingCall) -> None:
    if call.member == "Echo":
        call.reply(call.signature, call.body)
    elif call.member == "Badly":
        huge = ["x" * (1 << 20)] * 65
        for signature, value in (
            ("u", "no number"),
            ("s", "a\0b"),
            ("as", ["a\0b"]),
            ("as", huge),
            ("a{sv}", {str(n): Variant("s", text) for n, text in enumerate(huge)}),
        ):
            with pytest.raises(TypeError):
                call.reply(signature, [value])
        call.fail("org.example.Failed", "")
    elif call.member != "Silence":
        call.fail("org.example.Unknown", "")


@pytest.fixture
async def echo(bus: PrivateBus) -> AsyncIterator[BusConnection]:
    """A service that gives back what it is sent, and never answers ``Silence``."""
    connection = await BusConnection.connect(bus.address)
    connection.serve(_answer)
    await connection.request_name(NAME)
    yield connection
    connection.close()


@pytest.fixture
async def client(bus: PrivateBus) -> AsyncIterator[BusConnection]:
    """Another connection."""
    connection = await BusConnection.connect(bus.address)
    yield connection
    connection.close()


async def _echo(client: BusConnection, text: str) -> object:
    (answer,) = await client.call(NAME, PATH, "a.b", "Echo", "s", [text])
    return answer


async def test_2000_pipelined_calls_of_64_kib_are_all_answered(
    echo: BusConnection, client: BusConnection
) -> None:
    """A full socket buffer ends neither the caller's connection nor the service's."""
    answers = await asyncio.gather(*[_echo(client, BIG) for _ in range(2000)])
    assert answers == [BIG] * 2000
    assert not client.lost.done()
    assert not echo.lost.done()


async def test_a_client_that_stops_reading_leaves_the_others_served(
    bus: PrivateBus, echo: BusConnection, client: BusConnection
) -> None:
    """Somebody who asks and never reads costs nobody else an answer."""
    deaf = await BusConnection.connect(bus.address)
    descriptor = deaf._engine._fd
    assert descriptor is not None
    asyncio.get_running_loop().remove_reader(descriptor)
    waiting = [
        asyncio.ensure_future(deaf.call(NAME, PATH, "a.b", "Echo", "s", [BIG], timeout=None))
        for _ in range(500)
    ]
    answers = await asyncio.gather(*[_echo(client, BIG) for _ in range(200)])
    assert answers == [BIG] * 200
    for call in waiting:
        call.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    deaf.close()


async def test_a_small_send_buffer_keeps_messages_whole_and_in_order(
    echo: BusConnection, client: BusConnection
) -> None:
    """Partly sent messages go on where they stopped."""
    sock = client._engine._sock
    assert sock is not None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    texts = [f"{number}" * 3000 for number in range(100)]
    assert await asyncio.gather(*[_echo(client, text) for text in texts]) == texts


async def test_errors_keep_their_name(echo: BusConnection, client: BusConnection) -> None:
    """An error reply is told by its D-Bus name."""
    with pytest.raises(BusReplyError) as caught:
        await client.call(NAME, PATH, "a.b", "Nothing")
    assert caught.value.name == "org.example.Unknown"


async def test_a_reply_of_the_wrong_type_can_still_be_refused(
    echo: BusConnection, client: BusConnection
) -> None:
    """A body the engine cannot send leaves the call answerable."""
    with pytest.raises(BusReplyError) as caught:
        await client.call(NAME, PATH, "a.b", "Badly")
    assert caught.value.name == "org.example.Failed"


async def test_an_unanswered_call_ends_by_its_deadline(
    echo: BusConnection, client: BusConnection
) -> None:
    """Silence is an error of its own."""
    with pytest.raises(BusTimeoutError):
        await client.call(NAME, PATH, "a.b", "Silence", timeout=0.05)


async def test_variants_travel_both_ways(echo: BusConnection, client: BusConnection) -> None:
    """Nested variants arrive as ours, and print no value."""
    sent = {"a": Variant("av", [Variant("s", "hidden"), Variant("i", 7)])}
    (answer,) = await client.call(NAME, PATH, "a.b", "Echo", "a{sv}", [sent])
    assert answer == sent
    assert "hidden" not in repr(answer)


async def test_a_taken_name_is_an_error(echo: BusConnection, client: BusConnection) -> None:
    """We never queue for a name."""
    with pytest.raises(NameTakenError):
        await client.request_name(NAME)


async def test_signals_reach_who_asked_for_them(echo: BusConnection, client: BusConnection) -> None:
    """A subscription by well-known name, path and member gets that signal and no other."""
    got: asyncio.Queue[Signal] = asyncio.Queue()
    await client.subscribe(
        SignalMatch(sender=NAME, path_namespace=PATH, member="Moved"), got.put_nowait
    )
    echo.emit("/elsewhere", "a.b", "Moved", "s", ["no"])
    echo.emit(PATH, "a.b", "Other", "s", ["no"])
    echo.emit(PATH + "/below", "a.b", "Moved", "s", ["yes"])
    assert (await got.get()).body == ["yes"]
    assert got.empty()


async def test_a_new_owner_is_told(bus: PrivateBus, client: BusConnection) -> None:
    """Coming and going of a name's owner is seen."""
    seen: asyncio.Queue[str] = asyncio.Queue()
    assert await client.watch_name(NAME, seen.put_nowait) == ""
    other = await BusConnection.connect(bus.address)
    await other.request_name(NAME)
    assert await seen.get() == other.unique_name
    other.close()
    assert await seen.get() == ""


async def test_the_end_of_the_bus_ends_every_call(bus: PrivateBus, echo: BusConnection) -> None:
    """Whoever waits when the bus goes is told so, and ``lost`` says it too."""
    waiting = asyncio.ensure_future(echo.call(NAME, PATH, "a.b", "Silence", timeout=None))
    await echo.flush()
    assert bus._daemon is not None
    bus._daemon.kill()
    with pytest.raises(BusLostError):
        await waiting
    with pytest.raises(BusLostError):
        await echo.lost
    with pytest.raises(BusLostError):
        await echo.flush()
