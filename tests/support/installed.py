# SPDX-License-Identifier: GPL-3.0-or-later
"""kwallet-bridge as a program of its own, as a package or pip would install it."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kwallet_bridge.wire.generations import BUS_NAMES
from support.paths import ROOT
from support.peers import GnomeKeyring
from support.private_bus import private_bus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.private_bus import PrivateBus

PROGRAM = f"""\
#!{sys.executable}
import os, sys
sys.path.insert(0, {str(ROOT)!r})
os.environ["PYTHONPATH"] = {str(ROOT)!r}
from kwallet_bridge.__main__ import main
main()
"""
"""This tree's; an installed one needs no path for its dialogs to be found."""


def install_program(path: Path) -> Path:
    """Write the program; it runs this tree whatever the environment says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return path


def stop_service(bus: PrivateBus) -> None:
    """End the service as a restart of the session would."""
    os.kill(bus.process_of(BUS_NAMES[0]), 15)
    for name in BUS_NAMES:
        bus.wait_name_gone(name)


@contextmanager
def packaged_session(folder: Path) -> Iterator[PrivateBus]:
    """A session with gnome-keyring unlocked and kwalletd5 as its package installs it."""
    services = folder / "share/dbus-1/services"
    services.mkdir(parents=True)
    shutil.copy("/usr/share/dbus-1/services/org.kde.kwalletd5.service", services)
    with private_bus(system_data=folder / "share") as bus, GnomeKeyring(bus):
        yield bus
