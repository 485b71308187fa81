# SPDX-License-Identifier: GPL-3.0-or-later
"""A login under a real systemd: the unit that install writes, then KeePassXC by its autostart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.chromium import FOLDER, KEY
from support.installed import install_program
from support.keepassxc import KeePassXC
from support.peers import PASSWORD, Bridge, Xvfb
from support.private_bus import PrivateBus, private_bus
from support.user_manager import run_under_systemd

from kwallet_bridge.session.files import UNIT
from kwallet_bridge.statefile import state_path

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD_KEY = "the-browsers-old-key"
SERVICES = Path("/usr/share/dbus-1/services")
TARGET = """\
[Unit]
Description=A desktop session
BindsTo=graphical-session.target
Wants=xdg-desktop-autostart.target
"""
AUTOSTART = """\
[Desktop Entry]
Type=Application
Name=KeePassXC
Exec={script}
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PrivateBus]:
    """A scratch home; its own bus is used for the earlier login only."""
    with private_bus() as bus:
        bus.env["XDG_DATA_DIRS"] = str(tmp_path / "share")
        yield bus


def prepare_login(home: PrivateBus, vault: KeePassXC, folder: Path) -> None:
    """Store the browser's key in an earlier login, and have KeePassXC start with the session."""
    with vault, Bridge(home, store="auto"), home.client() as client:
        place = (client.open(appid="Chromium"), FOLDER, KEY)
        assert client.ask("writePassword", "issss", *place, OLD_KEY, "Chromium").value == 0
    script = folder / "keepassxc.sh"
    script.write_text(
        f"#!/bin/sh\nprintf '{PASSWORD}\\n' | exec keepassxc --pw-stdin '{vault.database}'\n"
    )
    script.chmod(0o755)
    entry = home.config / "autostart/keepassxc.desktop"
    entry.parent.mkdir(exist_ok=True)
    entry.write_text(AUTOSTART.format(script=script))
    units = home.data / "systemd/user"
    units.mkdir(parents=True)
    (units / "kwb-session.target").write_text(TARGET)


def test_the_installed_unit_serves_when_keepassxc_comes(home: PrivateBus, tmp_path: Path) -> None:
    """The bridge runs before KeePassXC; who opens then gets the old key once that is there."""
    program = install_program(tmp_path / "kwallet-bridge")
    with Xvfb(home) as screen:
        prepare_login(home, KeePassXC(home, screen), tmp_path)
        state_path(home.env).unlink()
        words = run_under_systemd(
            home,
            f"""
            export DISPLAY={screen.env["DISPLAY"]}
            systemctl --user set-environment DISPLAY=$DISPLAY QT_QPA_PLATFORM=xcb
            '{program}' session install >&2
            echo "unit: $(systemctl --user is-active {UNIT})"
            ask() {{
                dbus-send --session --print-reply=literal --reply-timeout=80000 \\
                    --dest=org.kde.kwalletd5 /modules/kwalletd5 org.kde.KWallet."$@"
            }}
            ask open string:kdewallet int64:0 string:Chromium >$XDG_RUNTIME_DIR/handle &
            opening=$!
            '{program}' store show
            kill -0 $opening && echo "it waits;"
            systemctl --user start kwb-session.target
            wait $opening
            set -- $(cat $XDG_RUNTIME_DIR/handle)
            ask readPassword int32:$2 "string:{FOLDER}" "string:{KEY}" string:Chromium
            '{program}' store show
            """,
            # This machine's gnome-keyring could be started, and would be who serves first.
            provider=f"mount -t tmpfs tmpfs {SERVICES}\n",
        )
    assert words.startswith("unit: active waiting for the Secret Service provider")
    assert "it waits;" in words
    before, _, after = words.partition(OLD_KEY)
    assert "waiting" in before
    assert after.strip().startswith("the Secret Service provider keepassxc; decided by the first")
    assert not [*home.data.glob("keyrings/*"), *home.data.glob("kwallet-bridge/*")]
