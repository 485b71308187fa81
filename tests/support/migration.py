# SPDX-License-Identifier: GPL-3.0-or-later
"""Equipment for migration tests: wallets made of plain values, and a run over any backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.migrate.model import Plan, Policy, Result
from kwallet_bridge.migrate.orders import Orders, carry_out
from kwallet_bridge.migrate.run import Job, OpenStore
from kwallet_bridge.migrate.wishes import from_wallet
from kwallet_bridge.model import EntryType, Folder, FolderName, Key, Wallet, WalletEntry, WalletName
from kwallet_bridge.qtstream import encode_map, encode_string
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.wallets import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kwallet_bridge.migrate.journal import RunRecord
    from kwallet_bridge.store.port import ItemBackend

KDEWALLET = WalletName("kdewallet")
Value = str | bytes | dict[str, str]


def entry(key: str, value: Value) -> WalletEntry:
    """Make an entry of the type its value has: text, bytes or map."""
    if isinstance(value, str):
        return WalletEntry(Key(key), EntryType.PASSWORD, Secret(encode_string(value)))
    if isinstance(value, bytes):
        return WalletEntry(Key(key), EntryType.STREAM, Secret(value))
    return WalletEntry(Key(key), EntryType.MAP, Secret(encode_map(value)))


def wallet(folders: Mapping[str, Mapping[str, Value]], name: str = "kdewallet") -> Wallet:
    """Make a wallet."""
    return Wallet(
        WalletName(name),
        tuple(
            Folder(FolderName(folder), tuple(entry(key, value) for key, value in entries.items()))
            for folder, entries in folders.items()
        ),
    )


@dataclass
class Seen:
    """A watcher that remembers."""

    plans: list[Plan] = field(default_factory=list)
    stages: list[tuple[str, int]] = field(default_factory=list)
    steps: list[Result] = field(default_factory=list)

    def planned(self, plan: Plan) -> None:
        """Remember a plan."""
        self.plans.append(plan)

    def stage(self, name: str, wallet: WalletName, total: int) -> None:
        """Remember a stage."""
        del wallet
        self.stages.append((name, total))

    def step(self, result: Result) -> None:
        """Remember a row."""
        self.steps.append(result)


@dataclass
class Scene:
    """One destination, one journal, as many runs as wanted."""

    backend: ItemBackend
    journal: Path
    seen: Seen = field(default_factory=Seen)

    async def open_store(self) -> OpenStore:
        """Open the destination once more."""
        settings = StoreSettings()
        return OpenStore(self.backend, EntryStore(self.backend, settings), settings.default_wallet)

    def orders(self, policy: Policy = Policy.SKIP, *, dry_run: bool = False) -> Orders:
        """Say what is to be done."""
        return Orders(
            self.open_store, "memory", ("test",), lambda _: policy, self.seen, self.journal, dry_run
        )

    async def migrate(
        self, source: Wallet, policy: Policy = Policy.SKIP, *, dry_run: bool = False
    ) -> tuple[Job, RunRecord | None]:
        """Migrate a wallet under its own name."""
        job = Job(source.name, from_wallet(source, source.name))
        run = await carry_out([job], self.orders(policy, dry_run=dry_run))
        return job, run
