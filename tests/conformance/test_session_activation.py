# SPDX-License-Identifier: GPL-3.0-or-later
"""The real daemon, started by the bus from nothing but the installed files."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.installed import install_program, packaged_session, stop_service
from support.peers import Xvfb
from support.private_bus import PrivateBus, private_bus
from support.user_manager import run_under_systemd

from kwallet_bridge.session.census import read_command
from kwallet_bridge.session.files import UNIT, render_unit
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGED = Path("/usr/share/dbus-1/services/org.kde.kwalletd5.service")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """kwallet-bridge, installed at an odd place."""
    return install_program(tmp_path / "my programs/kwallet-bridge")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[PrivateBus]:
    """A session with gnome-keyring unlocked and kwalletd5 packaged."""
    with packaged_session(tmp_path) as bus:
        yield bus


def test_kwallet_query_starts_the_bridge(session: PrivateBus, program: Path) -> None:
    """With only the installed files kwallet-query starts the bridge and reads what was stored."""
    session.run([str(program), "session", "install"])
    client = session.client()
    arguments = (client.open(), "Passwords", "entry", "val-ü", "test")
    assert client.ask("writePassword", "issss", *arguments).value == 0
    stop_service(session)
    done = session.run(["kwallet-query", "-f", "Passwords", "-r", "entry", "kdewallet"])
    assert done.stdout.strip() == "val-ü"
    assert str(program) in read_command(session.process_of("org.kde.kwalletd5"))


@pytest.mark.parametrize("name", BUS_NAMES)
def test_any_name_starts_all_names(session: PrivateBus, program: Path, name: str) -> None:
    """Calling one name makes one process own all three."""
    session.run([str(program), "session", "install"])
    stop_service(session)
    session.run(["dbus-send", "--session", "--print-reply", f"--dest={name}",
                 "/modules/kwalletd", "org.kde.KWallet.networkWallet"])  # fmt: skip
    for each in BUS_NAMES:
        session.wait_for_name(each)
    assert len({session.process_of(each) for each in BUS_NAMES}) == 1


def test_uninstall_gives_kwalletd5_back(session: PrivateBus, program: Path) -> None:
    """After uninstall the packaged kwalletd5 answers and our process is gone."""
    session.run([str(program), "session", "install"])
    session.run([str(program), "session", "uninstall"])
    session.run(["dbus-send", "--session", "--print-reply", "--dest=org.kde.kwalletd5",
                 "/modules/kwalletd5", "org.kde.KWallet.isEnabled"])  # fmt: skip
    assert read_command(session.process_of("org.kde.kwalletd5"))[0].endswith("kwalletd5")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PrivateBus]:
    """A scratch home; its own bus is not used."""
    services = tmp_path / "share/dbus-1/services"
    services.mkdir(parents=True)
    shutil.copy(PACKAGED, services)
    with private_bus(system_data=tmp_path / "share") as bus:
        yield bus


def test_the_hardened_unit_serves_and_asks(home: PrivateBus, program: Path) -> None:
    """Under a real systemd the unit is confined, asks in a confined dialog, serves, and stops."""
    units = home.data / "systemd/user"
    units.mkdir(parents=True)
    (units / UNIT).write_text(render_unit([str(program)]))
    home.write_config("kwalletrc", "[Wallet]\nPrompt on Open=true\n")
    with Xvfb(home) as screen:
        words = run_under_systemd(
            home,
            f"""
            export DISPLAY={screen.env["DISPLAY"]}
            systemctl --user set-environment DISPLAY=$DISPLAY QT_QPA_PLATFORM=xcb
            systemctl --user start {UNIT}
            main=$(systemctl --user show -P MainPID {UNIT})
            kwallet-query -l kdewallet -f Passwords &
            query=$!
            set -- $(timeout 30 xdotool search --sync --onlyvisible --name 'Access to a Wallet')
            for process in $main $(cat /proc/$main/task/*/children); do
                echo "confined:" $(grep -E '^(NoNewPrivs|Seccomp|Umask):' /proc/$process/status) \\
                    $(grep 'Max core file size' /proc/$process/limits)
            done
            while kill -0 $query 2>/dev/null; do
                xdotool windowfocus $1 key alt+o 2>/dev/null || true
                read -t 0.1 <> <(:) || true
            done
            wait $query && echo answered
            systemctl --user stop {UNIT}
            systemctl --user show -P Result {UNIT}
            """,
        )
    confined = "confined: Umask: 0077 NoNewPrivs: 1 Seccomp: 2 Max core file size 0 0 bytes"
    assert words.count(confined) == 2
    assert words.endswith("answered success")


def test_systemd_starts_a_program_at_a_place_full_of_quotes(
    home: PrivateBus, tmp_path: Path
) -> None:
    """A unit whose program has quotes, a backslash and a dollar in its path runs it, and stops."""
    program = install_program(tmp_path / 'it\'s a "b\\c" = %n $HOME' / "kwallet-bridge")
    words = run_under_systemd(
        home,
        f"""
        {shlex.quote(str(program))} session install
        readlink /proc/$(systemctl --user show -P MainPID {UNIT})/exe
        systemctl --user stop {UNIT}
        systemctl --user show -P Result {UNIT}
        """,
    )
    assert words.endswith(f"{Path(sys.executable).resolve()} success")


def test_systemd_activates_and_gives_back(home: PrivateBus, program: Path) -> None:
    """In a systemd session the bus starts the unit, and uninstall stops it for kwalletd5."""
    words = run_under_systemd(
        home,
        f"""
        ask() {{
            dbus-send --session --print-reply --dest=org.kde.kwalletd5 /modules/kwalletd5 \\
                org.kde.KWallet.isEnabled >/dev/null
        }}
        ask
        '{program}' session install
        systemctl --user stop {UNIT}
        ask
        echo "unit: $(systemctl --user is-active {UNIT})"
        '{program}' session status --program '{program}'
        '{program}' session uninstall
        echo "unit: $(systemctl --user is-active {UNIT} || true)"
        ask
        gdbus call --session -d org.freedesktop.DBus -o /org/freedesktop/DBus \\
            -m org.freedesktop.DBus.ListNames
        """,
    )
    assert "kwalletd5 (pid" in words
    assert "systemd has read its units again" in words
    assert "unit: active" in words
    assert f", {UNIT})" in words
    assert "unit: inactive" in words
    assert "org.kde.kwalletd6" not in words.rpartition("unit: inactive")[2]
