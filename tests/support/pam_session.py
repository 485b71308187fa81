# SPDX-License-Identifier: GPL-3.0-or-later
"""A login through the real PAM, with a user and a service that exist in a mount namespace alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.paths import ROOT
from support.vectors import load_vector
from support.waiting import wait_readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USER = "kwbtest"
UID = 60_000 + os.getpid() % 5_000
"""One of nobody's, and another than that of test runs beside this one, whose processes it keeps."""
"""A user id that nobody else on a machine has."""
LOGIN_MASK = 0o027
"""The mask that the login has, which is nobody's default."""
VECTOR = "pw-016"
PASSWORD = str(load_vector(VECTOR).expected["password"])
SERVICE = """\
auth required pam_unix.so
auth optional pam_kwallet5.so
account required pam_unix.so
session optional pam_kwallet5.so kwalletd={helper}
"""
KSECRETD = """\
#!/usr/bin/python3 -I
import hashlib, os, socket, sys
key = os.read(int(sys.argv[2]), 100)
listening = socket.socket(fileno=int(sys.argv[3]))
said = listening.accept()[0].recv(1 << 16)
folder = os.environ["XDG_RUNTIME_DIR"]
with open(folder + "/ksecretd.part", "w") as file:
    file.write(sys.argv[1] + " " + hashlib.sha256(key).hexdigest() + " " + str(bool(said)))
    file.write(" " + oct(os.umask(0)))
os.rename(folder + "/ksecretd.part", folder + "/ksecretd.seen")
"""
SETUP = """\
set -e
for name in passwd shadow group; do mount --bind {folder}/etc/$name /etc/$name; done
mount --bind {folder}/etc/pam.d /etc/pam.d
mount --make-rprivate /proc || true
exec "$@"
"""


@dataclass
class PamLogin:
    """A user of this world: a home with a wallet, a runtime directory, a PAM service."""

    folder: Path
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The user's home."""
        return self.folder / "home"

    @property
    def runtime(self) -> Path:
        """The user's runtime directory."""
        return self.folder / "runtime"

    @property
    def helper(self) -> Path:
        """The helper as an administrator installs it."""
        return self.folder / "kwallet-bridge-login"

    def furnish(self) -> None:
        """Make all of it."""
        etc = self.folder / "etc"
        shutil.copytree("/etc/pam.d", etc / "pam.d")
        for name in ("passwd", "shadow", "group"):
            shutil.copy(f"/etc/{name}", etc / name)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"],
            input=PASSWORD, text=True, check=True, capture_output=True,
        ).stdout.strip()  # fmt: skip
        _append(etc / "passwd", f"{USER}:x:{UID}:{UID}::{self.home}:/bin/sh")
        _append(etc / "shadow", f"{USER}:{hashed}:20000:0:99999:7:::")
        _append(etc / "group", f"{USER}:x:{UID}:")
        (etc / "pam.d/kwbtest").write_text(SERVICE.format(helper=self.helper))
        shutil.copy(ROOT / "kwallet_bridge/login/helper.py", self.helper)
        self.helper.chmod(0o755)
        wallets = self.home / ".local/share/kwalletd"
        wallets.mkdir(parents=True)
        vector = load_vector(VECTOR)
        (wallets / "kdewallet.kwl").write_bytes(vector.data)
        (wallets / "kdewallet.salt").write_bytes(vector.salt or b"")
        self.runtime.mkdir(mode=0o700)
        package = self.folder / "python/kwallet_bridge"
        shutil.copytree(ROOT / "kwallet_bridge/login", package / "login")
        for name in ("__init__.py", "secret.py"):
            shutil.copy(ROOT / "kwallet_bridge" / name, package / name)
        for path in (self.folder / "python").rglob("*"):
            path.chmod(0o755)  # whatever the mask of whoever runs the tests
        (self.folder / "python").chmod(0o755)
        for path in (self.home, *self.home.rglob("*"), self.runtime):
            os.chown(path, UID, UID)

    def install_ksecretd(self) -> Path:
        """Put a program in ksecretd's place that notes what PAM's start gives it."""
        program = self.folder / "ksecretd"
        program.write_text(KSECRETD)
        program.chmod(0o755)
        text = self.helper.read_text().replace("/usr/bin/ksecretd", str(program))
        self.helper.write_text(text)
        return self.runtime / "ksecretd.seen"

    def write_settings(self, text: str) -> None:
        """Write the user's kwalletrc."""
        folder = self.home / ".config"
        folder.mkdir()
        (folder / "kwalletrc").write_text(text)
        for path in (folder, folder / "kwalletrc"):
            os.chown(path, UID, UID)

    def log_in(self, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        """Log in on a graphical session, as a display manager does."""
        return self._in_namespace([
            "sh", "-c", f'umask {LOGIN_MASK:03o} && exec "$@"', "sh", "pamtester", "-E", f"XDG_RUNTIME_DIR={self.runtime}", "-E", "XDG_SESSION_TYPE=wayland",
            "kwbtest", USER, "authenticate", "open_session",
        ], stdin=f"{password}\n")  # fmt: skip

    def start_session(self) -> subprocess.CompletedProcess[str]:
        """Deliver the session's environment, as Plasma does."""
        return self.as_user(
            ["/usr/share/libpam-kwallet-common/pam_kwallet_init"],
            PAM_KWALLET5_LOGIN=str(self.runtime / "kwallet5.socket"),
        )

    def as_user(self, argv: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
        """Run a program as the user who logged in."""
        return subprocess.run(
            argv, env=self._environment() | env, text=True, check=False, capture_output=True,
            user=UID, group=UID, extra_groups=[], cwd="/", timeout=60,
        )  # fmt: skip

    def live(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a module of this tree as the user who logged in, who is in passwd there.

        It may read everything: the interpreter of whoever runs the tests can lie in a private home.
        """
        right = "+dac_read_search"
        rights = ["--inh-caps", right, "--ambient-caps", right]
        ids = ["--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
        script = SETUP.format(folder=self.folder)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", "setpriv", *ids, *rights,
             sys.executable, "-m", module, *arguments],
            env=self._environment() | {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            },
            text=True, check=False, capture_output=True, cwd="/", timeout=110,
        )  # fmt: skip

    def helpers(self) -> list[int]:
        """Return the process ids of the helpers that run."""
        found = subprocess.run(
            ["pgrep", "-r", "D,R,S", "-u", str(UID)], text=True, check=False, capture_output=True
        )
        return [int(word) for word in found.stdout.split()]

    def end(self) -> None:
        """End what still runs as the user."""
        for pid in self.helpers():
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    os.kill(pid, signal.SIGKILL)
                    assert wait_readable([descriptor], 10), "a process does not end"
                finally:
                    os.close(descriptor)

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(self.folder / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _in_namespace(self, argv: Sequence[str], *, stdin: str) -> subprocess.CompletedProcess[str]:
        script = SETUP.format(folder=self.folder)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", *argv],
            input=stdin, text=True, check=False, capture_output=True, timeout=60,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )  # fmt: skip


def pam_login() -> Iterator[PamLogin]:
    """Make a user, and end what runs as that user afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="kwb-login-"))
    folder.chmod(0o711)
    login = PamLogin(folder)
    try:
        login.furnish()
        yield login
    finally:
        login.end()
        shutil.rmtree(folder)


def _append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text().rstrip()}\n{line}\n")
