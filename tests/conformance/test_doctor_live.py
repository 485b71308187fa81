# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.paths import ROOT
from support.peers import Bridge, GnomeKeyring, Kwalletd
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
    assert "session: encrypted" in provider
    assert str(bus.home) not in json.dumps(checks)


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
