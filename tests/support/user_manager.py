# SPDX-License-Identifier: GPL-3.0-or-later
"""A session whose bus and services belong to a real systemd of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

PRELUDE = """\
set -e
mount -t tmpfs tmpfs /run
# What the machine chose for its users, as another bus, which wants a journal.
mount -t tmpfs tmpfs /etc/systemd/user
mkdir -p /run/systemd/system /run/user/0
chmod 700 /run/user/0
group=/sys/fs/cgroup/systemd/kwb-$$
if mkdir -p $group 2>/dev/null; then echo $$ > $group/cgroup.procs; fi
export XDG_RUNTIME_DIR=/run/user/0 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus
/lib/systemd/systemd --user &
manager=$!
trap 'kill $manager; wait $manager || true' EXIT
until systemctl --user show-environment >/dev/null 2>&1; do read -t 0.1 <> <(:) || true; done
systemctl --user start dbus.socket
"""
KEYRING = """\
printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null
gdbus wait --session --timeout 20 org.freedesktop.secrets
"""
"""Starts an unlocked gnome-keyring in the session."""


def run_under_systemd(home: PrivateBus, script: str, *, provider: str = KEYRING) -> str:
    """Run a script in such a session, after ``provider`` was; gives what it printed in one line.

    It is root's user manager: mounting a fresh /run needs root, which CI is.
    """
    done = subprocess.run(
        ["unshare", "--mount", "--kill-child", "--pid", "--fork", "--mount-proc",
         "bash", "-c", PRELUDE + provider + script],
        env=home.env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())
