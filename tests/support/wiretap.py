# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitor of a bus: every message as it went over the wire, chosen by who sent or gets it.

What a monitor is given beside its match rules is the bus daemon's habit: dbus-broker gives all
there is. So the choice is made here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbus_fast import Message, MessageType
from dbus_fast._private.unmarshaller import Unmarshaller

from support.client import DBUS, DBUS_PATH, DEFAULT_TIMEOUT, ClientError, RawClient

if TYPE_CHECKING:
    import socket

MONITORING = "org.freedesktop.DBus.Monitoring"


@dataclass(frozen=True, slots=True)
class Overheard:
    """One message: who sent it, to whom, its member, and its bytes."""

    sender: str
    destination: str
    member: str
    frame: bytes


class Wiretap(RawClient):
    """Hears everything on the bus from :meth:`begin` on."""

    def __init__(self, stream: socket.socket) -> None:
        super().__init__(stream)
        self._heard: list[Overheard] = []
        self._listening = False

    def begin(self) -> None:
        """Become a monitor; what is sent after the return is heard."""
        reply = self.call(DBUS, DBUS_PATH, MONITORING, "BecomeMonitor", "asu", [[], 0])
        assert not reply.error
        self._listening = True

    def heard_until(self, marker: str) -> list[Overheard]:
        """Give all that was heard before a call of the member ``marker``, waiting for it."""
        while not any(heard.member == marker for heard in self._heard):
            if not self.pump(DEFAULT_TIMEOUT):
                raise ClientError("the marker did not come by")
        return list(self._heard)

    def _deliver(self, frame: bytes) -> None:
        if not self._listening:
            super()._deliver(frame)
            return
        stream: Any = io.BytesIO(frame)
        message = Unmarshaller(stream).unmarshall()
        assert isinstance(message, Message)
        member = message.member if message.message_type is MessageType.METHOD_CALL else ""
        self._heard.append(
            Overheard(message.sender or "", message.destination or "", member or "", frame)
        )
