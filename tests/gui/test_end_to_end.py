# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on a display, worked by xdotool as a person would; programs that know nothing of us."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.kwl_writer import NEWEST, SALT, make_lock, write_wallet
from support.paths import ROOT
from support.peers import KWALLETRC, Bridge, Xvfb

from kwallet_bridge.config import read_settings
from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.qtstream import encode_string

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

ASKING = KWALLETRC.replace("Prompt on Open=false", "Prompt on Open=true")
PATIENCE = 60


@pytest.fixture
def screen(bus: PrivateBus) -> Iterator[Xvfb]:
    """A display; every program started on the bus from now on draws there."""
    with Xvfb(bus) as display:
        bus.env.update(display.env)
        yield display


@pytest.fixture
def asking(bus: PrivateBus, gnome_keyring: GnomeKeyring, screen: Xvfb) -> Iterator[Bridge]:
    """The bridge with Prompt on Open and its own dialog."""
    bus.env["PYTHONPATH"] = str(ROOT)
    with Bridge(bus, config=ASKING) as peer:
        yield peer


def find_window(bus: PrivateBus, title: str) -> str:
    """Wait for a window by its title and give it the keyboard."""
    command = ["xdotool", "search", "--sync", "--onlyvisible", "--name", title]
    window = bus.run(command, timeout=PATIENCE).stdout.split()[0]
    bus.run(["xdotool", "windowfocus", "--sync", window])
    return window


def press_until_gone(bus: PrivateBus, window: str, *keys: str) -> None:
    """Press keys as an impatient person does, until the window is gone."""
    for _ in range(PATIENCE * 5):
        done = bus.run(["xdotool", "windowfocus", window, "key", *keys], check=False)
        if done.returncode or "BadWindow" in done.stderr:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            gone = bus.run(["xdotool", "getwindowname", window], check=False)
            if gone.returncode:
                return
    pytest.fail("the window stayed")


def query(bus: PrivateBus, key: str) -> subprocess.Popen[bytes]:
    """Start kwallet-query for one entry of the folder Passwords."""
    return bus.start(["kwallet-query", "-r", key, "-f", "Passwords", "kdewallet"])


def make_wallet(bus: PrivateBus, key: str, value: str, password: str) -> None:
    """Put a wallet file with one entry where KDE keeps them."""
    folder = bus.data / "kwalletd"
    folder.mkdir(parents=True)
    lock = make_lock(NEWEST, Profile.KF5, password.encode())
    entry = (key, 1, encode_string(value))
    (folder / "kdewallet.kwl").write_bytes(write_wallet(lock, [("Passwords", [entry])]))
    (folder / "kdewallet.salt").write_bytes(SALT)


def work_through(
    bus: PrivateBus, window: str, password: str, assistant: subprocess.Popen[bytes]
) -> None:
    """Go through the assistant by keyboard alone, trying again what came too early."""
    # Next; the password where it is asked for; Enter, which unlocks and at last finishes; Move.
    keys = ["alt+n", "ctrl+a", *password, "Return", "alt+m"]
    for _ in range(PATIENCE):
        bus.run(["xdotool", "windowfocus", window, "key", "--delay", "30", *keys], check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert assistant.wait(0.5) == 0
            return
    pytest.fail("the assistant did not come to its end")


def test_a_person_allows_always_and_moves_a_wallet(
    bus: PrivateBus, asking: Bridge, screen: Xvfb
) -> None:
    """After Always in the dialog and a run of the assistant kwallet-query reads the moved entry."""
    make_wallet(bus, "mail", "v4lue", "corre")
    first = query(bus, "mail")
    press_until_gone(bus, find_window(bus, "Access to a Wallet"), "alt+a")
    first.wait(PATIENCE)
    assert "v4lue" not in bus.printed("kwallet-query")
    (allowed,) = read_settings(bus.env).auto_allow["kdewallet"]
    assert allowed == "kwallet-query"

    assistant = bus.start([sys.executable, "-m", "kwallet_bridge", "gui", "assistant"])
    window = find_window(bus, "Move Wallets to Your Password Store")
    work_through(bus, window, "corre", assistant)
    assert query(bus, "mail").wait(PATIENCE) == 0
    assert "v4lue" in bus.printed("kwallet-query")


def test_escape_denies_a_real_program(bus: PrivateBus, asking: Bridge) -> None:
    """Escape in the dialog makes kwallet-query fail, and nothing is remembered."""
    process = query(bus, "any")
    press_until_gone(bus, find_window(bus, "Access to a Wallet"), "Escape")
    assert process.wait(PATIENCE) != 0
    assert not read_settings(bus.env).auto_deny
