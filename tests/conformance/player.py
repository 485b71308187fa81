# SPDX-License-Identifier: GPL-3.0-or-later
"""Play a conversation on a daemon and write down what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.conversation import (
    CREATING_LOOKUPS,
    OPENS,
    Answer,
    Burst,
    Call,
    Exchange,
    Notice,
    OpenHandle,
    SeenHandle,
    Transcript,
    Vanish,
)
from conformance.words import WALLETS
from support.client import DBUS, KWALLET, Arrival, ClientError, KWalletClient, Reply, SeenSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.conversation import Conversation, Step
    from conformance.subjects import Subject

EVENT_TIMEOUT = 10.0
# Answers to the file system in the monolith, not to calls: looked at apart.
LIST_DIRTY = "walletListDirty"
BEFORE = "isOpen before"
SETUP = "setup"
DEFAULT_FOLDERS = ("Passwords", "Form Data")
CLOSING = (
    Notice("walletClosed", "i", None),
    Notice("walletClosedId", "i", None),
    Notice("walletClosed", "s", None),
)
HANDLE_SIGNALS = frozenset({("walletClosed", "i"), ("walletClosedId", "i")})


class Numbers:
    """Replaces numbers that daemons choose freely by the order in which they appeared."""

    def __init__(self) -> None:
        self.handles: list[int] = []
        self.open: dict[str, int] = {}
        self._transactions: list[int] = []

    def handle(self, number: object) -> object:
        """Name a handle; refusals stay as they are."""
        if not isinstance(number, int) or number <= 0:
            return number
        if number not in self.handles:
            self.handles.append(number)
        return f"handle {self.handles.index(number)}"

    def transaction(self, number: object) -> object:
        """Name a transaction id; refusals stay as they are."""
        if not isinstance(number, int) or number < 0:
            return number
        if number not in self._transactions:
            self._transactions.append(number)
        return f"transaction {self._transactions.index(number)}"

    def resolve(self, argument: object) -> object:
        """Give the handle that a symbolic argument stands for here."""
        if isinstance(argument, OpenHandle):
            return self.open.get(argument.wallet, -1)
        if isinstance(argument, SeenHandle):
            known = argument.back < len(self.handles)
            return self.handles[-1 - argument.back] if known else 0
        return argument

    def wallet_of(self, handle: object) -> str:
        """Give the wallet that a handle was given for, "" when it is no such handle."""
        return next((name for name, number in self.open.items() if number == handle), "")


class Player:
    """Plays one conversation on one freshly started daemon."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._numbers = Numbers()
        self._peers: dict[int, KWalletClient] = {}
        self._seen = 0  # the daemon's serial up to which signals are accounted for
        self._told: set[int] = set()
        self._observer = subject.client()
        self._observer.listen()
        self._observer.subscribe(f"type='signal',sender='{DBUS}',member='NameOwnerChanged'")
        self._owner = self._observer.name_owner(self._observer.service)

    def play(self, conversation: Conversation) -> Transcript:
        """Play all steps; a daemon that stops answering ends it early."""
        exchanges: list[Exchange] = []
        client = self._client(0)
        self._reopen(client, WALLETS[0])
        self._furnish(client, WALLETS[0])
        self._forget(client)
        try:
            for step in conversation.steps:
                exchanges += self._step(step)
            return Transcript(tuple(exchanges), self._strays())
        except ClientError as error:
            said = step.calls[0] if isinstance(step, Burst) else step
            exchanges.append(Exchange(said, (Answer(f"nothing: {error}", "", None),)))
            return Transcript(tuple(exchanges))

    def _step(self, step: Step) -> list[Exchange]:
        if isinstance(step, Vanish):
            return [Exchange(step, self._vanish(step))]
        if isinstance(step, Burst):
            return self._burst(step)
        return [self._call(step)]

    def _client(self, peer: int) -> KWalletClient:
        if peer not in self._peers:
            self._peers[peer] = self._subject.client()
            self._peers[peer].listen()
        return self._peers[peer]

    def _send(self, client: KWalletClient, call: Call) -> int:
        args = [self._numbers.resolve(argument) for argument in call.args]
        interface = KWALLET if call.interface is None else call.interface
        path = call.path or client.object_path
        return client.send(client.service, path, interface, call.member, call.signature, args)

    def _call(self, call: Call) -> Exchange:
        client = self._client(call.peer)
        before = self._prepare(client, call)
        repaired = self._folder_missing(client, call)
        serial = self._send(client, call)
        events = self._collect(client, {serial: call})
        if repaired:
            self._silently(client, "removeFolder", call)
        return Exchange(call, before + events, self._wallet_of(call))

    def _burst(self, burst: Burst) -> list[Exchange]:
        """Cut what a burst brings behind each answer, where a daemon's next call begins."""
        client = self._client(burst.calls[0].peer)
        sent = {self._send(client, call): call for call in burst.calls}
        order = [seen.serial for seen in self._arrived(client, sent) if seen.serial in sent]
        events = self._normalise(client, sent)
        exchanges: list[Exchange] = []
        for serial in order:
            end = next(n for n, event in enumerate(events) if isinstance(event, Answer)) + 1
            if serial == order[-1]:
                end = len(events)
            wallet = self._wallet_of(sent[serial])
            exchanges.append(Exchange(sent[serial], events[:end], wallet))
            events = events[end:]
        return exchanges

    def _wallet_of(self, call: Call) -> str:
        handle = self._numbers.resolve(call.args[0]) if call.args else None
        return self._numbers.wallet_of(handle)

    def _prepare(self, client: KWalletClient, call: Call) -> tuple[Answer | Notice, ...]:
        if call.member in OPENS and call.args[0] in WALLETS:
            return (self._ensure_open(client, str(call.args[0])),)
        if call.member == "deleteWallet" and call.args[0] in WALLETS:
            # The row "locked-wallets-are-unlocked-first".
            if call.args[0] in _listed(client):
                self._reopen(client, str(call.args[0]))
            return ()
        if call.member == "users":
            answer = client.ask("isOpen", "s", call.args[0])
            return (Answer(answer.error, BEFORE, list(answer.body)),)
        return ()

    def _collect(self, client: KWalletClient, sent: dict[int, Call]) -> tuple[Answer | Notice, ...]:
        self._arrived(client, sent)
        return self._normalise(client, sent)

    def _arrived(self, client: KWalletClient, sent: dict[int, Call]) -> list[Arrival]:
        """Wait for the replies and what belongs to them."""
        for serial, call in sent.items():
            self._settle(client, serial, call)
        client.flush()
        return list(client.arrivals)

    def _normalise(
        self, client: KWalletClient, sent: dict[int, Call]
    ) -> tuple[Answer | Notice, ...]:
        events = [self._normal(seen, sent) for seen in client.arrivals]
        client.arrivals.clear()
        return _sort_closings([event for event in events if event is not None])

    def _settle(self, client: KWalletClient, serial: int, call: Call) -> None:
        """Wait until all that a call brings has arrived, leaving it in place."""
        reply = _await(client, lambda seen: seen.serial == serial)
        assert isinstance(reply, Reply)
        if reply.error:
            return
        if call.member == "openAsync" and isinstance(reply.value, int) and reply.value >= 0:
            _await(client, lambda seen: _opened(seen, reply.value))
        if call.member == "deleteWallet" and reply.value == 0:
            _await(client, lambda seen: _is_signal(seen, LIST_DIRTY))
        if call.member == "open":
            self._remember(str(call.args[0]), reply.value)

    def _remember(self, wallet: str, handle: object) -> None:
        if isinstance(handle, int) and handle > 0:
            self._numbers.open[wallet] = handle

    def _normal(self, seen: Arrival, sent: dict[int, Call]) -> Answer | Notice | None:
        content = seen.content
        if isinstance(content, Reply):
            return self._answer(content, sent[seen.serial])
        if content.sender != self._owner or content.serial <= self._seen:
            return None
        self._told.add(content.serial)
        self._seen = content.serial
        return self._notice(content, sent)

    def _answer(self, reply: Reply, call: Call) -> Answer:
        if reply.error:
            return Answer(reply.error, "", None)
        body: object = list(reply.body)
        if call.member == "open":
            body = [self._numbers.handle(reply.value)]
        elif call.member == "openAsync":
            body = [self._numbers.transaction(reply.value)]
        elif call.member == "users":
            body = [sorted(reply.value)] if isinstance(reply.value, list) else body
        elif reply.signature == "a{sv}" and isinstance(reply.value, dict):
            body = [list(reply.value.items())]
        return Answer("", reply.signature, body)

    def _notice(self, signal: SeenSignal, sent: dict[int, Call]) -> Notice | None:
        if signal.member == LIST_DIRTY:
            return None
        body: list[object] = list(signal.body)
        if signal.member == "walletAsyncOpened":
            for call in sent.values():
                if call.member in OPENS:
                    self._remember(str(call.args[0]), signal.body[1])
            body = [self._numbers.transaction(body[0]), self._numbers.handle(body[1])]
        elif (signal.member, signal.signature) in HANDLE_SIGNALS:
            # Opened without a client and closed again: numbered by nobody.
            given = body[0] in self._numbers.handles
            body = [self._numbers.handle(body[0]) if given else "handle never given"]
        return Notice(signal.member, signal.signature, body)

    def _vanish(self, step: Vanish) -> tuple[Answer | Notice, ...]:
        client = self._peers.pop(step.peer, None)
        if client is None:
            return ()
        name = client.unique_name
        client.close()
        self._observer.wait_arrival(lambda seen: _left(seen, name))
        self._observer.flush()
        events: list[Answer | Notice] = []
        for seen in self._observer.arrivals:
            content = seen.content
            if isinstance(content, SeenSignal) and content.serial > self._seen:
                event = self._normal(seen, {})
                if isinstance(event, Notice):
                    events.append(event)
        return _sort_closings(events)

    def _ensure_open(self, client: KWalletClient, wallet: str) -> Answer:
        """Tell whether a wallet is open, and open it as no client could: opening may ask."""
        answer = client.ask("isOpen", "s", wallet)
        if answer.body != (True,):
            self._reopen(client, wallet)
            self._furnish(client, wallet)
        self._forget(client)
        return Answer(answer.error, BEFORE, list(answer.body))

    def _reopen(self, client: KWalletClient, wallet: str) -> None:
        """Open a closed wallet from outside; every daemon must then tell of it."""
        if client.ask("isOpen", "s", wallet).body == (True,):
            return
        self._forget(client)
        signal = self._subject.reopen(wallet)
        _await(client, lambda seen: _is_signal(seen, signal))
        self._forget(client)

    def _furnish(self, client: KWalletClient, wallet: str) -> None:
        """Make the preset folders, as the row "empty-wallets-are-furnished" says."""
        handle = client.open(wallet, SETUP)
        for folder in DEFAULT_FOLDERS:
            client.ask("createFolder", "iss", handle, folder, SETUP)
        client.ask("close", "ibs", handle, False, SETUP)
        self._reopen(client, wallet)

    def _folder_missing(self, client: KWalletClient, call: Call) -> bool:
        if call.member not in CREATING_LOOKUPS or call.folder is None:
            return False
        return self._silently(client, "hasFolder", call) is False

    def _silently(self, client: KWalletClient, member: str, call: Call) -> object:
        handle, appid = self._numbers.resolve(call.args[0]), call.args[-1]
        reply = client.ask(member, "iss", handle, call.folder, appid)
        client.flush()
        self._forget(client)
        return reply.value if not reply.error else None

    def _forget(self, client: KWalletClient) -> None:
        """Account for signals that are nobody's answer."""
        for signal in client.take_signals():
            if signal.sender == self._owner:
                self._told.add(signal.serial)
                self._seen = max(self._seen, signal.serial)

    def _strays(self) -> tuple[Notice, ...]:
        """Give the signals that came outside of every step."""
        self._observer.flush()
        strays = [
            Notice(signal.member, signal.signature, list(signal.body))
            for signal in self._observer.take_signals()
            if signal.sender == self._owner
            and signal.serial not in self._told
            and signal.member != LIST_DIRTY
        ]
        return tuple(strays)


def _sort_closings(events: list[Answer | Notice]) -> tuple[Answer | Notice, ...]:
    """Put wallets that were closed together in the order of their names.

    The monolith closes them in the order of a hash of their handles.
    """
    names = {(notice.member, notice.signature): notice for notice in CLOSING}
    shapes = [isinstance(e, Notice) and (e.member, e.signature) in names for e in events]
    if not any(shapes):
        return tuple(events)
    first = shapes.index(True)
    last = len(shapes) - shapes[::-1].index(True)
    size = len(CLOSING)
    blocks = [events[n : n + size] for n in range(first, last, size)]
    blocks.sort(key=lambda block: str(block[-1].body))
    return (*events[:first], *(event for block in blocks for event in block), *events[last:])


def _await(client: KWalletClient, wanted: Callable[[Arrival], bool]) -> object:
    """Wait for an arrival without taking it out; None when it does not come."""
    checked = 0
    while True:
        for index in range(checked, len(client.arrivals)):
            if wanted(client.arrivals[index]):
                return client.arrivals[index].content
        checked = len(client.arrivals)
        if not client.pump(EVENT_TIMEOUT):
            raise ClientError("an answer or signal is missing")


def _listed(client: KWalletClient) -> list[object]:
    value = client.ask("wallets").value
    return value if isinstance(value, list) else []


def _is_signal(seen: Arrival, member: str) -> bool:
    return isinstance(seen.content, SeenSignal) and seen.content.member == member


def _opened(seen: Arrival, transaction: object) -> bool:
    content = seen.content
    named = isinstance(content, SeenSignal) and content.member == "walletAsyncOpened"
    return named and isinstance(content, SeenSignal) and content.body[0] == transaction


def _left(seen: Arrival, name: str) -> bool:
    content = seen.content
    return isinstance(content, SeenSignal) and content.body[:1] == (name,)
