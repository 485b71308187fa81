# SPDX-License-Identifier: GPL-3.0-or-later
"""What Chromium asks of KWallet to get its master key, with the conclusions it draws.

Written after its behaviour: it makes a new key, and thereby loses every saved login, whenever a
daemon tells it that the old one is not there. On an error it leaves the key alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from support.client import Reply, SeenSignal

if TYPE_CHECKING:
    from support.client import KWalletClient

APPID = "Chromium"
FOLDER = "Chromium Keys"
KEY = "Chromium Safe Storage"
NEW_KEY = "a new key, which loses all logins"
STEPS = ("isEnabled", "networkWallet", "open", "hasFolder", "hasEntry", "entryType", "readPassword")
Meanwhile = Callable[[str], None]


class FailedError(Exception):
    """Chromium gives up for this run and changes nothing."""


class Chromium:
    """One start of the browser. ``meanwhile`` is called before each step, with its name."""

    def __init__(self, client: KWalletClient, *, asynchronous: bool, meanwhile: Meanwhile) -> None:
        self._client = client
        self._asynchronous = asynchronous
        self._meanwhile = meanwhile

    def master_key(self) -> str:
        """Get the key, making it if it is told that there is none."""
        if self._ask("isEnabled", "") is not True:
            raise FailedError("disabled")
        wallet = self._ask("networkWallet", "")
        handle = self._open(str(wallet))
        place = (handle, FOLDER)
        if not self._ask("hasFolder", "iss", *place, APPID):
            if not self._ask("createFolder", "iss", *place, APPID):
                raise FailedError("no folder")
            return self._write(handle)
        return self._read(handle)

    def _read(self, handle: int) -> str:
        place = (handle, FOLDER, KEY, APPID)
        if not self._ask("hasEntry", "isss", *place):
            return self._write(handle)
        if not self._asynchronous and self._ask("entryType", "isss", *place) != 1:
            self._ask("removeEntry", "isss", *place)
            return self._write(handle)
        return str(self._ask("readPassword", "isss", *place)) or self._write(handle)

    def _write(self, handle: int) -> str:
        written = self._ask("writePassword", "issss", handle, FOLDER, KEY, NEW_KEY, APPID)
        if written != 0:
            raise FailedError("not written")
        return NEW_KEY

    def _open(self, wallet: str) -> int:
        self._meanwhile("open")
        if self._asynchronous:
            handle = self._open_later(wallet)
        else:
            handle = self._result(self._client.ask("open", "sxs", wallet, 0, APPID))
        if not isinstance(handle, int) or handle < 0:
            raise FailedError("not opened")
        return handle

    def _open_later(self, wallet: str) -> object:
        self._client.listen()
        transaction = self._result(self._client.ask("openAsync", "sxsb", wallet, 0, APPID, True))
        if transaction == -1:
            raise FailedError("no transaction")

        def ours(content: object) -> bool:
            opened = isinstance(content, SeenSignal) and content.member == "walletAsyncOpened"
            return opened and isinstance(content, SeenSignal) and content.body[0] == transaction

        arrival = self._client.wait_arrival(lambda seen: ours(seen.content))
        assert isinstance(arrival.content, SeenSignal)
        return arrival.content.body[1]

    def _ask(self, member: str, signature: str, *body: object) -> object:
        self._meanwhile(member)
        return self._result(self._client.ask(member, signature, *body))

    def _result(self, reply: Reply) -> object:
        if reply.error:
            raise FailedError(reply.error)
        return reply.value
