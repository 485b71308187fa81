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
from kwallet_bridge.statefile import load, state_path

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = "Provider Wait=2\n"
"""How short the tests' own daemons wait."""
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
    settings = home.config / "kwalletrc"
    text = settings.read_text()
    # An open waits as long as it does for everybody, however slow the machine is.
    assert QUICK in text
    settings.write_text(text.replace(QUICK, ""))
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


LOGIN = """\
export DISPLAY={display}
systemctl --user set-environment DISPLAY=$DISPLAY QT_QPA_PLATFORM=xcb
ask() {{
    dbus-send --session --print-reply=literal --reply-timeout=80000 \\
        --dest=org.kde.kwalletd5 /modules/kwalletd5 org.kde.KWallet."$@"
}}
{start}
echo "unit: $(systemctl --user is-active {unit})"
ask open string:kdewallet int64:0 string:Chromium >$XDG_RUNTIME_DIR/handle &
opening=$!
'{program}' store show
kill -0 $opening && echo "it waits;"
systemctl --user start kwb-session.target
wait $opening
set -- $(cat $XDG_RUNTIME_DIR/handle)
ask hasFolder int32:$2 "string:{folder}" string:Chromium
ask readPassword int32:$2 "string:{folder}" "string:{key}" string:Chromium
'{program}' store show
"""
"""A program opens the wallet before KeePassXC's autostart entry is read, and asks for its key."""


def log_in(home: PrivateBus, screen: Xvfb, program: Path, start: str) -> tuple[str, str]:
    """Log in under a systemd of its own; gives what was printed before the old key and after it."""
    script = LOGIN.format(
        display=screen.env["DISPLAY"],
        start=start,
        unit=UNIT,
        program=program,
        folder=FOLDER,
        key=KEY,
    )
    # This machine's gnome-keyring could be started, and would be who serves first.
    words = run_under_systemd(home, script, provider=f"mount -t tmpfs tmpfs {SERVICES}\n")
    before, found, after = words.partition(OLD_KEY)
    assert found, words
    assert "it waits; boolean true" in before, words
    assert before.startswith("unit: active waiting for the Secret Service provider"), words
    return before, after.strip()


def test_the_installed_unit_serves_when_keepassxc_comes(home: PrivateBus, tmp_path: Path) -> None:
    """The bridge runs before KeePassXC; who opens then gets the old key once that is there.

    So it is at the first login, of whose stores nothing is known, and at the next one.
    """
    program = install_program(tmp_path / "kwallet-bridge")
    served = "the Secret Service provider keepassxc; decided by the first"
    with Xvfb(home) as screen:
        prepare_login(home, KeePassXC(home, screen), tmp_path)
        state_path(home.env).unlink()
        _, after = log_in(home, screen, program, f"'{program}' session install >&2")
        assert after.startswith(served)
        kept = load(state_path(home.env))
        assert kept.decision is not None
        assert kept.decision.served_at
        # What is installed is started by the session; nobody installs anything at a later login.
        start = f"systemctl --user start {UNIT}"
        before, after = log_in(home, screen, program, start)
        assert "keepassxc" in before
        assert after.startswith(served)
        assert load(state_path(home.env)).decision == kept.decision
    assert not [*home.data.glob("keyrings/*"), *home.data.glob("kwallet-bridge/*")]
