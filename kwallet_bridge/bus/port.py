# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rest of the program sees of the bus: values, and the shape of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Variant:
    """A D-Bus variant to be sent: ``signature`` of one complete type, and the value.

    Received variants arrive in this form too, nested ones included.
    """

    signature: str
    value: object

    def __repr__(self) -> str:
        return f"Variant({self.signature!r})"


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal as received. ``sender`` is a unique name."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str
    body: Sequence[object]

    def __repr__(self) -> str:
        return f"Signal({self.interface}.{self.member})"


@dataclass(frozen=True, slots=True)
class SignalMatch:
    """Which signals are wanted; None matches any.

    ``sender`` may be a well-known name. ``path_namespace`` matches a path and all below it.
    """

    sender: str | None = None
    path: str | None = None
    path_namespace: str | None = None
    interface: str | None = None
    member: str | None = None
    arg0: str | None = None


class Bus(Protocol):
    """One long-lived connection to a message bus.

    Bodies are plain Python values: int, bool, str, bytes for ``ay``, list, dict, tuple or list for
    a structure, :class:`Variant` for ``v``.
    """

    @property
    def unique_name(self) -> str:
        """Our own unique name."""

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        timeout: float | None = 25.0,  # noqa: ASYNC109  a D-Bus call's own deadline
        auto_start: bool = True,
    ) -> Sequence[object]:
        """Call a method and give the reply's body.

        Signals that the destination sent before its reply have been delivered before this
        returns. Cancelling the caller does not recall the message.

        Raises:
            BusReplyError: Answered by an error; ``name`` tells which.
            BusTimeoutError: Not answered within ``timeout`` seconds (None waits for ever).
            BusLostError: The connection ended.
        """

    def send_call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
    ) -> None:
        """Call a method without wanting an answer."""

    async def subscribe(self, match: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Have ``listener`` told of matching signals, from the return of this call at the latest."""

    async def watch_name(self, name: str, listener: Callable[[str], None]) -> str:
        """Tell ``listener`` each new owner of a name ("" for none); give the present owner.

        Never starts a service.
        """
