# SPDX-License-Identifier: GPL-3.0-or-later
"""libsecret's real ``secret-tool`` on a keyring file; no bus is needed."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.keyringfile.format import PlainItem, open_item, parse_keyring
from kwallet_bridge.keyringfile.keys import CipherKey
from support.keyrings import PASSWORD, entry_attributes

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class SecretTool:
    """The real program on one file."""

    path: Path

    def run(self, *words: str, given: bytes = b"", password: str = "") -> tuple[int, bytes]:
        """Run it; gives the exit code and all it printed."""
        home = str(self.path.parent)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "XDG_DATA_HOME": home,
            "LC_ALL": "C.UTF-8",
            "SECRET_BACKEND": "file",
            "SECRET_FILE_TEST_PATH": str(self.path),
            "SECRET_FILE_TEST_PASSWORD": password or PASSWORD.reveal().decode(),
        }
        done = subprocess.run(
            ["secret-tool", *words],
            input=given,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=30,
        )
        return done.returncode, done.stdout

    def store(self, folder: str, key: str, value: bytes) -> None:
        """Store an entry as QtKeychain would."""
        words = [word for pair in entry_attributes(folder, key).items() for word in pair]
        assert self.run("store", f"--label={folder}/{key}", *words, given=value) == (0, b"")

    def lookup(self, folder: str, key: str, *, password: str = "") -> tuple[int, bytes]:
        """Look an entry up."""
        return self.run("lookup", "server", folder, "user", key, password=password)

    def items(self) -> list[PlainItem]:
        """Open the file by the format alone."""
        keyring = parse_keyring(self.path.read_bytes())
        key = CipherKey.derive(PASSWORD, keyring.header)
        return [open_item(key, raw) for raw in keyring.items.values()]
