# SPDX-License-Identifier: GPL-3.0-or-later
"""A method call that somebody made of us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dbus_fast import ErrorType, Message, MessageFlag, MessageType

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.bus.replies import PLAIN, encode_return
from kwallet_bridge.bus.variants import to_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NO_REPLY = MessageFlag.NO_REPLY_EXPECTED.value
UNKNOWN_METHOD = ErrorType.UNKNOWN_METHOD.value
UNKNOWN_OBJECT = ErrorType.UNKNOWN_OBJECT.value
UNKNOWN_INTERFACE = ErrorType.UNKNOWN_INTERFACE.value
INVALID_ARGS = ErrorType.INVALID_ARGS.value
SERVICE_UNKNOWN = ErrorType.SERVICE_UNKNOWN.value
FAILED = ErrorType.FAILED.value


class Sender(Protocol):
    """The part of a connection that answers need."""

    def send(self, message: Message) -> None:
        """Send a message."""

    def send_raw(self, encode: Callable[[int], bytes | None]) -> bool:
        """Send what ``encode`` makes of a serial; False if it made nothing."""


class IncomingCall:
    """One call: who asks, what for, and the way to answer. Its repr has no body."""

    __slots__ = (
        "_message",
        "_sender",
        "answered",
        "body",
        "interface",
        "member",
        "path",
        "sender",
        "signature",
        "wants_reply",
    )

    def __init__(self, message: Message, sender: Sender) -> None:
        """Wrap a method call message; answers go through ``sender``."""
        self._message = message
        self._sender = sender
        self.answered = False
        self.member: str = message.member or ""
        """The method called."""
        self.signature: str = message.signature
        """The signature of ``body``."""
        self.body: list[object] = message.body
        """The arguments."""
        self.sender: str = message.sender or ""
        """Unique name of the caller."""
        self.path: str = message.path or ""
        """The object called."""
        self.interface: str = message.interface or ""
        """The interface named by the caller; "" if it named none."""
        self.wants_reply = not message.flags.value & _NO_REPLY
        """Whether the caller waits for an answer."""

    def take_descriptors(self) -> list[int]:
        """Return the file descriptors that came with the call, to be closed by who takes them."""
        taken, self._message.unix_fds = list(self._message.unix_fds), []
        return taken

    def reply(self, signature: str = "", body: Sequence[object] = ()) -> None:
        """Answer with a value. Only the first answer counts.

        Raises:
            TypeError: The body does not fit the signature; the call is still unanswered.
        """
        if self.answered:
            return
        # Marked only once sending worked: a badly typed body must still be answerable by an error.
        if self.wants_reply:
            try:
                self._reply(signature, body)
            except Exception:  # noqa: BLE001  whatever the engine raises may quote the value
                raise TypeError("the answer does not fit its signature") from None
        self.answered = True

    def _reply(self, signature: str, body: Sequence[object]) -> None:
        call = self._message
        if signature in PLAIN and self._sender.send_raw(
            lambda serial: encode_return(
                serial=serial,
                reply_serial=call.serial,
                destination=self.sender,
                signature=signature,
                value=body[0],
            )
        ):
            return
        _refuse_nul(body)
        self._sender.send(
            Message(
                message_type=MessageType.METHOD_RETURN,
                reply_serial=call.serial,
                destination=self.sender,
                signature=signature,
                body=to_wire(signature, body),
                validate=False,
            )
        )

    def fail(self, name: str, text: str) -> None:
        """Answer with a D-Bus error; ``text`` must hold no private name."""
        if self.answered:
            return
        self.answered = True
        if self.wants_reply:
            self._sender.send(Message.new_error(self._message, name, text))

    def __repr__(self) -> str:
        return f"IncomingCall({self.member}, {self.signature!r}, from {self.sender})"


def _refuse_nul(body: Sequence[object]) -> None:
    """Refuse text the bus daemon would end our connection for."""
    for value in body:
        if isinstance(value, Variant):
            _refuse_nul((value.value,))
        elif isinstance(value, str):
            if "\0" in value:
                raise TypeError("a D-Bus string holds no NUL")
        elif isinstance(value, dict):
            _refuse_nul(tuple(value))
            _refuse_nul(tuple(value.values()))
        elif isinstance(value, list | tuple) and value:
            if not isinstance(value[0], str):
                _refuse_nul(value)
            elif any(isinstance(text, str) and "\0" in text for text in value):  # or a struct
                raise TypeError("a D-Bus string holds no NUL")
