# SPDX-License-Identifier: GPL-3.0-or-later
"""The wallet service over memory: no bus, and what would be signals in a list."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kwallet_bridge.config import Settings
from kwallet_bridge.model import AppId, Handle, WalletName
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.gate import GatedStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.wallet.contents import Contents
from kwallet_bridge.wallet.quota import Quota
from kwallet_bridge.wallet.service import WalletService
from kwallet_bridge.wallet.state import OpenWallets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kwallet_bridge.store.expected import ExpectationSource
    from kwallet_bridge.store.wallets import Store
    from kwallet_bridge.wallet import events
    from kwallet_bridge.wallet.access import Asker
    from kwallet_bridge.wallet.lacking import Lacking

APP = AppId("app")
OTHER = AppId("other")
PEER = ":1.1"
WALLET = WalletName("kdewallet")


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until something is so that no event tells of."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0)


@dataclass
class Served:
    """A service and everything around it."""

    settings: Settings = field(default_factory=Settings)
    asker: Asker | None = None
    backend: MemoryBackend = field(default_factory=MemoryBackend)
    sources: Sequence[ExpectationSource] = ()
    quota: Quota = field(default_factory=Quota)
    lacking: Callable[[Store], Lacking] | None = None
    told: list[events.Event] = field(default_factory=list)
    forgotten: list[WalletName] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put the parts together, as the daemon does."""
        loop = asyncio.get_running_loop()
        self.inner = EntryStore(self.backend)
        self.store = GatedStore(self.inner, self.sources)
        self.wallets = OpenWallets()
        self.service = WalletService(
            store=self.store,
            wallets=self.wallets,
            tell=self.told.append,
            read_settings=lambda: self.settings,
            asker=self.asker,
            forget=self._forget,
            quota=self.quota,
            lacking=self.lacking(self.inner) if self.lacking else None,
        )
        self.contents = Contents(
            store=self.store, wallets=self.wallets, tell=self.told.append, clock=loop.time
        )

    async def _forget(self, wallet: WalletName) -> None:
        self.forgotten.append(wallet)

    async def open(
        self, appid: AppId = APP, wallet: WalletName = WALLET, caller: str = PEER
    ) -> Handle:
        """Open as a client does."""
        return Handle(await self.service.open(caller, wallet=wallet, window_id=0, appid=appid))

    def heard(self) -> list[events.Event]:
        """Take what was told since the last time."""
        told, self.told[:] = list(self.told), []
        return told

    async def configure(self, **changes: object) -> None:
        """Change settings and have them read again."""
        self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        await self.service.reconfigure("")
