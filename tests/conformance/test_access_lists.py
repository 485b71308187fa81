# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of Auto Allow and Auto Deny when a wallet is deleted, here and with kwalletd5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Kwalletd

from kwallet_bridge.config import read_settings

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

LISTS = """\
[Auto Allow]
kdewallet=friend,KDE System
other=friend
[Auto Deny]
kdewallet=thief
other=thief
"""


@pytest.mark.parametrize("kind", [Kwalletd, Bridge])
def test_a_deleted_wallet_leaves_the_lists(bus: PrivateBus, kind: type[Kwalletd | Bridge]) -> None:
    """Only the deleted wallet's lines go, before the answer; a missing wallet takes none along."""
    with GnomeKeyring(bus), kind(bus, config=KWALLETRC + LISTS):
        client = bus.client()
        assert client.ask("deleteWallet", "s", "other").value == -1
        assert set(read_settings(bus.env).auto_allow) == {"kdewallet", "other"}
        assert client.open("kdewallet", "friend") > 0
        assert client.ask("deleteWallet", "s", "kdewallet").value == 0
        settings = read_settings(bus.env)
    assert dict(settings.auto_allow) == {"other": ("friend",)}
    assert dict(settings.auto_deny) == {"other": ("thief",)}
