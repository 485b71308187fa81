# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret of each sandboxed application, which the Secret portal hands out.

KDE's backend keeps it as a binary entry: wallet ``networkWallet``, folder ``xdg-desktop-portal``,
key the application's id, 64 random bytes; so a migrated wallet gives each application the secret it
had. gnome-keyring's and oo7's backends keep an item with the attribute ``app_id``, which is found
too. Source: KDE/kwallet's ``kwalletportalsecrets.cpp``, and the items the others leave.

An application that gets another secret than before can never open its own encrypted file again. So
one is made only where absence is proven; whatever else happens is an error.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from kwallet_bridge.errors import AccessDeniedError, StoreError
from kwallet_bridge.model import AppId, Entry, EntryType, FolderName, Handle, Key, WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.shared import SharedRun, join_or_start
from kwallet_bridge.wallet.waiting import Waiter

if TYPE_CHECKING:
    from kwallet_bridge.store.wallets import Store

APPID: Final = AppId("xdg-desktop-portal")
FOLDER: Final = FolderName("xdg-desktop-portal")
ATTRIBUTE: Final = "app_id"
SIZE: Final = 64


class WalletOpener(Protocol):
    """The part of the wallet service that opens and closes."""

    async def network_wallet(self, caller: str, /) -> str:
        """Return the name of the wallet for network passwords."""

    async def open_for(self, waiter: Waiter, /, *, wallet: WalletName) -> int:
        """Open a wallet, prompting if needed; -1 on failure."""

    async def close_handle(
        self, caller: str, /, *, handle: Handle, force: bool, appid: AppId
    ) -> int:
        """End one hold of an application."""


class ApplicationSecrets:
    """Finds the secret of an application, or makes one where there certainly is none."""

    def __init__(self, service: WalletOpener, store: Store) -> None:
        """Open wallets by ``service`` and read them in ``store``."""
        self._service = service
        self._store = store
        self._making: dict[str, SharedRun[Secret]] = {}

    async def read(self, application: str, *, caller: str) -> Secret:
        """Return an application's secret; ``caller`` is the unique bus name that asks for it.

        Two that ask for one application at the same time get the same secret.

        Raises:
            AccessDeniedError: The wallet was not opened: denied, dismissed, or no store is there.
            StoreError: It cannot be told whether there is a secret, or it could not be kept.
        """
        work = partial(self._find_or_make, application, caller)
        return await join_or_start(self._making, application, work)

    async def _find_or_make(self, application: str, caller: str) -> Secret:
        wallet = WalletName(await self._service.network_wallet(caller))
        waiter = Waiter(caller, APPID, application)
        handle = await self._service.open_for(waiter, wallet=wallet)
        if handle < 0:
            raise AccessDeniedError("the wallet that keeps applications' secrets is not open")
        try:
            return await self._look(wallet, Key(application))
        finally:
            await self._service.close_handle(
                caller, handle=Handle(handle), force=False, appid=APPID
            )

    async def _look(self, wallet: WalletName, key: Key) -> Secret:
        entry = await self._store.read(wallet, FOLDER, key)
        if entry is not None:
            return _not_empty(entry.value)
        item = await self._store.read_item(wallet, {ATTRIBUTE: key})
        if item is not None:
            return _not_empty(item.value)
        made = Secret(os.urandom(SIZE))
        await self._store.write(wallet, FOLDER, key, Entry(EntryType.STREAM, made))
        return made


def _not_empty(value: Secret) -> Secret:
    if not value:
        raise StoreError("an application's secret is empty, as a failed write leaves it")
    return value
