# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done around a call, by no client: opening without a dialog, probing, taking back.

A known difference that changes what a daemon keeps would make every later answer differ. So the
change itself is compared, as a probe, and then taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.conversation import CREATING_LOOKUPS, OPENS, Call, Probe
from conformance.normal import Numbers, await_arrival, is_signal
from conformance.words import PAM_KEY, WALLETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.subjects import Subject
    from support.client import KWalletClient

SETUP = "setup"
DEFAULT_FOLDERS = ("Passwords", "Form Data")
Probes = tuple[Probe, ...]


class Stage:
    """Sets a subject's scene; ``forget`` accounts for signals that are nobody's answer."""

    def __init__(
        self, subject: Subject, numbers: Numbers, forget: Callable[[KWalletClient], None]
    ) -> None:
        self._subject = subject
        self._numbers = numbers
        self._forget = forget
        self.deletes_closed = False

    def surround(self, client: KWalletClient, call: Call) -> Iterator[Probes]:
        """Give what was probed before a call, and, once that was made, after it."""
        if call.is_oddly_typed:
            return self._restoring(client, call)
        if call.member in CREATING_LOOKUPS and call.folder is not None:
            return self._unmaking(client, call)
        if call.signature == "sayi":
            return self._opening(client, call)
        return self._plain(client, call)

    def _plain(self, client: KWalletClient, call: Call) -> Iterator[Probes]:
        wallet = call.args[0] if call.args else None
        if call.member in OPENS and wallet in WALLETS:
            yield (self._ensure_open(client, str(wallet)),)
        elif call.member == "deleteWallet" and wallet in WALLETS:
            # The row "locked-wallets-are-unlocked-first".
            if not self.deletes_closed and wallet in _listed(client):
                self.reopen(client, str(wallet))
            yield ()
        else:
            yield ()
        yield ()

    def _restoring(self, client: KWalletClient, call: Call) -> Iterator[Probes]:
        before = self._entry(client, call)
        yield (before,)
        after = self._entry(client, call)
        if after != before:
            self._restore(client, call, *before.body)
        yield (after,)

    def _entry(self, client: KWalletClient, call: Call) -> Probe:
        key = call.args[2]
        kind = self._ask(client, call, "entryType", "s", key)
        value = self._ask(client, call, "readEntry", "s", key)
        # An empty value of the type 0 looks like no entry but to hasEntry.
        there = self._ask(client, call, "hasEntry", "s", key)
        return Probe("entry", (kind, value, self._ask(client, call, "hasFolder"), there))

    def _restore(
        self,
        client: KWalletClient,
        call: Call,
        kind: object,
        value: object,
        folder: object,
        there: object,
    ) -> None:
        key = call.args[2]
        if not folder:
            self._ask(client, call, "removeFolder")
        elif there:
            self._ask(client, call, "writeEntry", "sayi", key, value, kind)
        else:
            self._ask(client, call, "removeEntry", "s", key)

    def _unmaking(self, client: KWalletClient, call: Call) -> Iterator[Probes]:
        missing = self._ask(client, call, "hasFolder") is False
        yield ()
        if not missing:
            yield ()
            return
        made = self._ask(client, call, "hasFolder")
        if made:
            self._ask(client, call, "removeFolder")
        yield (Probe("hasFolder", (made,)),)

    def _opening(self, client: KWalletClient, call: Call) -> Iterator[Probes]:
        wallet, key = str(call.args[0]), call.args[1]
        before = self.probe_open(client, wallet, "before")
        yield (before,)
        after = self.probe_open(client, wallet, "after")
        if before.body != (True,) and key == PAM_KEY:
            self.reopen(client, wallet)
            self.furnish(client, wallet)
            self._forget(client)
        yield (after,)

    def _ask(
        self, client: KWalletClient, call: Call, member: str, signature: str = "", *args: object
    ) -> object:
        """Ask about the folder of a call, as its application."""
        handle, appid = self._numbers.resolve(call.args[0]), call.args[-1]
        signature = f"is{signature}s"
        reply = client.ask(member, signature, handle, call.folder, *args, appid)
        client.flush()
        self._forget(client)
        return reply.value if not reply.error else reply.error

    def probe_open(self, client: KWalletClient, wallet: str, when: str) -> Probe:
        """Tell whether a wallet is open."""
        answer = client.ask("isOpen", "s", wallet)
        return Probe(f"isOpen {when}", answer.error or answer.body)

    def _ensure_open(self, client: KWalletClient, wallet: str) -> Probe:
        """Tell whether a wallet is open, and open it as no client could: opening may ask."""
        probe = self.probe_open(client, wallet, "before")
        if probe.body != (True,):
            self.reopen(client, wallet)
            self.furnish(client, wallet)
        self._forget(client)
        return probe

    def reopen(self, client: KWalletClient, wallet: str) -> None:
        """Open a closed wallet from outside; every daemon must then tell of it."""
        if client.ask("isOpen", "s", wallet).body == (True,):
            return
        self._forget(client)
        signal = self._subject.reopen(wallet)
        await_arrival(client, lambda seen: is_signal(seen, signal))
        self._forget(client)

    def furnish(self, client: KWalletClient, wallet: str) -> None:
        """Make the preset folders, as the row "empty-wallets-are-furnished" says."""
        handle = client.open(wallet, SETUP)
        for folder in DEFAULT_FOLDERS:
            client.ask("createFolder", "iss", handle, folder, SETUP)
        client.ask("close", "ibs", handle, False, SETUP)
        self.reopen(client, wallet)


def _listed(client: KWalletClient) -> list[object]:
    value = client.ask("wallets").value
    return value if isinstance(value, list) else []
