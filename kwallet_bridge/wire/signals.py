# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the service's events on the bus, on every generation's path.

Clients match on sender, path, interface and member, so a signal on one path is lost to the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.wallet import events
from kwallet_bridge.wire.calls import INTERFACE
from kwallet_bridge.wire.generations import PATHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Message = tuple[str, str, tuple[object, ...]]


class Emitter(Protocol):
    """The part of a bus connection that signals need."""

    def emit(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
    ) -> None:
        """Send a signal to everybody."""


class SignalWriter:
    """Sends events as signals."""

    def __init__(self, bus: Emitter) -> None:
        """Send through ``bus``."""
        self._bus = bus

    def tell(self, event: events.Event) -> None:
        """Send one event, on each path in turn."""
        messages = tuple(to_messages(event))
        for path in PATHS:
            for member, signature, body in messages:
                self._bus.emit(path, INTERFACE, member, signature, list(body))


def to_messages(event: events.Event) -> Iterable[Message]:  # noqa: C901  one case per event
    """Give the signals an event is told by, in kwalletd's order: (member, signature, body)."""
    match event:
        case events.FolderUpdated(wallet, folder):
            yield "folderUpdated", "ss", (wallet, folder)
        case events.FolderListUpdated(wallet):
            yield "folderListUpdated", "s", (wallet,)
        case events.WalletAsyncOpened(transaction, handle):
            yield "walletAsyncOpened", "ii", (transaction, handle)
        case events.WalletOpened(wallet):
            yield "walletOpened", "s", (wallet,)
        case events.WalletClosed(wallet, handle):
            yield "walletClosed", "i", (handle,)
            yield "walletClosedId", "i", (handle,)
            yield "walletClosed", "s", (wallet,)
        case events.AllWalletsClosed():
            yield "allWalletsClosed", "", ()
        case events.WalletCreated(wallet):
            yield "walletCreated", "s", (wallet,)
        case events.WalletDeleted(wallet):
            yield "walletDeleted", "s", (wallet,)
        case events.WalletListDirty():
            yield "walletListDirty", "", ()
        case events.ApplicationDisconnected(wallet, application):
            yield "applicationDisconnected", "ss", (wallet, application)
