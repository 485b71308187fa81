# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients that write at once, and remember what they were told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fault.daemon_world import APP, CANARY, WALLET
from support.client import KWALLET, ClientError, KWalletClient, Reply
from support.waiting import wait_readable

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

FOLDER = "w"
PATIENCE = 60.0


class Writers:
    """Clients that each overwrite an entry of their own, one write at a time."""

    def __init__(self, bus: PrivateBus, handle: int, *, count: int = 50) -> None:
        self._clients = [bus.client() for _ in range(count)]
        for client in self._clients:
            assert client.open(WALLET, APP) == handle
        self._handle = handle
        self._pending: dict[KWalletClient, tuple[str, str]] = {}
        self._rounds = 0
        self.acknowledged: dict[str, str] = {}
        self.unsure: dict[str, set[str]] = {}
        """What may be there instead: values whose write was not answered by 0."""
        self.failed = 0

    def send_all(self) -> None:
        """Have every client write a new value, and see it passed on by the bus."""
        self._rounds += 1
        for client in self._clients:
            self.send(client)
        for client in self._clients:
            client.flush_bus()

    def send(self, client: KWalletClient) -> None:
        """Have one client write a new value."""
        key = f"k{self._clients.index(client)}"
        value = f"{CANARY}-{key}-{time.monotonic_ns()}"
        self._pending[client] = (key, value)
        body = [self._handle, FOLDER, key, value, APP]
        target = (client.service, client.object_path, KWALLET)
        client.send(*target, "writePassword", "issss", body, auto_start=False)

    def gather(self, enough: int | None = None, *, go_on: bool = False) -> None:
        """Wait until ``enough`` writes were answered, None for all that were sent.

        With ``go_on`` each client whose write was acknowledged writes again.
        """
        left = len(self._pending) if enough is None else enough
        deadline = time.monotonic() + PATIENCE
        while left > 0 and self._pending:
            ready = wait_readable(self._pending, deadline - time.monotonic())
            assert ready, "the writes are not answered"
            for client in ready:
                left -= self._take(client, go_on=go_on)

    def _take(self, client: KWalletClient, *, go_on: bool) -> int:
        try:
            client.pump(0)
        except ClientError:
            self._note(client, Reply("gone", "", ()))
            return 1
        replies = [seen.content for seen in client.arrivals if isinstance(seen.content, Reply)]
        client.arrivals.clear()
        for reply in replies:
            if self._note(client, reply) and go_on:
                self.send(client)
        return len(replies)

    def _note(self, client: KWalletClient, reply: Reply) -> bool:
        key, value = self._pending.pop(client)
        done = reply.body == (0,) and not reply.error
        if done:
            self.acknowledged[key] = value
            self.unsure.pop(key, None)
        else:
            self.failed += 1
            self.unsure.setdefault(key, set()).add(value)
        return done

    def check(self, client: KWalletClient) -> None:
        """Every acknowledged value is there, or one whose write was under way after it."""
        handle = client.open(WALLET, APP)
        for key, value in self.acknowledged.items():
            found = client.ask("readPassword", "isss", handle, FOLDER, key, APP).value
            assert found == value or found in self.unsure.get(key, ()), f"{key} was lost"

    def close(self) -> None:
        """Leave the bus."""
        for client in self._clients:
            client.close()
