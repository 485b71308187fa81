# SPDX-License-Identifier: GPL-3.0-or-later
"""A program inside a sandbox as Flatpak makes one, and the real portal it speaks to."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.keyringfile.portal import PortalPassword
from kwallet_bridge.keyringfile.sources import KeyRequest
from support.paths import ROOT
from support.peers import Peer

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

INFO = """\
[Application]
name={application}
runtime=org.example.Platform/x86_64/1

[Instance]
instance-id=1234
"""
PORTAL_FILE = """\
[portal]
DBusName=org.freedesktop.impl.portal.desktop.kwallet
Interfaces=org.freedesktop.impl.portal.Secret
UseIn=KDE
"""


class DesktopPortal(Peer):
    """Debian's xdg-desktop-portal, told of KDE's backend for secrets alone."""

    name = "org.freedesktop.portal.Desktop"

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it; where it looks for backends is a folder of ours."""
        folder = self.bus.folder / "portals"
        folder.mkdir(exist_ok=True)
        (folder / "kwallet.portal").write_text(PORTAL_FILE)
        return self.bus.start(
            ["/usr/libexec/xdg-desktop-portal", "-v"],
            env={"XDG_DESKTOP_PORTAL_DIR": str(folder), "XDG_CURRENT_DESKTOP": "KDE"},
        )

    def start_as(self, application: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program as the sandboxed application of that id."""
        info = self.bus.folder / f"{application}.info"
        info.write_text(INFO.format(application=application))
        # A root of its own with this machine's folders: the file must not appear in ours.
        folders = [str(each) for each in Path("/").iterdir() if each.is_dir()]
        binds = [word for each in folders for word in ("--dev-bind", each, each)]
        sandbox = ["bwrap", *binds, "--ro-bind", str(info), "/.flatpak-info"]
        return self.bus.start([*sandbox, *argv], env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"})

    def secret_of(self, application: str) -> str:
        """Return the digest of the secret that an application is given, or why there is none."""
        process = self.start_as(application, [sys.executable, "-m", "support.sandboxed"])
        assert process.wait(60) == 0
        return self.bus.printed("bwrap").strip().splitlines()[-1]


async def _retrieve() -> str:
    source = PortalPassword(lambda: BusConnection.connect(unix_fds=True))
    try:
        secret = await source.read_password(KeyRequest("none"))
    except Exception as error:  # noqa: BLE001  the test reads its name
        return type(error).__name__
    return "none" if secret is None else hashlib.sha256(secret.reveal()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(_retrieve()) + "\n")
