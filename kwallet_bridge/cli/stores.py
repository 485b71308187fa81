# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the stores that ``--to`` and ``--from`` name."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.passwords import PasswordSource, Prompt, ask_new_password, ask_password
from kwallet_bridge.config import read_settings
from kwallet_bridge.errors import (
    BusLostError,
    StoreRefusedError,
    StoreUnavailableError,
    UsageError,
)
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.folder import resolve_path
from kwallet_bridge.keyringfile.sources import KeyRequest
from kwallet_bridge.migrate.run import OpenStore
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.names import BUS_NAME, BUS_NAME_VARIABLE
from kwallet_bridge.secretservice.text_keyrings import is_text_keyring
from kwallet_bridge.session.kde_provider import IS_NO_DESTINATION, find_kde_provider
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.wallets import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Collection

    from kwallet_bridge.secret import Secret
    from kwallet_bridge.store.port import CollectionId

SECRET_SERVICE = "secret-service"  # noqa: S105  a word on the command line
_FILE = "file:"
_OO7_FILE = "oo7-file:"
SPEC_HELP = "secret-service, secret-service@BUSADDRESS, file:PATH or oo7-file:PATH"


class RememberedPassword:
    """The passwords of keyring files, each asked for once although the file is opened often.

    What was typed is remembered, not the key made of it: whoever opens the file again derives it
    anew, so that a file is proven to open by what a person knows.
    """

    def __init__(self, source: PasswordSource) -> None:
        """Ask through ``source``."""
        self._source = source
        self._answers: dict[str, Secret] = {}
        self._latest: Secret | None = None

    @property
    def asks_person(self) -> bool:
        """Whether asking again may bring another answer."""
        return self._source.asks_a_person

    @property
    def answers_alone(self) -> bool:
        """Whether no person is needed."""
        return not self._source.asks_a_person

    async def is_ready(self, request: KeyRequest) -> bool:  # noqa: ARG002  protocol
        """Tell that it may be had."""
        return True

    async def read_password(self, request: KeyRequest) -> Secret | None:
        """Give the password of a file; a new one's is asked for twice.

        Files beside each other often have one password, so the last one is tried before a person
        is asked for another; it is never taken for a new file's.
        """
        known = self._answers.get(request.label)
        if known is None and not request.new:
            known = self._latest
        if known is None or request.again:
            known = await asyncio.to_thread(self._ask, request)
        self._answers[request.label] = self._latest = known
        return known

    def _ask(self, request: KeyRequest) -> Secret:
        if request.new:
            return ask_new_password(request.label, source=self._source)
        return ask_password(Prompt("Password for the keyring", request.label), source=self._source)


class StoreOpener:
    """Opens one store as often as asked, each time over a connection of its own."""

    def __init__(self, spec: str, passwords: PasswordSource, *, is_source: bool = False) -> None:
        """Check ``spec``; nothing is opened yet.

        Of a source with items that cannot be read the others are read all the same.

        Raises:
            UsageError: It names no store.
        """
        known = (_FILE, _OO7_FILE, SECRET_SERVICE + "@")
        if not (spec == SECRET_SERVICE or spec.startswith(known)):
            raise UsageError(f"a store is {SPEC_HELP}")
        self._for_oo7 = spec.startswith(_OO7_FILE)
        kind, _, path = spec.partition(":") if spec.startswith((_FILE, _OO7_FILE)) else ("", "", "")
        self._file = resolve_path(path, os.environ) if path else None
        self.spec = spec if self._file is None else f"{kind}:{self._file}"
        """The store's name, which means the same from every folder."""
        self._keys = RememberedPassword(passwords)
        self._is_source = is_source

    @property
    def is_file(self) -> bool:
        """Whether it is a keyring file, which a password opens."""
        return self._file is not None

    @property
    def asks_a_person(self) -> bool:
        """Whether a person would have to give that password."""
        return self._keys.asks_person

    def require(self) -> None:
        """Refuse a keyring file that is not there: a source is never made.

        Raises:
            StoreUnavailableError: There is no such file.
        """
        if self._file is not None and not self._file.exists():
            raise StoreUnavailableError(
                f"there is no keyring file {self._file}; if it lies elsewhere now, connect or mount"
                " that first"
            )

    async def prepare(self, wallets: Collection[str]) -> None:
        """Have ready what making these wallets will need, before anything is written.

        Raises:
            StoreRefusedError: The password given for a new keyring file is too short.
            PromptDismissedError: A person gave none.
        """
        if self._file is None or not wallets:
            return
        opened = await self.open()
        try:
            there = {seen.label for seen in await opened.backend.collections()}
        finally:
            await opened.close()
        for wallet in wallets:
            if wallet not in there:
                await self._keys.read_password(KeyRequest(wallet, new=True))

    async def open(self) -> OpenStore:
        """Open the store.

        Raises:
            StoreUnavailableError: There is no bus or provider.
        """
        default = read_settings(os.environ).default_wallet
        settings = StoreSettings(default_wallet=default)
        if self._file is not None:
            file = KeyringFileBackend(
                self._file,
                self._keys,
                label=default,
                files_content_type=self._for_oo7,
                salvages=self._is_source,
            )
            store = EntryStore(file, settings)
            return OpenStore(
                file,
                store,
                settings.default_wallet,
                count_unreadable=file.unreadable,
                kind=lambda: "keyring file",
            )
        _, _, address = self.spec.partition("@")
        try:
            bus = await BusConnection.connect(address or None)
        except BusLostError as error:
            raise StoreUnavailableError("there is no message bus to find a provider on") from error
        if not self._is_source:
            await _refuse_kdes(bus)
        backend = SecretServiceBackend(bus, spares=True)
        store = EntryStore(backend, settings)

        def is_text(collection: CollectionId) -> bool | None:
            if not backend.quirks.text_is_a_line:
                return False  # another provider's collection may have the name of such a file
            # Behind another address may be another person's or another home's provider.
            seen = None if address else is_text_keyring(collection, os.environ)
            return seen if backend.provider_kind == "gnome-keyring" else bool(seen)

        async def save(collection: CollectionId) -> None:
            if not address:  # whose files cannot be known either
                await backend.save(collection)

        default = settings.default_wallet
        return OpenStore(
            backend,
            store,
            default,
            bus.close,
            kind=lambda: backend.provider_kind or "unknown provider",
            save=save,
            is_text=is_text,
        )


async def _refuse_kdes(bus: BusConnection) -> None:
    """Refuse a provider that ends when the bridge takes over."""
    name = os.environ.get(BUS_NAME_VARIABLE) or BUS_NAME
    if await find_kde_provider(bus, name=name) is not None:
        bus.close()
        raise StoreRefusedError(IS_NO_DESTINATION)
