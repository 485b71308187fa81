# SPDX-License-Identifier: GPL-3.0-or-later
"""Start dbus-broker on a socket: ``python broker_launch.py SOCKET CONFIGURATION``.

It does what ``systemd-socket-activate -l SOCKET dbus-broker-launch --scope user`` does. The
launcher will not run without the journal's socket; where there is none, in a container, it is
given one of nobody's in a mount namespace that it shares with no other program.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

JOURNAL = Path("/run/systemd/journal/socket")
ALONE = "KWB_BROKER_ALONE"
FIRST_PASSED = 3
BACKLOG = 4096


def _seclude() -> None:
    """Run this program again where the rest of the system does not see its mounts."""
    unshare = shutil.which("unshare") or "unshare"
    os.environ[ALONE] = "1"
    os.execv(unshare, [unshare, "--mount", sys.executable, *sys.argv])  # noqa: S606  no shell wanted


def _make_journal() -> socket.socket:
    """Put a socket that nobody reads where the journal's would be."""
    folder = JOURNAL.parent.parent
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
    JOURNAL.parent.mkdir(parents=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(str(JOURNAL))
    return journal


def _keep(made: socket.socket, number: int) -> None:
    """Have the launcher inherit a socket under this number."""
    os.dup2(made.detach(), number)
    os.set_inheritable(number, True)


def main(place: str, configuration: str) -> None:
    """Listen, then become the launcher."""
    if not JOURNAL.exists() and ALONE not in os.environ:
        _seclude()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(BACKLOG)
    _keep(listener, FIRST_PASSED)
    if ALONE in os.environ:
        _keep(_make_journal(), FIRST_PASSED + 1)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    launcher = ["dbus-broker-launch", "--scope", "user", "--config-file", configuration]
    os.execvp(launcher[0], launcher)  # noqa: S606  no shell wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
