# SPDX-License-Identifier: GPL-3.0-or-later
"""A method call that somebody made of us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbus_fast import ErrorType, Message, MessageFlag, MessageType

from kwallet_bridge.bus.variants import to_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NO_REPLY = MessageFlag.NO_REPLY_EXPECTED.value
UNKNOWN_METHOD = ErrorType.UNKNOWN_METHOD.value
UNKNOWN_OBJECT = ErrorType.UNKNOWN_OBJECT.value
UNKNOWN_INTERFACE = ErrorType.UNKNOWN_INTERFACE.value
INVALID_ARGS = ErrorType.INVALID_ARGS.value
FAILED = ErrorType.FAILED.value


class IncomingCall:
    """One call: who asks, what for, and the way to answer. Its repr has no body."""

    __slots__ = ("_message", "_send", "answered", "body", "member", "sender", "signature")

    def __init__(self, message: Message, send: Callable[[Message], None]) -> None:
        """Wrap a method call message."""
        self._message = message
        self._send = send
        self.answered = False
        self.member: str = message.member or ""
        self.signature: str = message.signature
        self.body: list[object] = message.body
        self.sender: str = message.sender or ""

    @property
    def path(self) -> str:
        """The object called."""
        return self._message.path or ""

    @property
    def interface(self) -> str:
        """The interface named by the caller; "" if it named none."""
        return self._message.interface or ""

    @property
    def wants_reply(self) -> bool:
        """Whether the caller waits for an answer."""
        return not self._message.flags.value & _NO_REPLY

    def reply(self, signature: str = "", body: Sequence[object] = ()) -> None:
        """Answer with a value. Only the first answer counts.

        Raises:
            TypeError: The body does not fit the signature; the call is still unanswered.
        """
        if self.answered:
            return
        # Marked only once sending worked: a badly typed body must still be answerable by an error.
        if self.wants_reply:
            call = self._message
            message = Message(
                message_type=MessageType.METHOD_RETURN,
                reply_serial=call.serial,
                destination=call.sender,
                signature=signature,
                body=to_wire(signature, body),
                validate=False,
            )
            try:
                self._send(message)
            except Exception:  # noqa: BLE001  whatever the engine raises may quote the value
                raise TypeError("the answer does not fit its signature") from None
        self.answered = True

    def fail(self, name: str, text: str) -> None:
        """Answer with a D-Bus error; ``text`` must hold no private name."""
        if self.answered:
            return
        self.answered = True
        if self.wants_reply:
            self._send(Message.new_error(self._message, name, text))

    def __repr__(self) -> str:
        return f"IncomingCall({self.member}, {self.signature!r}, from {self.sender})"
