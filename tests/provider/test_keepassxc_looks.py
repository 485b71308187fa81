# SPDX-License-Identifier: GPL-3.0-or-later
"""KeePassXC with its confirmations on tells which program asks, if it can see it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from support.accessibility import Desktop
from support.keepassxc import KeePassXC
from support.keepassxc_dialogs import ACCESS, ALLOW, Dialogs
from support.peers import Bridge, Xvfb

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

AS_A_USER = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
"""Root may look at every process. Without that right root is to root as a user to himself."""
ACCESSIBLE = ("env", "QT_LINUX_ACCESSIBILITY_ALWAYS_ON=1", "QT_ACCESSIBILITY=1")
QUESTION = re.compile(r"(.+) \(PID: (\d+)\) is requesting access")
APP = "test"
PLACE = ("Passwords", "mail")


def test_keepassxc_sees_the_program_and_afterwards_nobody_does(bus: PrivateBus) -> None:
    """The question names our interpreter, without a warning; a restart of KeePassXC changes nothing.

    Between the two looks, and after them, the process is closed to others of the user.
    """
    with Xvfb(bus) as display, Desktop(bus, display) as desktop:
        dialogs = Dialogs(bus, display)
        within = (*AS_A_USER, *ACCESSIBLE)
        vault = KeePassXC(bus, display, confirmations=True, within=within)
        with vault, Bridge(bus, within=AS_A_USER) as bridge:
            assert bridge.process is not None
            proc = Path(f"/proc/{bridge.process.pid}")
            client = bus.client()
            handle = client.open(appid=APP)
            client.ask("writePassword", "issss", handle, *PLACE, "m4il", APP)
            assert is_closed(proc)
            vault.restart()
            handle = client.open(appid=APP)
            reading = client.send(
                client.service,
                client.object_path,
                "org.kde.KWallet",
                "readPassword",
                "isss",
                [handle, *PLACE, APP],
            )
            window = dialogs.wait(ACCESS)
            (shown,) = filter(None, map(QUESTION.match, desktop.texts()))
            assert shown.groups() == (str((proc / "exe").readlink()), str(bridge.process.pid))
            assert is_closed(proc)
            dialogs.press(window, *ALLOW)
            assert client.wait_reply(reading).value == "m4il"


def is_closed(proc: Path) -> bool:
    """Tell whether a process of ours can be looked into by its user."""
    looking = [*AS_A_USER, "readlink", str(proc / "exe")]
    return subprocess.run(looking, capture_output=True, check=False).returncode != 0
