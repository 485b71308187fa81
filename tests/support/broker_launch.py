# SPDX-License-Identifier: GPL-3.0-or-later
"""Start dbus-broker on a socket: ``python broker_launch.py SOCKET CONFIGURATION``.

It does what ``systemd-socket-activate -l SOCKET dbus-broker-launch --scope user`` does. The
launcher will not run without the journal's socket; where there is none, in a container, it is
given one in a mount namespace that it shares with no other program. What comes there is read and
thrown away: the broker waits for its log to be taken, and would stand still after ten lines.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

JOURNAL = Path("/run/systemd/journal/socket")
ALONE = "KWB_BROKER_ALONE"
FIRST_PASSED = 3
BACKLOG = 4096
LINE = 1 << 18
END_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def _seclude() -> None:
    """Run this program again where the rest of the system does not see its mounts."""
    unshare = shutil.which("unshare") or "unshare"
    os.environ[ALONE] = "1"
    os.execv(unshare, [unshare, "--mount", sys.executable, *sys.argv])  # noqa: S606  no shell wanted


def _make_journal() -> None:
    """Put a socket where the journal's would be, and read it as long as the launcher runs."""
    folder = JOURNAL.parent.parent
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
    JOURNAL.parent.mkdir(parents=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(str(JOURNAL))
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(END_WITH_PARENT, signal.SIGKILL)
        while True:
            journal.recv(LINE)
    journal.close()


def _keep(made: socket.socket, number: int) -> None:
    """Have the launcher inherit a socket under this number."""
    os.dup2(made.detach(), number)
    os.set_inheritable(number, True)


def main(place: str, configuration: str) -> None:
    """Listen, then become the launcher."""
    if not JOURNAL.exists() and ALONE not in os.environ:
        _seclude()
    if ALONE in os.environ:
        _make_journal()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(BACKLOG)
    _keep(listener, FIRST_PASSED)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    launcher = ["dbus-broker-launch", "--scope", "user", "--config-file", configuration]
    os.execvp(launcher[0], launcher)  # noqa: S606  no shell wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
