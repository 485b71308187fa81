# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in provider on a thread of its own, for tests whose client blocks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Self, TypeVar

from kwallet_bridge.store.port import Quirks
from support.fake_items import FakeVault
from support.fake_provider import FakeProvider, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
ANSWER_SECONDS = 30.0


class HostedFake:
    """Runs a :class:`FakeProvider`; everything done to it is done in its own loop."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.provider = FakeProvider(address)

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self.provider.start())
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.run(self.provider.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine in the provider's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)

    def do(self, work: Callable[[FakeProvider], T]) -> T:
        """Run a function in the provider's loop."""

        async def call() -> T:
            return work(self.provider)

        return self.run(call())

    def fail(self, member: str, *faults: Fault) -> None:
        """Have the next calls of a member fail."""
        self.do(lambda fake: fake.fail(member, *faults))

    def restart(self, armed: Callable[[], None] = lambda: None) -> None:
        """Come back under another unique name with what files kept, and well but for ``armed``."""
        self.do(_make_well)
        armed()
        self.run(self.provider.restart())

    def renew(self) -> None:
        """Come back as another provider: one empty collection, no misbehaviour."""
        self.do(_make_well)
        self.provider.vault = FakeVault(Quirks())
        self.run(self.provider.restart())


def _make_well(fake: FakeProvider) -> None:
    fake.faults.clear()
    fake.prompts.style = "accept"
    fake.prompts_for = {"Unlock", "CreateCollection"}
    fake.sessions.public_key = None
    fake.sessions.cut_secrets = 0
