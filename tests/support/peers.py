# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs we are compared with and work upon, started without a person."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Self

from support import blocking
from support.client import KWALLET
from support.pam_login import start_ksecretd
from support.paths import ROOT
from support.private_bus import PrivateBus, end_process

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

SECRETS = "org.freedesktop.secrets"
PASSWORD = "correct horse"
SALT = bytes(range(56))
KWALLETRC = """\
[kwallet-bridge]
Provider Wait=2

[Wallet]
First Use=false
Prompt on Open=false
Enabled=true
Leave Open=true
"""
"""What a test adds belongs to KDE's group, which is the last.

Opens wait for a provider that is away; few tests are about that, and none has two minutes.
"""
TRANSLATION_LAYER = """
[KSecretD]
Enabled=false
"""


@functools.cache
def pam_key(password: str = PASSWORD, salt: bytes = SALT) -> bytes:
    """Derive the key that PAM hands to KDE's daemons."""
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 50000, 56)


class Peer:
    """A program that owns a name on a private bus, as a context manager."""

    name = ""

    def __init__(self, bus: PrivateBus) -> None:
        self.bus = bus
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the program and wait until it owns its name."""
        self.process = self.launch()
        self.bus.wait_for_name(self.name, process=self.process)
        self.settle()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the program's process."""
        raise NotImplementedError

    def settle(self) -> None:
        """Do what must be done between the name and the first use."""

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End the program and wait until its name is free."""
        if self.process is None:
            return
        end_process(self.process, sign=sign)
        self.process = None
        self.bus.wait_name_gone(self.name)

    def kill(self) -> None:
        """End the program as a crash would."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, and start again on the same files."""
        self.stop()
        self.start()


TEXT_KEYRING = """\
[keyring]
display-name=Login
ctime=1700000000
mtime=0
lock-on-idle=false
lock-after=false
"""
"""What gnome-keyring leaves when a person gives it an empty password."""


class GnomeKeyring(Peer):
    """gnome-keyring with the unlocked collection ``login`` as ``default``."""

    name = SECRETS

    def __init__(
        self, bus: PrivateBus, *, password: str = PASSWORD, inside_root: bool = False
    ) -> None:
        """Use a keyring of this password; without one its file is text, and no key is needed."""
        super().__init__(bus)
        self.password = password
        self._inside_root = inside_root

    @property
    def file(self) -> Path:
        """Where the collection is kept."""
        return self.bus.data / "keyrings/login.keyring"

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it; a wrong ``password`` leaves the collection locked."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        (self.file.parent / "default").write_text("login", encoding="utf-8")
        if not self.password and not self.file.exists():
            self.file.write_text(TEXT_KEYRING, encoding="utf-8")
        return self.bus.start(
            ["/usr/bin/gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            stdin=self.password.encode(),
            inside_root=self._inside_root,
        )


class Kwalletd(Peer):
    """A monolithic kwalletd with the wallet ``kdewallet`` opened as PAM would."""

    generation = "kwalletd5"

    def __init__(
        self,
        bus: PrivateBus,
        *,
        generation: str = "kwalletd5",
        inside_root: bool = False,
        config: str = KWALLETRC,
    ) -> None:
        super().__init__(bus)
        self.generation = generation
        self.name = f"org.kde.{generation}"
        self._inside_root = inside_root
        self._config = config

    def launch(self) -> subprocess.Popen[bytes]:
        """Write its settings and salt, and start it."""
        folder = self.bus.data / "kwalletd"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kdewallet.salt").write_bytes(SALT)
        if not (self.bus.config / "kwalletrc").exists():
            self.bus.write_config("kwalletrc", self._config)
        return self.bus.start([f"/usr/bin/{self.generation}"], inside_root=self._inside_root)

    def settle(self) -> None:
        """Open the wallet without a dialog."""
        self.pam_open("kdewallet")

    def pam_open(self, wallet: str) -> None:
        """Open or create a wallet as PAM would."""
        path = f"/modules/{self.generation}"
        client = self.bus.client()
        client.call(self.name, path, KWALLET, "pamOpen", "sayi", [wallet, pam_key(), 0])


class TranslationLayer(Peer):
    """kwalletd6 >= 6.14: KDE's own translation onto a running Secret Service provider."""

    name = "org.kde.kwalletd6"

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it inside of the bus's root."""
        self.bus.write_config("kwalletrc", KWALLETRC + TRANSLATION_LAYER)
        return self.bus.start(["/usr/bin/kwalletd6"], inside_root=True)


class Ksecretd(Peer):
    """KDE's own Secret Service provider, with the wallet ``kdewallet`` opened as PAM would."""

    name = SECRETS

    def __init__(self, bus: PrivateBus, *, config: str = KWALLETRC) -> None:
        super().__init__(bus)
        self._config = config

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it inside of the bus's root, handing over the key as pam_kwallet does."""
        folder = self.bus.data / "kwalletd"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kdewallet.salt").write_bytes(SALT)
        self.bus.write_config("kwalletrc", self._config)
        return start_ksecretd(self.bus, pam_key())

    def restart(self) -> None:
        """Save, by locking, and start again: ended within five seconds it forgets what it took."""
        wallet = "/org/freedesktop/secrets/collection/kdewallet"
        interface = "org.freedesktop.Secret.Service"
        client = self.bus.client()
        client.call(self.name, "/org/freedesktop/secrets", interface, "Lock", "ao", [[wallet]])
        super().restart()


class Bridge(Peer):
    """Our own daemon."""

    name = "org.kde.kwalletd5"

    def __init__(
        self,
        bus: PrivateBus,
        *,
        store: str = "secret-service",
        arguments: tuple[str, ...] = (),
        config: str = KWALLETRC,
        within: Sequence[str] = (),
    ) -> None:
        """Start it as told; in tests it watches itself for calls that block."""
        super().__init__(bus)
        self._within = within
        self._arguments = ("--store", store, *arguments)
        self._config = config

    def argv(self) -> list[str]:
        """Give the command line, for activation files too."""
        return [sys.executable, "-m", "kwallet_bridge", "daemon", *self._arguments]

    def write_settings(self) -> None:
        """Write kwalletrc, unless the test did."""
        if not (self.bus.config / "kwalletrc").exists():
            self.bus.write_config("kwalletrc", self._config)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it from this tree."""
        self.write_settings()
        return self.bus.start([*self._within, *self.argv()], env=self.environment())

    def environment(self) -> dict[str, str]:
        """Give what it takes to run from this tree and, in tests, to watch itself."""
        path = [str(ROOT), str(ROOT / "tests")]
        if not blocking.is_active():
            return {"PYTHONPATH": os.pathsep.join(path)}
        path.append(str(blocking.WATCHED))
        return {
            "PYTHONPATH": os.pathsep.join(path),
            blocking.REPORT_VARIABLE: str(self.blocking_report),
        }

    @property
    def blocking_report(self) -> Path:
        """Where it puts down what blocked its event loop."""
        return self.bus.home / "blocking-calls"

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """End it, and see that it never blocked its event loop."""
        super().stop(sign)
        if self.blocking_report.exists():
            raise AssertionError(self.blocking_report.read_text(encoding="utf-8"))


class Xvfb:
    """A display nobody sees; ``env`` is what a program needs to draw on it."""

    def __init__(self, bus: PrivateBus, *, size: str = "1280x800x24") -> None:
        self._bus = bus
        self._size = size
        self.process: subprocess.Popen[bytes] | None = None
        self.env: dict[str, str] = {}

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", self._size]
        self.process = self._bus.start(
            [*command, "-nolisten", "tcp", "-noreset"], pass_fds=[writing]
        )
        os.close(writing)
        # Xvfb prints the display's number once it can be used.
        with os.fdopen(reading, "rb") as pipe:
            number = pipe.readline().decode().strip()
        assert number, "Xvfb did not start"
        self.env = {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            end_process(self.process)

    def screenshot(self, path: Path) -> None:
        """Save what the display shows."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._bus.run(["import", "-window", "root", str(path)], env=self.env)
