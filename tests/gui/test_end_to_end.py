# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on a display, worked by xdotool as a person would; programs that know nothing of us."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.installed import install_program, stop_service
from support.kwl_writer import NEWEST, SALT, make_lock, write_wallet
from support.paths import ROOT
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Xvfb
from support.private_bus import PrivateBus, private_bus

from kwallet_bridge.config import read_settings
from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.qtstream import encode_string
from kwallet_bridge.session.census import read_command

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKING = KWALLETRC.replace("Prompt on Open=false", "Prompt on Open=true")
PATIENCE = 60
PACKAGED = Path("/usr/share/dbus-1/services/org.kde.kwalletd5.service")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[PrivateBus]:
    """A session with a display, gnome-keyring unlocked, and kwalletd5 installed by a package."""
    services = tmp_path / "share/dbus-1/services"
    services.mkdir(parents=True)
    shutil.copy(PACKAGED, services)
    with private_bus(system_data=tmp_path / "share") as bus, Xvfb(bus) as display:
        # What a session's start does with its display, for every service the bus starts.
        told = [f"{name}={value}" for name, value in display.env.items()]
        bus.run(["dbus-update-activation-environment", *told])
        bus.env.update(display.env)
        bus.write_config("kwalletrc", ASKING)
        with GnomeKeyring(bus):
            yield bus


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


def installed_files(bus: PrivateBus) -> set[Path]:
    """List what is where a session looks for services, units, menu entries and icons."""
    places = [bus.data / "dbus-1", bus.data / "systemd", bus.data / "applications",
              bus.data / "icons", bus.config / "systemd", bus.config / "autostart"]  # fmt: skip
    return {path for place in places for path in (place, *place.rglob("*")) if path.exists()}


def parent_of(process: int) -> int:
    """Tell which process started another."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_from_install_to_uninstall(session: PrivateBus, tmp_path: Path) -> None:
    """With nothing but installed files a first open asks, Always is kept, a wallet moves, is read.

    Uninstalled, nothing of it is left and the packaged kwalletd5 answers again.
    """
    program = str(install_program(tmp_path / "bin/kwallet-bridge"))
    make_wallet(session, "mail", "v4lue", "corre")
    before = installed_files(session)
    session.run([program, "session", "install"])
    stop_service(session)

    first = query(session, "mail")
    dialog = find_window(session, "Access to a Wallet")
    shower = int(session.run(["xdotool", "getwindowpid", dialog]).stdout)
    assert parent_of(shower) == session.process_of("org.kde.kwalletd5")
    press_until_gone(session, dialog, "alt+a")
    # The wallet waits to be moved, and its password is asked for: later, in the assistant.
    press_until_gone(session, find_window(session, "Password of a Wallet"), "Escape")
    first.wait(PATIENCE)
    assert "v4lue" not in session.printed("kwallet-query")
    assert read_settings(session.env).auto_allow == {"kdewallet": ("kwallet-query",)}

    assistant = session.start([program, "gui", "assistant"])
    window = find_window(session, "Move Wallets to Your Password Store")
    work_through(session, window, "corre", assistant)
    stop_service(session)
    assert query(session, "mail").wait(PATIENCE) == 0
    assert "v4lue" in session.printed("kwallet-query")
    assert program in read_command(session.process_of("org.kde.kwalletd5"))

    session.run([program, "session", "uninstall"])
    assert installed_files(session) == before
    session.run(["dbus-send", "--session", "--print-reply", "--dest=org.kde.kwalletd5",
                 "/modules/kwalletd5", "org.kde.KWallet.isEnabled"])  # fmt: skip
    assert read_command(session.process_of("org.kde.kwalletd5"))[0].endswith("kwalletd5")


def test_a_waiting_wallet_moves_by_its_password(session: PrivateBus) -> None:
    """One window asks for it, its password is typed, and the program that waited has its entry."""
    session.env["PYTHONPATH"] = str(ROOT)
    session.write_config("kwalletrc", "[Wallet]\nPrompt on Open=false\n")
    make_wallet(session, "mail", "v4lue", "corre")
    with Bridge(session):
        process = query(session, "mail")
        for _ in range(3):  # a key that came too early makes it a wrong one, which is asked again
            window = find_window(session, "Password of a Wallet")
            press_until_gone(session, window, "--delay", "30", "ctrl+a", *"corre", "Return")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE / 3)
                break
        assert process.wait(PATIENCE) == 0
    assert "v4lue" in session.printed("kwallet-query")


def test_escape_denies_a_real_program(session: PrivateBus) -> None:
    """Escape in the dialog makes kwallet-query fail, and nothing is remembered."""
    session.env["PYTHONPATH"] = str(ROOT)
    with Bridge(session):
        process = query(session, "any")
        press_until_gone(session, find_window(session, "Access to a Wallet"), "Escape")
        assert process.wait(PATIENCE) != 0
    assert not read_settings(session.env).auto_deny
