# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from support.paths import ROOT
from support.peers import KWALLETRC, Bridge

if TYPE_CHECKING:
    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

DENYING = KWALLETRC + "[Auto Deny]\nkdewallet=thief\n"


def read_status(bus: PrivateBus) -> Any:
    """Run the status command."""
    command = [sys.executable, "-m", "kwallet_bridge", "status", "--json"]
    return json.loads(bus.run(command, env={"PYTHONPATH": str(ROOT)}).stdout)


def test_users_and_refusals_are_told(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> None:
    """An application that opened and one that was denied are both told, with the real program."""
    with Bridge(bus, config=DENYING):
        client = bus.client()
        client.open(appid="friend")
        assert client.ask("open", "sxs", "kdewallet", 0, "thief").value == -1
        status = read_status(bus)
    assert status["is_bridge"] is True
    assert status["enabled"] is True
    assert "gnome-keyring" in status["provider"]
    assert {"name": "kdewallet", "is_open": True, "users": ["friend"]} in status["wallets"]
    (refusal,) = status["refusals"]
    assert (refusal["appid"], refusal["wallet"]) == ("thief", "kdewallet")
    assert refusal["pid"] == os.getpid()
    assert refusal["executable"] == os.path.realpath("/proc/self/exe")


def test_nobody_is_started_to_be_asked(bus: PrivateBus) -> None:
    """On a bus without services the command tells so and none is started."""
    bus.make_activatable("org.kde.kwalletd6", ["/bin/false"])
    status = read_status(bus)
    assert (status["owner"], status["provider"], status["wallets"]) == ("", "", [])
    assert bus.client().name_owner("org.kde.kwalletd6") == ""
