# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemons choose freely, replaced by what can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.conversation import Event, Notice, OpenHandle, SeenHandle
from support.client import ClientError, SeenSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Arrival, KWalletClient

EVENT_TIMEOUT = 10.0
# Answers to the file system in the monolith, not to calls: looked at apart.
LIST_DIRTY = "walletListDirty"
HANDLE_SIGNALS = frozenset({("walletClosed", "i"), ("walletClosedId", "i")})

CLOSING = (
    Notice("walletClosed", "i", None),
    Notice("walletClosedId", "i", None),
    Notice("walletClosed", "s", None),
)


class Numbers:
    """Replaces numbers that daemons choose freely by the order in which they appeared."""

    def __init__(self) -> None:
        self.handles: list[int] = []
        self.open: dict[str, int] = {}
        self.lost: set[object] = set()
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

    def forget_transactions(self) -> None:
        """Number transactions anew: a daemon that was restarted does."""
        self._transactions.clear()

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


def sort_closings(events: list[Event]) -> tuple[Event, ...]:
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


def is_signal(seen: Arrival, member: str) -> bool:
    """Tell whether it is that signal."""
    return isinstance(seen.content, SeenSignal) and seen.content.member == member


def is_opened(seen: Arrival, transaction: object) -> bool:
    """Tell whether it ends that transaction."""
    content = seen.content
    named = isinstance(content, SeenSignal) and content.member == "walletAsyncOpened"
    return named and isinstance(content, SeenSignal) and content.body[0] == transaction


def has_left(seen: Arrival, name: str) -> bool:
    """Tell whether it says that a connection is gone."""
    content = seen.content
    return isinstance(content, SeenSignal) and content.body[:1] == (name,)


def await_arrival(client: KWalletClient, wanted: Callable[[Arrival], bool]) -> object:
    """Wait for an arrival without taking it out; None when it does not come."""
    checked = 0
    while True:
        for index in range(checked, len(client.arrivals)):
            if wanted(client.arrivals[index]):
                return client.arrivals[index].content
        checked = len(client.arrivals)
        if not client.pump(EVENT_TIMEOUT):
            raise ClientError("an answer or signal is missing")
