# SPDX-License-Identifier: GPL-3.0-or-later
"""A program on the bus that answers calls it was never sent, and tells what is not so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbus_fast import Message, MessageType

from support.client import DBUS, DBUS_PATH, DEFAULT_TIMEOUT, ClientError, RawClient

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

GUESSES = 500
"""Serials tried; a connection counts them from 1."""


class Forger(RawClient):
    """A raw client whose every frame has reached its victim's socket when a method returns."""

    def __init__(self, stream: socket.socket) -> None:
        super().__init__(stream)
        self._answer: Callable[[Message], Message | None] = lambda _: None
        self._answered = 0

    def forge_answers(
        self, victim: str, signature: str, body: Sequence[object], *, error: str = ""
    ) -> None:
        """Answer whatever ``victim`` may be waiting for: each serial it can have used so far."""
        kind = MessageType.ERROR if error else MessageType.METHOD_RETURN
        for guess in range(1, GUESSES):
            self._send(
                Message(
                    message_type=kind,
                    destination=victim,
                    error_name=error or None,
                    reply_serial=guess,
                    signature=signature,
                    body=list(body),
                )
            )
        self.bus_call("GetId")

    def forge_owner(self, victim: str, name: str, *, before: str, owner: str) -> None:
        """Tell ``victim`` of a new owner, as if from the bus."""
        self.forge_signal(victim, DBUS_PATH, DBUS, "NameOwnerChanged", [name, before, owner])

    def forge_signal(
        self, victim: str, path: str, interface: str, member: str, texts: Sequence[str]
    ) -> None:
        """Tell ``victim`` something that another program might."""
        self._send(
            Message(
                message_type=MessageType.SIGNAL,
                destination=victim,
                path=path,
                interface=interface,
                member=member,
                signature="s" * len(texts),
                body=list(texts),
            )
        )
        self.bus_call("GetId")

    def eavesdrop(self, caller: str, answer: Callable[[Message], Message | None]) -> None:
        """Answer what ``caller`` asks of others, before they can if they are slow."""
        self._answer = answer
        self.subscribe(f"eavesdrop='true',type='method_call',sender='{caller}'")

    def wait_until_answered(self, calls: int) -> None:
        """Return when so many calls were answered, and the answers are delivered."""
        while self._answered < calls:
            if not self.pump(DEFAULT_TIMEOUT):
                raise ClientError("nobody called")
        self.flush()

    def flush(self) -> None:
        """Answer what was heard, and return when the answers are delivered."""
        self.bus_call("GetId")
        self.bus_call("GetId")

    def _refuse(self, call: Message) -> None:
        forged = self._answer(call)
        if forged is not None:
            self._answered += 1
            self._send(forged)

    def _send(self, message: Message) -> None:
        self._serial += 1
        message.serial = self._serial
        self.send_bytes(bytes(message._marshall(False)))
