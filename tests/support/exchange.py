# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of every type, written and read through KWallet calls of any daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.words import BLOBS, qmap

from support.client import SeenSignal

if TYPE_CHECKING:
    from support.client import Arrival, KWalletClient

APPID = "test"
PASSWORDS = {
    "password": "secret",
    "empty": "",
    "unicode": "héllo ключ 鍵 \U0001f511",
    "lines": " a\nb\r\n",
    "placeholder": "{TITLE}{REF:P@I:0}",
    "json": '{"a": "b"}',
    "long": "x" * 100_000,
}
STREAMS = {f"stream {number}": blob for number, blob in enumerate(BLOBS)} | {
    "bytes": bytes(range(256)) * 300,
}
MAPS = {
    "map": qmap(("a", "b"), ("c", "")),
    "map empty": qmap(),
    "map unicode": qmap(("ключ", "{TITLE}\U0001f511"), ("鍵", "a\nb")),
}
NULLS = {
    "map null": qmap(("a", None), ("b", "")),
}
NAMES = ("", "a/b//c", "*@*[a-c]?", "ключ 鍵 \U0001f511", " x ", "a\nb", "x" * 2000)


@dataclass
class Side:
    """One daemon's view of one wallet."""

    client: KWalletClient
    wallet: str

    def __post_init__(self) -> None:
        """Open the wallet."""
        self.client.listen()
        self.handle = self.client.open(self.wallet, APPID)

    def ask(self, member: str, signature: str, *body: object) -> object:
        """Call with the wallet's handle first and the application last."""
        signature = f"i{signature}s"
        return self.client.ask(member, signature, self.handle, *body, APPID).value

    def write(self, folder: str, *, nulls: bool) -> None:
        """Write an entry of every type."""
        for key, text in PASSWORDS.items():
            assert self.ask("writePassword", "sss", folder, key, text) == 0
        for key, value in STREAMS.items():
            assert self.client.ask(
                "writeEntry", "issayis", self.handle, folder, key, value, 2, APPID
            ).body == (0,)
        for key, value in (MAPS | (NULLS if nulls else {})).items():
            assert self.ask("writeMap", "ssay", folder, key, value) == 0

    def hear(self, member: str) -> tuple[object, ...]:
        """Wait for a signal of this daemon: others use its object paths too."""
        owner = self.client.name_owner(self.client.service)

        def wanted(seen: Arrival) -> bool:
            signal = seen.content
            return isinstance(signal, SeenSignal) and (signal.sender, signal.member) == (
                owner,
                member,
            )

        signal = self.client.wait_arrival(wanted).content
        assert isinstance(signal, SeenSignal)
        return signal.body

    def read(self, folder: str) -> dict[str, tuple[object, object]]:
        """Read every entry of a folder by its type: the type, and the value."""
        keys = self.ask("entryList", "s", folder)
        assert isinstance(keys, list)
        return {str(key): self._read(folder, str(key)) for key in keys}

    def _read(self, folder: str, key: str) -> tuple[object, object]:
        kind = self.ask("entryType", "ss", folder, key)
        assert isinstance(kind, int)
        member = ("", "readPassword", "readEntry", "readMap")[kind]
        return kind, self.ask(member, "ss", folder, key)


def expected(*, nulls: bool) -> dict[str, tuple[object, object]]:
    """Give what :meth:`Side.read` must give after :meth:`Side.write`."""
    wanted: dict[str, tuple[object, object]] = {key: (1, text) for key, text in PASSWORDS.items()}
    wanted |= {key: (2, value) for key, value in STREAMS.items()}
    return wanted | {key: (3, v) for key, v in (MAPS | (NULLS if nulls else {})).items()}
