# SPDX-License-Identifier: GPL-3.0-or-later
"""Play a conversation on a daemon and write down what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.conversation import (
    NOTHING,
    OPENS,
    PATH_OPENS,
    Answer,
    Burst,
    Call,
    Event,
    Exchange,
    Notice,
    Restart,
    Transcript,
    Vanish,
)
from conformance.excuses import PATH_TRANSACTION
from conformance.normal import (
    HANDLE_SIGNALS,
    LIST_DIRTY,
    Numbers,
    await_arrival,
    has_left,
    is_opened,
    is_signal,
    sort_closings,
)
from conformance.stage import Stage
from conformance.words import WALLETS
from support.client import DBUS, KWALLET, Arrival, ClientError, KWalletClient, Reply, SeenSignal

if TYPE_CHECKING:
    from conformance.conversation import Conversation, Step
    from conformance.subjects import Subject


class Player:
    """Plays one conversation on one freshly started daemon."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._numbers = Numbers()
        self._stage = Stage(subject, self._numbers, self._forget)
        self._peers: dict[int, KWalletClient] = {}
        self._seen = 0  # the daemon's serial up to which signals are accounted for
        self._told: set[int] = set()
        self._strays: tuple[Notice, ...] = ()
        self._observer = subject.client()
        self._observer.listen()
        self._observer.subscribe(f"type='signal',sender='{DBUS}',member='NameOwnerChanged'")
        self._owner = self._observer.name_owner(self._observer.service)

    def play(self, conversation: Conversation) -> Transcript:
        """Play all steps; a daemon that stops answering ends it early."""
        exchanges: list[Exchange] = []
        self._stage.deletes_closed = conversation.deletes_closed
        client = self._client(0)
        self._stage.reopen(client, WALLETS[0])
        self._stage.furnish(client, WALLETS[0])
        self._forget(client)
        try:
            for step in conversation.steps:
                exchanges += self._step(step)
            return Transcript(tuple(exchanges), self._strays + self._take_strays())
        except ClientError as error:
            said = step.calls[0] if isinstance(step, Burst) else step
            exchanges.append(Exchange(said, (Answer(f"{NOTHING}{error}", "", None),)))
            return Transcript(tuple(exchanges))

    def _step(self, step: Step) -> list[Exchange]:
        if isinstance(step, Vanish):
            return [Exchange(step, self._vanish(step))]
        if isinstance(step, Restart):
            return [Exchange(step, self._restart(step))]
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
        surround = self._stage.surround(client, call)
        before = next(surround)
        serial = self._send(client, call)
        events = self._collect(client, {serial: call})
        after = next(surround)
        return self._exchange(call, (*before, *events, *after))

    def _exchange(self, call: Call, events: tuple[Event, ...]) -> Exchange:
        handle = self._numbers.resolve(call.args[0]) if call.args else None
        named = self._numbers.wallet_of(handle)
        return Exchange(call, events, named, lost=handle in self._numbers.lost)

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
            exchanges.append(self._exchange(sent[serial], events[:end]))
            events = events[end:]
        return exchanges

    def _collect(self, client: KWalletClient, sent: dict[int, Call]) -> tuple[Event, ...]:
        self._arrived(client, sent)
        return self._normalise(client, sent)

    def _arrived(self, client: KWalletClient, sent: dict[int, Call]) -> list[Arrival]:
        """Wait for the replies and what belongs to them."""
        for serial, call in sent.items():
            self._settle(client, serial, call)
        client.flush()
        return list(client.arrivals)

    def _normalise(self, client: KWalletClient, sent: dict[int, Call]) -> tuple[Event, ...]:
        events = [self._normal(seen, sent) for seen in client.arrivals]
        client.arrivals.clear()
        return sort_closings([event for event in events if event is not None])

    def _settle(self, client: KWalletClient, serial: int, call: Call) -> None:
        """Wait until all that a call brings has arrived, leaving it in place."""
        reply = await_arrival(client, lambda seen: seen.serial == serial)
        assert isinstance(reply, Reply)
        if reply.error:
            return
        if call.member == "openAsync" and isinstance(reply.value, int) and reply.value >= 0:
            await_arrival(client, lambda seen: is_opened(seen, reply.value))
        if call.member in PATH_OPENS and isinstance(reply.value, int) and reply.value >= 0:
            # openPath does not answer the transaction's number, but the oracle works one at a time.
            await_arrival(client, lambda seen: is_signal(seen, "walletAsyncOpened"))
        if call.member == "deleteWallet" and reply.value == 0:
            await_arrival(client, lambda seen: is_signal(seen, LIST_DIRTY))
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
        elif call.member == "openPathAsync" and reply.value != -1:
            body = [PATH_TRANSACTION]
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
            path = any(call.member in PATH_OPENS for call in sent.values())
            transaction = PATH_TRANSACTION if path else self._numbers.transaction(body[0])
            body = [transaction, self._numbers.handle(body[1])]
        elif (signal.member, signal.signature) in HANDLE_SIGNALS:
            # Opened without a client and closed again: numbered by nobody.
            given = body[0] in self._numbers.handles
            body = [self._numbers.handle(body[0]) if given else "handle never given"]
        return Notice(signal.member, signal.signature, body)

    def _vanish(self, step: Vanish) -> tuple[Event, ...]:
        client = self._peers.pop(step.peer, None)
        if client is None:
            return ()
        name = client.unique_name
        client.close()
        self._observer.wait_arrival(lambda seen: has_left(seen, name))
        self._observer.flush()
        return self._unasked()

    def _restart(self, step: Restart) -> tuple[Event, ...]:
        """Restart the provider and tell what clients saw of it."""
        self._strays += self._take_strays()
        self._numbers.lost.update(self._open_handles() if step.told else self._numbers.handles)
        self._subject.restart()
        if not step.told:
            self._numbers.forget_transactions()
        self._owner, before = self._observer.name_owner(self._observer.service), self._owner
        if self._owner != before:
            self._seen = 0
            self._told.clear()
        probe = self._stage.probe_open(self._observer, WALLETS[0], "after")
        self._observer.flush()
        told = self._unasked()
        self._stage.reopen(self._observer, WALLETS[0])
        return (*told, probe) if step.told else ()

    def _open_handles(self) -> list[int]:
        """List what a restart ends; a daemon that is started anew knows of no handle's end."""
        ask = self._observer.ask
        return [each for each in self._numbers.handles if ask("isOpen", "i", each).value]

    def _unasked(self) -> tuple[Event, ...]:
        """Give the signals that came without a call."""
        seen = [self._normal(each, {}) for each in self._observer.arrivals]
        return sort_closings([event for event in seen if isinstance(event, Notice)])

    def _forget(self, client: KWalletClient) -> None:
        """Account for signals that are nobody's answer."""
        for signal in client.take_signals():
            if signal.sender == self._owner:
                self._told.add(signal.serial)
                self._seen = max(self._seen, signal.serial)

    def _take_strays(self) -> tuple[Notice, ...]:
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
