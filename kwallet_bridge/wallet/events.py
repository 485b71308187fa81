# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients are told without having asked, as values; ``wire.signals`` puts them on the bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kwallet_bridge.model import AppId, FolderName, Handle, WalletName


@dataclass(frozen=True, slots=True)
class WalletListDirty:
    """The list of wallets changed."""


@dataclass(frozen=True, slots=True)
class WalletCreated:
    """A wallet was made."""

    wallet: WalletName


@dataclass(frozen=True, slots=True)
class WalletOpened:
    """A wallet went from closed to open."""

    wallet: WalletName


@dataclass(frozen=True, slots=True)
class WalletAsyncOpened:
    """An open ended; ``handle`` is -1 where it failed."""

    transaction: int
    handle: Handle


@dataclass(frozen=True, slots=True)
class WalletDeleted:
    """A wallet was deleted."""

    wallet: WalletName


@dataclass(frozen=True, slots=True)
class WalletClosed:
    """A wallet was closed; KWallet tells it three times, by handle, by handle and by name."""

    wallet: WalletName
    handle: Handle


@dataclass(frozen=True, slots=True)
class AllWalletsClosed:
    """The last open wallet was closed."""


@dataclass(frozen=True, slots=True)
class FolderListUpdated:
    """Folders were made or removed."""

    wallet: WalletName


@dataclass(frozen=True, slots=True)
class FolderUpdated:
    """Entries of a folder changed."""

    wallet: WalletName
    folder: FolderName


@dataclass(frozen=True, slots=True)
class ApplicationDisconnected:
    """An application was cut off from a wallet."""

    wallet: WalletName
    application: AppId


Event = (
    WalletListDirty
    | WalletCreated
    | WalletOpened
    | WalletAsyncOpened
    | WalletDeleted
    | WalletClosed
    | AllWalletsClosed
    | FolderListUpdated
    | FolderUpdated
    | ApplicationDisconnected
)
