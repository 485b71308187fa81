# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listener a signal is for: the bus sends each once, however many rules it fits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from kwallet_bridge.bus.port import Signal
from kwallet_bridge.bus.variants import from_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_fast import Message

    from kwallet_bridge.bus.port import SignalMatch

_log = logging.getLogger(__name__)


class Listeners:
    """Everybody on a connection who wants signals, and who owns the names they want them of."""

    def __init__(self) -> None:
        """Nobody listens."""
        self._by_member: dict[str, list[tuple[SignalMatch, Callable[[Signal], None]]]] = {}
        self.owners: dict[str, str] = {}
        """Owners of well-known names, kept by who follows them."""

    def add(self, match: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Have ``listener`` told of matching signals."""
        self._by_member.setdefault(match.member or "", []).append((match, listener))

    def deliver(self, message: Message) -> None:
        """Tell everybody whom a signal matches."""
        listeners = self._by_member.get(message.member or "", ())
        anything = self._by_member.get("", ())
        if not listeners and not anything:
            return
        signal = Signal(
            sender=message.sender or "",
            path=message.path or "",
            interface=message.interface or "",
            member=message.member or "",
            signature=message.signature,
            body=from_wire(message.signature, message.body),
        )
        for match, listener in (*listeners, *anything):
            if self._matches(match, signal):
                try:
                    listener(signal)
                except Exception:  # noqa: BLE001
                    # One listener's slip must not cost another its signal. No traceback text:
                    # it may quote the body.
                    _log.error("a listener for %s failed", signal.member)

    def _matches(self, match: SignalMatch, signal: Signal) -> bool:
        if match.interface is not None and match.interface != signal.interface:
            return False
        if match.path is not None and match.path != signal.path:
            return False
        space = match.path_namespace
        if space is not None and signal.path != space and not signal.path.startswith(space + "/"):
            return False
        if match.arg0 is not None and (not signal.body or signal.body[0] != match.arg0):
            return False
        sender = match.sender
        if sender is None or sender == signal.sender:
            return True
        return self.owners.get(sender, "") == signal.sender


def rule_of(match: SignalMatch) -> str:
    """Write a match as the bus daemon reads it."""
    parts = {
        "sender": match.sender,
        "path": match.path,
        "path_namespace": match.path_namespace,
        "interface": match.interface,
        "member": match.member,
        "arg0": match.arg0,
    }
    given = cast("dict[str, str]", {key: value for key, value in parts.items() if value})
    return ",".join(["type='signal'", *(f"{key}='{value}'" for key, value in given.items())])
