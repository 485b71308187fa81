# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from dbus_fast import Message
from support.services import Served

from kwallet_bridge.bus.incoming import FAILED, UNKNOWN_METHOD, IncomingCall
from kwallet_bridge.config import Settings
from kwallet_bridge.errors import (
    BridgeError,
    ElsewhereError,
    HandleError,
    StoreTimeoutError,
    WalletNotFoundError,
)
from kwallet_bridge.wallet.quota import CALL_WEIGHT, Quota
from kwallet_bridge.wire.dispatch import Dispatcher

if TYPE_CHECKING:
    from collections.abc import Callable


class _Peers:
    def seen(self, peer: str) -> None:
        """Nobody is watched here."""

    def describe(self, peer: str) -> str:
        """Name nobody."""
        return peer


class _Line:
    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        """Keep what would be sent."""
        self.sent.append(message)

    def send_raw(self, encode: Callable[[int], bytes | None]) -> bool:
        """Leave everything to :meth:`send`."""
        return False


def _dispatcher(world: Served) -> Dispatcher:
    return Dispatcher(
        loop=asyncio.get_running_loop(),
        service=world.service,
        contents=world.contents,
        peers=_Peers(),  # type: ignore[arg-type]
        quota=world.quota,
    )


def _call(line: _Line, serial: int, member: str, signature: str, *body: object) -> IncomingCall:
    message = Message(
        path="/modules/kwalletd5",
        interface="org.kde.KWallet",
        member=member,
        signature=signature,
        body=list(body),
        sender=":1.5",
        serial=serial,
    )
    return IncomingCall(message, line)


@pytest.mark.parametrize(
    ("error", "member", "signature", "answer"),
    [
        (HandleError("x"), "hasEntry", "isss", False),
        (HandleError("x"), "readPassword", "isss", ""),
        (HandleError("x"), "writePassword", "issss", -1),
        (WalletNotFoundError("x"), "hasEntry", "isss", FAILED),
        (WalletNotFoundError("x"), "readPassword", "isss", FAILED),
        (StoreTimeoutError("x"), "entryType", "isss", FAILED),
        (StoreTimeoutError("x"), "folderList", "is", FAILED),
        (StoreTimeoutError("x"), "writePassword", "issss", -1),
        (StoreTimeoutError("x"), "createFolder", "iss", False),
        (ElsewhereError("x"), "writePassword", "issss", FAILED),
        (ElsewhereError("x"), "createFolder", "iss", FAILED),
        (RuntimeError("a secret"), "readEntry", "isss", FAILED),
    ],
)
async def test_what_an_error_is_answered_with(
    error: Exception,
    member: str,
    signature: str,
    answer: object,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only what kwalletd refuses gets its refusal; a failing store never looks like "absent"."""
    world = Served()
    world.backend.add_collection("kdewallet")
    await world.open()

    async def fail(*_: object, **__: object) -> None:
        raise error

    for name in ("has_entry", "read_password", "write_password", "entry_type", "read_entry"):
        monkeypatch.setattr(world.contents, name, fail)
    for name in ("list_folders", "create_folder"):
        monkeypatch.setattr(world.contents, name, fail)
    dispatcher = _dispatcher(world)
    line = _Line()
    body = [1 if kind == "i" else "x" for kind in signature]
    dispatcher.handle(_call(line, 7, member, signature, *body))
    await dispatcher.lanes.drain()
    (sent,) = line.sent
    assert (sent.error_name or sent.body[0]) == answer
    assert "a secret" not in caplog.text
    assert "a secret" not in str(sent.body)
    assert isinstance(error, BridgeError) or "by our fault" in caplog.text


async def test_an_unknown_call_waits_for_its_turn() -> None:
    """The error for a call that nothing answers comes after the answers to earlier calls."""
    world = Served()
    world.backend.add_collection("kdewallet")
    handle = await world.open()
    dispatcher = _dispatcher(world)
    line = _Line()
    arguments = (handle, "F", "k", "value", "app")
    dispatcher.handle(_call(line, 7, "writePassword", "issss", *arguments))
    dispatcher.handle(_call(line, 8, "noSuchMethod", ""))
    assert line.sent == []
    await dispatcher.lanes.drain()
    assert [message.reply_serial for message in line.sent] == [7, 8]
    assert line.sent[1].error_name == UNKNOWN_METHOD


async def test_names_lose_their_byte_order_mark_and_passwords_do_not() -> None:
    """As where Qt reads, folder, key and application are found with and without the mark."""
    world = Served()
    world.backend.add_collection("kdewallet")
    handle = await world.open()
    dispatcher = _dispatcher(world)
    line = _Line()
    arguments = (handle, "\ufeffF", "\ufeffk", "\ufeffvalue", "\ufeffapp")
    dispatcher.handle(_call(line, 7, "writePassword", "issss", *arguments))
    dispatcher.handle(_call(line, 8, "readPassword", "isss", handle, "F", "k", "app"))
    dispatcher.handle(_call(line, 9, "entryList", "iss", handle, "\ufeff\ufeffF", "app"))
    await dispatcher.lanes.drain()
    assert [message.body for message in line.sent] == [[0], ["\ufeffvalue"], [[]]]


async def test_a_flood_is_refused_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """Calls beyond what may wait are answered with the bus's own error, and logged once."""
    world = Served(quota=Quota(2 * CALL_WEIGHT + 100))
    world.backend.add_collection("kdewallet", alias="default")
    gate = asyncio.Event()

    async def hold(_: str) -> None:
        await gate.wait()

    world.backend.gate = hold
    line, dispatcher = _Line(), _dispatcher(world)
    for serial in range(1, 7):
        dispatcher.handle(_call(line, serial, "wallets", ""))
    refused = [(sent.reply_serial, sent.error_name) for sent in line.sent]
    error = "org.freedesktop.DBus.Error.LimitsExceeded"
    assert refused == [(4, error), (5, error), (6, error)]
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    gate.set()
    await dispatcher.lanes.drain()
    assert [sent.reply_serial for sent in line.sent[3:]] == [1, 2, 3]
    await world.service.stop()


@pytest.mark.parametrize("before", [0, 1])
async def test_calls_behind_a_reconfigure_meet_the_new_settings(before: int) -> None:
    """As with kwalletd: the peer's own open too, even while the reading waits for its turn."""
    world = Served(settings=Settings(enabled=False))
    world.backend.add_collection("kdewallet")
    dispatcher = _dispatcher(world)
    world.settings = Settings(enabled=True)
    line = _Line()
    gate = asyncio.get_running_loop().create_future()
    if before:
        dispatcher.lanes.enter(":1.5", lambda: _wait(gate))
    dispatcher.handle(_call(line, 7, "reconfigure", ""))
    dispatcher.handle(_call(line, 8, "open", "sxs", "kdewallet", 0, "app"))
    dispatcher.handle(_call(line, 9, "isEnabled", ""))
    gate.set_result(None)
    await dispatcher.lanes.drain()
    answers = {message.reply_serial: message.body for message in line.sent}
    assert answers[7] == []
    assert answers[8][0] > 0
    assert answers[9] == [True]
    # Nothing is left behind that would have later opens wait.
    assert not dispatcher._rereading


async def _wait(gate: asyncio.Future[None]) -> None:
    await gate
