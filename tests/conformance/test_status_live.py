# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest
from support.paths import ROOT
from support.peers import KWALLETRC, Bridge
from support.private_bus import end_process

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


HOLD_NAME = """\
import asyncio, sys
from dbus_fast.aio import MessageBus
async def hold():
    bus = await MessageBus(bus_address=sys.argv[1]).connect()
    await bus.request_name(sys.argv[2])
    await bus.wait_for_disconnect()
asyncio.run(hold())
"""
TITLE = "\x1b]0;owned\x07\x1b[2J"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("org.freedesktop.secrets", ("status",)),
        ("org.freedesktop.secrets", ("doctor",)),
        ("org.kde.kwalletd6", ("doctor",)),
        ("org.kde.kwalletd6", ("session", "status", "--program", "/bin/true")),
        ("org.kde.kwalletd6", ("session", "install", "--program", "/bin/true")),
        ("org.kde.kwalletd6", ("monitor",)),
    ],
)
def test_a_program_called_by_escapes_steers_no_terminal(
    bus: PrivateBus, name: str, words: tuple[str, ...]
) -> None:
    """Who owns a name under an argv[0] full of escapes is told of without them."""
    program = bus.folder / "hold.py"
    program.write_text(HOLD_NAME)
    within = ["bash", "-c", 'exec -a "$0" "$@"', TITLE, sys.executable]
    # Python finds its packages by what it is called.
    packages = {"PYTHONPATH": sysconfig.get_path("purelib")}
    holder = bus.start([*within, str(program), bus.address, name], env=packages)
    try:
        bus.wait_for_name(name, process=holder)
        command = [sys.executable, "-m", "kwallet_bridge", *words]
        done = bus.run(command, env={"PYTHONPATH": str(ROOT)}, check=False, timeout=60)
    finally:
        end_process(holder)
    assert "\\x1b]0;owned\\x07" in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
