# SPDX-License-Identifier: GPL-3.0-or-later
"""The kwalletd that was looked at is the one that is asked, whoever has its name later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.owners import DAEMON
from kwallet_bridge.migrate import running
from kwallet_bridge.migrate.running import find_daemon
from kwallet_bridge.model import WalletName

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

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
