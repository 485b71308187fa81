# SPDX-License-Identifier: GPL-3.0-or-later
"""A session of the user who runs this: ``before`` with KDE's daemon, ``after`` with the bridge.

Run by tests as a user whom PAM let in, in that user's home and runtime directory. ``before`` has
Chromium save a cookie under a key in ``kdewallet``; ``after`` prints the cookies it reads again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from conformance.test_real_chromium import FROM_THE_WALLET, URL, Browser, _stored

from support.client import KWALLET
from support.pam_session import PASSWORD, VECTOR
from support.peers import Bridge, GnomeKeyring, Kwalletd, Xvfb, pam_key
from support.private_bus import PrivateBus, private_bus
from support.vectors import load_vector

COOKIE = {"name": "taste", "value": "oat", "url": URL, "expires": 4_000_000_000}


class UsersKwalletd(Kwalletd):
    """KDE's daemon, whose wallet is opened by the key that PAM derives."""

    def settle(self) -> None:
        """Open the wallet that is there, under the login password."""
        key = pam_key(PASSWORD, load_vector(VECTOR).salt or b"")
        body = ["kdewallet", key, 0]
        self.bus.client().call(self.name, "/modules/kwalletd5", KWALLET, "pamOpen", "sayi", body)

    def start(self) -> None:
        """Start it over the salt that is there."""
        self.bus.write_config("kwalletrc", self._config)
        self.process = self.bus.start(["/usr/bin/kwalletd5"])
        self.bus.wait_for_name(self.name, process=self.process)
        self.settle()


def live_in(bus: PrivateBus) -> None:
    """Have everything on this bus use the user's home and runtime directory."""
    home = os.environ["HOME"]
    bus.env.update(
        HOME=home,
        XDG_RUNTIME_DIR=os.environ["XDG_RUNTIME_DIR"],
        XDG_CONFIG_HOME=f"{home}/.config",
        XDG_DATA_HOME=f"{home}/.local/share",
        XDG_STATE_HOME=f"{home}/.local/state",
        XDG_CACHE_HOME=f"{home}/.cache",
    )


def before(bus: PrivateBus, profile: Path) -> None:
    """Have Chromium save a cookie while KDE's daemon keeps its key."""
    with UsersKwalletd(bus), Xvfb(bus) as display:
        browser = Browser.start(bus, display, "kwallet5", profile)
        browser.ask("Storage.setCookies", cookies=[COOKIE])
        browser.close()
        # Ended at once it would forget what it took within the last seconds.
        client = bus.client()
        body = ["kdewallet", True]
        client.call("org.kde.kwalletd5", "/modules/kwalletd5", KWALLET, "close", "sb", body)
    assert [value[:3] for value in _stored(profile)] == [FROM_THE_WALLET]


def after(bus: PrivateBus, profile: Path) -> None:
    """Have Chromium read it while the bridge serves from a keyring that the login unlocked."""
    with GnomeKeyring(bus, password=PASSWORD), Bridge(bus), Xvfb(bus) as display:
        browser = Browser.start(bus, display, "kwallet5", profile)
        read = browser.ask("Storage.getCookies")["cookies"]
        browser.close()
    assert isinstance(read, list)
    sys.stdout.write(f"{[(each['name'], each['value']) for each in read]}\n")


def main() -> None:
    """Live one session."""
    profile = Path(os.environ["HOME"]) / "profile"
    with private_bus() as bus:
        (Path(os.environ["HOME"]) / ".config").mkdir(exist_ok=True)
        live_in(bus)
        (before if sys.argv[1] == "before" else after)(bus, profile)


if __name__ == "__main__":
    main()
