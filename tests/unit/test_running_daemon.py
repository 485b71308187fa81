# SPDX-License-Identifier: GPL-3.0-or-later
"""The kwalletd that was looked at is the one that is asked, whoever has its name later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.wallet_files import place_gpg_wallet, place_wallet

from kwallet_bridge.bus.owners import DAEMON
from kwallet_bridge.cli.sources import load_from
from kwallet_bridge.errors import StoreUnavailableError
from kwallet_bridge.kwl.header import digest_name
from kwallet_bridge.migrate import running
from kwallet_bridge.migrate.running import RunningDaemon, find_daemon
from kwallet_bridge.model import EntryType, Folder, FolderName, Key, Wallet, WalletEntry, WalletName
from kwallet_bridge.qtstream import encode_string
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OWNER = ":1.5"
ANSWERS: dict[str, Sequence[object]] = {
    "GetNameOwner": [OWNER],
    "GetConnectionUnixProcessID": [17],
    "wallets": [["kdewallet"]],
    "isOpen": [True],
    "open": [3],
    "sync": [],
    "close": [0],
    "folderList": [["F"]],
    "entryList": [["k"]],
    "readEntry": [b"v"],
    "entryType": [2],
}


class _Bus:
    def __init__(self) -> None:
        self.called: list[str] = []

    async def call(
        self, destination: str, _: str, __: str, member: str, *___: Any, **____: Any
    ) -> Sequence[object]:
        """Note who is called."""
        self.called.append(destination)
        return ANSWERS[member]


async def test_every_call_goes_to_the_process_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another program that takes the name is told no wallet's name, and gives no values."""
    monkeypatch.setattr(running, "_program", {17: "kwalletd6"}.__getitem__)
    bus = _Bus()
    daemon = await find_daemon(bus)  # type: ignore[arg-type]
    assert daemon is not None
    wallet = WalletName("kdewallet")
    assert await daemon.list_wallets() == [wallet]
    assert await daemon.is_open(wallet)
    assert await daemon.save(wallet)
    assert (await daemon.read_wallet(wallet)).folders[0].entries[0].value.reveal() == b"v"
    assert set(bus.called) == {DAEMON, OWNER}


class _Holder(RunningDaemon):
    """A kwalletd whose wallet has one entry, or another one once it has saved."""

    wallet: Wallet
    saves = 0

    def on_save(self) -> object:
        """Do what a save does to the file."""

    async def read_wallet(self, wallet: WalletName) -> Wallet:
        """Give what it has."""
        assert wallet == self.wallet.name
        return self.wallet

    async def save(self, wallet: WalletName) -> bool:
        """Write the file."""
        assert wallet == self.wallet.name
        type(self).saves += 1
        self.on_save()
        return True


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[_Holder]:
    """A daemon beside a wallets' folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    entry = WalletEntry(Key("k"), EntryType.PASSWORD, Secret(encode_string("v")))

    class Held(_Holder):
        wallet = Wallet(WalletName("kdewallet"), (Folder(FolderName("F"), (entry,)),))

        def on_save(self) -> object:
            return place_wallet(tmp_path, {"F": {"k": "v"}})

    return Held


def _hold(kind: type[_Holder]) -> _Holder:
    return kind(None, "kwalletd6", OWNER)  # type: ignore[arg-type]


async def test_a_daemon_that_lacks_the_files_entries_is_no_source(
    tmp_path: Path, holder: type[_Holder]
) -> None:
    """Else what it lacks would count as moved: another store's wallet may have the name."""
    await asyncio.to_thread(place_wallet, tmp_path, {"F": {"k": "v", "more": "w"}})
    with pytest.raises(StoreUnavailableError, match="lacks entries"):
        await load_from(_hold(holder), holder.wallet.name)
    assert holder.saves == 0
    await asyncio.to_thread(place_wallet, tmp_path, {"F": {"k": "v"}, "Empty": {}})
    with pytest.raises(StoreUnavailableError, match="lacks entries"):
        await load_from(_hold(holder), holder.wallet.name)


async def test_what_was_removed_there_is_saved_and_then_lacks_nothing(
    tmp_path: Path, holder: type[_Holder]
) -> None:
    """A daemon saves seconds after a removal; it is asked to, where that voids no decision."""
    await asyncio.to_thread(place_wallet, tmp_path, {"F": {"k": "v", "gone": "w"}})
    loaded = await load_from(_hold(holder), holder.wallet.name, may_save=True)
    assert (holder.saves, loaded.wallet.folders) == (1, holder.wallet.folders)
    assert loaded.file is not None
    assert loaded.file.names() == {digest_name("F"): {digest_name("k")}}


async def test_a_file_whose_names_are_hidden_does_not_count_as_moved(
    tmp_path: Path, holder: type[_Holder]
) -> None:
    """Nobody can tell that a daemon has what GnuPG hides, so its file is pending on."""
    await asyncio.to_thread(place_gpg_wallet, tmp_path)
    loaded = await load_from(_hold(holder), holder.wallet.name)
    assert (loaded.wallet.folders, loaded.file) == (holder.wallet.folders, None)
