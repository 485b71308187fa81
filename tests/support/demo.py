# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the bridge at work: real programs, a real provider, a private bus, a scratch home."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from typing import TYPE_CHECKING

from support.peers import Bridge, GnomeKeyring
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from support.client import KWalletClient

FOLDER = "Demo"
WALLET = "kdewallet"
APPID = "demo"
MAP = {"login": "konqi", "password": "dragon"}
BLOB = b"\x00\x01\xffraw"


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201  this is the demo's whole purpose


def encode_map(pairs: dict[str, str]) -> bytes:
    """Encode a map as QDataStream does."""

    def encode(text: str) -> bytes:
        data = text.encode("utf-16-be")
        return struct.pack(">I", len(data)) + data

    body = b"".join(encode(key) + encode(value) for key, value in sorted(pairs.items()))
    return struct.pack(">I", len(pairs)) + body


class Demo:
    """The steps, told as they are done."""

    def __init__(self, bus: PrivateBus) -> None:
        self._bus = bus
        self._client: KWalletClient = bus.client()
        self._handle = self._client.open(WALLET, APPID)
        self._failed = 0

    def run(self) -> int:
        """Write and read one entry of each type, then look at them from the other side."""
        self._ask("createFolder", "iss", self._handle, FOLDER, APPID)
        if shutil.which("kwallet-query"):
            self._query()
        else:
            say("kwallet-query is not installed: our own KWallet calls stand in for it.")
            self._ask("writePassword", "issss", self._handle, FOLDER, "greeting", "hello", APPID)
            value = self._ask("readPassword", "isss", self._handle, FOLDER, "greeting", APPID)
            self._check("a password written is read again", value == "hello")
        self._typed()
        self._other_side()
        return 1 if self._failed else 0

    def _query(self) -> None:
        # kwallet-query writes to entries that exist, so one is made first.
        self._ask("writePassword", "issss", self._handle, FOLDER, "greeting", "to replace", APPID)
        say(f"$ echo hello | kwallet-query -f {FOLDER} -w greeting {WALLET}")
        words = ["kwallet-query", "-f", FOLDER]
        self._bus.run([*words, "-w", "greeting", WALLET], stdin="hello")
        say(f"$ kwallet-query -f {FOLDER} -r greeting {WALLET}")
        read = self._bus.run([*words, "-r", "greeting", WALLET]).stdout.strip()
        say(read)
        self._check("kwallet-query reads the password it wrote", read == "hello")
        say(f"$ kwallet-query -f {FOLDER} -l {WALLET}")
        say(self._bus.run([*words, "-l", WALLET]).stdout.strip())

    def _typed(self) -> None:
        data = encode_map(MAP)
        self._ask("writeMap", "issays", self._handle, FOLDER, "account", data, APPID)
        read = self._ask("readMap", "isss", self._handle, FOLDER, "account", APPID)
        self._check(f"a map of {len(MAP)} fields comes back byte for byte", read == data)
        self._ask("writeEntry", "issays", self._handle, FOLDER, "binary", BLOB, APPID)
        read = self._ask("readEntry", "isss", self._handle, FOLDER, "binary", APPID)
        self._check("binary data with NUL bytes comes back byte for byte", read == BLOB)
        if shutil.which("kwallet-query"):
            say(f"$ kwallet-query -f {FOLDER} -r account {WALLET}")
            command = ["kwallet-query", "-f", FOLDER, "-r", "account", WALLET]
            shown = self._bus.run(command).stdout.strip()
            say(shown)
            self._check("kwallet-query reads the map", json.loads(shown) == MAP)

    def _other_side(self) -> None:
        if not shutil.which("secret-tool") or not self._bus.provider_runs():
            say("No Secret Service to look into: the entries are in the bridge's own file.")
            return
        say(f"$ secret-tool search --all server {FOLDER}")
        done = self._bus.run(["secret-tool", "search", "--all", "server", FOLDER])
        say(done.stdout.strip())
        shown = done.stdout + done.stderr
        for key in ("greeting", "account", "binary"):
            self._check(f"secret-tool shows {FOLDER}/{key}", f"label = {FOLDER}/{key}" in shown)

    def _ask(self, member: str, signature: str, *body: object) -> object:
        return self._client.ask(member, signature, *body).value

    def _check(self, what: str, true: object) -> None:
        say(f"  {'ok' if true else 'FAILED'}: {what}")
        self._failed += not true


def main() -> int:
    """Run the demo; the exit code tells whether everything was as it should be."""
    with private_bus() as bus:
        say(f"A private session bus, with a scratch home in {bus.folder}.")
        if shutil.which("gnome-keyring-daemon"):
            say("gnome-keyring runs on it: an unlocked keyring called Login.")
            with GnomeKeyring(bus):
                return _bridged(bus, "secret-service")
        say("gnome-keyring is not installed: the bridge's own encrypted file stands in.")
        return _bridged(bus, "file")


def _bridged(bus: PrivateBus, store: str) -> int:
    with Bridge(bus, store=store):
        say("kwallet-bridge runs on it, as org.kde.kwalletd5, org.kde.kwalletd6 and kwalletd.")
        say()
        code = Demo(bus).run()
    say()
    say("All of it is gone again." if code == 0 else "Something failed.")
    return code


if __name__ == "__main__":
    sys.exit(main())
