# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.keepassxc import KeePassXC
from support.keyring_admin import KeyringAdmin
from support.paths import ROOT
from support.peers import Bridge, GnomeKeyring, Kwalletd, Xvfb
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGED = Path("/usr/share/dbus-1/services/org.kde.kwalletd5.service")


def examine(bus: PrivateBus, **environ: str) -> tuple[int, Mapping[str, Any]]:
    """Run the doctor; gives its exit code and its checks by name."""
    command = [sys.executable, "-m", "kwallet_bridge", "doctor", "--json"]
    done = bus.run(command, env={"PYTHONPATH": str(ROOT)} | environ, check=False)
    report = json.loads(done.stdout)
    return done.returncode, {check["check"]: check for check in report["checks"]}


def test_a_working_bridge_answers_in_time(bus: PrivateBus, bridge: Bridge) -> None:
    """With the bridge over gnome-keyring, names, isEnabled and provider are well."""
    _, checks = examine(bus)
    assert checks["names"]["status"] == "ok"
    assert checks["isEnabled"]["status"] == "ok"
    assert checks["provider"]["status"] == "ok"
    provider = " ".join(checks["provider"]["seen"])
    assert "gnome-keyring" in provider
    assert re.search(r"version: \d+\.\d+ \(gnome-keyring-daemon --version\)", provider)
    assert "quirks in force: keeps_content_type, hides_locked_schema" in provider
    assert "default alias: set, unlocked" in provider
    assert "session: encrypted" in provider
    assert "round trip: not made" in provider
    assert str(bus.home) not in json.dumps(checks)


def test_a_marker_makes_the_round_trip(bus: PrivateBus, bridge: Bridge) -> None:
    """Once a wallet was opened, its folder's marker is read through the session."""
    bus.client().open("kdewallet", "app")
    _, checks = examine(bus)
    assert "round trip: a folder's marker came back" in " ".join(checks["provider"]["seen"])


def test_a_locked_keyring_is_told_and_not_asked_for(bus: PrivateBus, bridge: Bridge) -> None:
    """Over a locked collection the doctor says so, reads nothing and has nobody asked."""
    bus.client().open("kdewallet", "app")
    admin = KeyringAdmin(bus.client())
    admin.lock(admin.default())
    _, checks = examine(bus)
    assert admin.is_locked(admin.default())
    provider = " ".join(checks["provider"]["seen"])
    assert "locked: 1" in provider
    assert "default alias: set, locked" in provider
    assert "round trip: not made" in provider


def test_keepassxc_tells_its_version(bus: PrivateBus) -> None:
    """KeePassXC's version is known without asking KeePassXC itself, which would want a display."""
    with Xvfb(bus) as display, KeePassXC(bus, display):
        _, checks = examine(bus)
    provider = " ".join(checks["provider"]["seen"])
    assert re.search(r"version: 2\.\d+\.\d+ \(keepassxc-cli --version\)", provider)
    assert "rewrites_text" in provider


def test_looking_starts_nothing(tmp_path: Path) -> None:
    """On a bus where everything is activatable nothing is running after the doctor was."""
    services = tmp_path / "share/dbus-1/services"
    services.mkdir(parents=True)
    shutil.copy(PACKAGED, services)
    with private_bus(system_data=tmp_path / "share") as bus:
        bus.make_activatable("org.freedesktop.secrets", ["/usr/bin/gnome-keyring-daemon"])
        code, checks = examine(bus)
        client = bus.client()
        names = client.bus_call("ListNames").value
        files = [path for path in bus.home.rglob("*") if path.is_file()]
    assert code == 62
    assert checks["provider"]["status"] == "warning"
    assert isinstance(names, list)
    assert not [name for name in names if "kwallet" in name or "secrets" in name]
    assert files == []


def test_kwalletd_in_our_place_is_a_problem(bus: PrivateBus) -> None:
    """A kwalletd5 that answers is named with the command that replaces it."""
    with GnomeKeyring(bus), Kwalletd(bus):
        code, checks = examine(bus)
    assert code == 62
    assert checks["names"]["status"] == "problem"
    assert checks["names"]["next"] == "kwallet-bridge session install"


def test_without_a_bus_files_are_still_checked(bus: PrivateBus) -> None:
    """Where no bus answers that is the problem named, beside the checks of files."""
    code, checks = examine(bus, DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere")
    assert code == 62
    assert checks["session bus"]["status"] == "problem"
    assert "kwalletrc" in checks
