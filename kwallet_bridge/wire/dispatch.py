# SPDX-License-Identifier: GPL-3.0-or-later
"""From a call on the bus to its row, to the service, to the answer."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus import incoming
from kwallet_bridge.bus.port import Variant
from kwallet_bridge.errors import (
    AccessDeniedError,
    ElsewhereError,
    HandleEndedError,
    HandleError,
    StoreError,
    WalletDisabledError,
    WalletError,
)
from kwallet_bridge.wire.calls import CALLS, ERROR, INTERFACE
from kwallet_bridge.wire.generations import PATHS
from kwallet_bridge.wire.introspection import INTROSPECTABLE, PROPERTIES, children, introspect
from kwallet_bridge.wire.lanes import Lanes
from kwallet_bridge.wire.observed import OK, REFUSED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from kwallet_bridge.bus.incoming import IncomingCall
    from kwallet_bridge.wallet.contents import Contents
    from kwallet_bridge.wallet.quota import Quota
    from kwallet_bridge.wallet.service import WalletService
    from kwallet_bridge.wire.calls import Call
    from kwallet_bridge.wire.peers import Peers

    Work = Callable[[], Coroutine[Any, Any, None]]

_INTERFACES = (INTERFACE, "")
_REFUSALS = (HandleError, AccessDeniedError, WalletDisabledError)
"""What kwalletd refuses too. A collection that is not found behind a good handle is no refusal: it
may be hidden, and "absent" would have Chromium make a new key."""
_NEVER_ANSWERED = (ElsewhereError, HandleEndedError)
"""What is an error from every call: -1 or False may mean that something is not there."""
_REREADS = "reconfigure"
_MARK = "\ufeff"
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"
UNKNOWN_PROPERTY = "org.freedesktop.DBus.Error.UnknownProperty"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Bound:
    """A row with its handler bound and what dispatch needs of it worked out."""

    row: Call
    handler: Callable[..., Awaitable[object]]
    keywords: tuple[str, ...]
    element: str
    """Type of the values of an ``a{sv}`` answer; "" for other answers."""
    names: tuple[int, ...]
    """Which arguments are names: all strings but a password."""
    waits: bool
    """Whether the call waits for the peer's earlier ones; opens do not, a person may be slow.

    But for settings that are read again: what an open may do stands in them.
    """


class Dispatcher:
    """Answers every call that reaches our paths."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        service: WalletService,
        contents: Contents,
        peers: Peers,
        quota: Quota,
    ) -> None:
        """Serve calls with ``service`` and ``contents``; ``quota`` bounds what waits."""
        self._quota = quota
        self.lanes = Lanes(loop, quota)
        self._peers = peers
        self._rereading: Counter[str] = Counter()
        self.observer: Callable[[IncomingCall, float, str], None] | None = None
        """Told of each answered call: the call, its seconds, and its outcome in a word."""
        self._rows = {(row.member, row.signature): _bind(row, service, contents) for row in CALLS}
        if len(self._rows) != len(CALLS):
            raise ValueError("two rows answer one call")

    def observe_with(self, observer: Callable[[IncomingCall, float, str], None] | None) -> None:
        """Have each call that begins from now on told to ``observer``; None for nobody."""
        self.observer = observer

    def handle(self, call: IncomingCall) -> None:
        """Answer one call, now or later."""
        bound = self._rows.get((call.member, call.signature))
        if bound is None or call.path not in PATHS or call.interface not in _INTERFACES:
            # In its turn too, or the answer would overtake those of earlier calls.
            if not self.lanes.enter(call.sender, lambda: _answer_in_turn(call), call.body):
                self._refuse_flood(call)
            return
        self._peers.seen(call.sender)

        def work() -> Any:
            return self._run(bound, call)

        if call.member == _REREADS:
            taken = self._enter_reread(call, work)
        elif bound.waits:
            taken = self.lanes.enter(call.sender, work, call.body)
        elif call.sender in self._rereading:
            taken = self.lanes.enter(call.sender, self._start_free(call, work), call.body)
        else:
            taken = self.lanes.run_free(call.sender, work)
        if not taken:
            self._refuse_flood(call)

    def _enter_reread(self, call: IncomingCall, work: Work) -> bool:
        """Enter a call that has settings read again, for which the peer's later opens wait too."""
        peer = call.sender
        self._rereading[peer] += 1

        def end() -> None:
            self._rereading[peer] -= 1
            if not self._rereading[peer]:
                del self._rereading[peer]

        async def run() -> None:
            try:
                await work()
            finally:
                end()

        taken = self.lanes.enter(peer, run, call.body)
        if not taken:
            end()
        return taken

    def _start_free(self, call: IncomingCall, work: Work) -> Work:
        """Begin an open in its turn; nothing waits for its end."""

        async def run() -> None:
            if not self.lanes.run_free(call.sender, work):
                self._refuse_flood(call)

        return run

    def _refuse_flood(self, call: IncomingCall) -> None:
        call.fail(LIMITS_EXCEEDED, "too many of your calls are waiting")
        if call.sender not in self._quota.flooded:
            self._quota.flooded.add(call.sender)
            _log.warning(
                "%s sends more than can wait; calls are refused", self._peers.describe(call.sender)
            )

    async def _run(self, bound: _Bound, call: IncomingCall) -> None:
        started = time.perf_counter() if self.observer is not None else 0.0
        row = bound.row
        outcome = OK
        try:
            body: Sequence[Any] = call.body
            for place in bound.names:
                if body[place][:1] == _MARK:
                    body = _unmarked(body, place)
            answer = await bound.handler(
                call.sender, **dict(zip(bound.keywords, body, strict=True))
            )
            if not bound.waits and answer == row.refused:
                outcome = REFUSED
            _reply(bound, call, answer)
        except _REFUSALS as error:
            outcome = type(error).__name__
            _refuse(bound, call, row.refused)
            forget_frames(error)
        except asyncio.CancelledError:
            # We end while the call waits for a person.
            outcome = "cancelled"
            _refuse(bound, call, row.failed)
        except (StoreError, WalletError) as error:
            outcome = type(error).__name__
            _log.warning(
                "%s failed in the store (%s %s); %s asked",
                row.member,
                outcome,
                getattr(error, "dbus_name", ""),
                self._peers.describe(call.sender),
            )
            # "Not written" would have a program go on without what it has elsewhere, or had.
            answer = ERROR if isinstance(error, _NEVER_ANSWERED) else row.failed
            _refuse(bound, call, answer, str(error))
            forget_frames(error)
        except Exception as error:  # noqa: BLE001  one bad call must not end the service
            outcome = type(error).__name__
            # No text and no traceback: both may quote a value.
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            _log.error(
                "%s failed by our fault: %s at %s:%s",
                row.member,
                outcome,
                where.tb_frame.f_code.co_filename if where else "",
                where.tb_lineno if where else 0,
            )
            call.fail(incoming.FAILED, "internal error")
            forget_frames(error)
        if self.observer is not None and started:
            self.observer(call, time.perf_counter() - started, outcome)


def forget_frames(error: BaseException | None) -> None:
    """Let go of what the functions that failed held: values among it, else kept until a collection.

    The future a failed call waited for and the error hold each other.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _bind(row: Call, service: WalletService, contents: Contents) -> _Bound:
    owner = row.handler.__qualname__.partition(".")[0]
    part = {type(service).__name__: service, type(contents).__name__: contents}[owner]
    element = ""
    if row.result == "a{sv}":
        element = "s" if row.member.lower().endswith("passwordlist") else "ay"
    return _Bound(
        row=row,
        handler=getattr(part, row.handler.__name__),
        keywords=tuple(argument.keyword for argument in row.arguments),
        element=element,
        names=tuple(
            place
            for place, argument in enumerate(row.arguments)
            if argument.type == "s" and argument.name != "value"
        ),
        waits=not row.member.startswith("open"),
    )


def _unmarked(body: Sequence[Any], place: int) -> Sequence[Any]:
    """Drop a name's byte order mark, as Qt does wherever it reads a string.

    A program that uses Qt would not see it in a list of names either, and could not ask for it.
    """
    return [*body[:place], body[place][1:], *body[place + 1 :]]


def _reply(bound: _Bound, call: IncomingCall, answer: Any) -> None:
    result = bound.row.result
    if not result:
        call.reply()
    elif bound.element:
        values = {key: Variant(bound.element, value) for key, value in answer.items()}
        call.reply(result, [values])
    else:
        call.reply(result, [answer])


def _refuse(bound: _Bound, call: IncomingCall, answer: object, text: str = "") -> None:
    if answer is ERROR:
        call.fail(incoming.FAILED, text or "the request was refused")
    else:
        _reply(bound, call, answer)


async def _answer_in_turn(call: IncomingCall) -> None:
    try:
        _answer_standard(call)
    except Exception as error:  # noqa: BLE001  as in _run
        _log.error("a standard call failed: %s", type(error).__name__)
        call.fail(incoming.FAILED, "internal error")


def _answer_standard(call: IncomingCall) -> None:
    """Answer introspection and properties, or say what is unknown, in QtDBus's words."""
    path, interface = call.path, call.interface
    ours = path in PATHS
    if not ours and not children(path):
        call.fail(incoming.UNKNOWN_OBJECT, f"No such object path '{path}'")
    elif interface in {INTROSPECTABLE, ""} and (call.member, call.signature) == ("Introspect", ""):
        call.reply("s", [introspect(path)])
    elif ours and interface in {PROPERTIES, ""} and call.member in {"Get", "Set", "GetAll"}:
        _answer_property(call)
    elif interface == INTROSPECTABLE or (ours and interface in {INTERFACE, PROPERTIES, ""}):
        call.fail(
            incoming.UNKNOWN_METHOD,
            f"No such method '{call.member}' in interface '{interface}' at object path '{path}' "
            f"(signature '{call.signature}')",
        )
    else:
        call.fail(
            incoming.UNKNOWN_INTERFACE,
            f"No such interface '{interface}' at object path '{path}'",
        )


def _answer_property(call: IncomingCall) -> None:
    expected = {"Get": "ss", "Set": "ssv", "GetAll": "s"}[call.member]
    if call.signature != expected:
        call.fail(incoming.INVALID_ARGS, "the arguments do not fit")
    elif call.body[0] not in {INTERFACE, ""}:
        call.fail(incoming.UNKNOWN_INTERFACE, "no such interface")
    elif call.member == "GetAll":
        call.reply("a{sv}", [{}])
    else:
        call.fail(UNKNOWN_PROPERTY, "no such property")
