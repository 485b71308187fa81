# SPDX-License-Identifier: GPL-3.0-or-later
"""The words everybody shares: names, entry types, entries, wallets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.secret import Secret

WalletName = NewType("WalletName", str)
FolderName = NewType("FolderName", str)
Key = NewType("Key", str)
Handle = NewType("Handle", int)
AppId = NewType("AppId", str)

DEFAULT_FOLDERS = (FolderName("Passwords"), FolderName("Form Data"))
"""The folders KWallet makes in every new wallet."""


class EntryType(IntEnum):
    """KWallet's entry types, by their numbers on the bus and in wallet files."""

    UNKNOWN = 0
    PASSWORD = 1
    STREAM = 2
    MAP = 3


@dataclass(frozen=True, slots=True)
class EntryRef:
    """Where an entry is. Its repr is masked: names are private."""

    wallet: WalletName
    folder: FolderName
    key: Key

    def __repr__(self) -> str:
        return "EntryRef(...)"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a wallet stores under a key.

    ``value`` is the stored bytes as KWallet's ``readEntry`` gives them: for a password a
    QDataStream QString, for a map a QDataStream ``QMap<QString, QString>``, for a stream the
    application's bytes.
    """

    type: EntryType
    value: Secret


@dataclass(frozen=True, slots=True)
class WalletEntry:
    """One entry as read from a wallet file.

    ``type_code`` is the number in the file, which may be none of :class:`EntryType`.
    ``malformed`` marks a value that is not what its type promises; its bytes are kept.
    """

    key: Key
    type_code: int
    value: Secret
    malformed: bool = False

    def __repr__(self) -> str:
        return f"WalletEntry(type_code={self.type_code})"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as read from a wallet file, entries in file order; it may be empty."""

    name: FolderName
    entries: tuple[WalletEntry, ...]

    def __repr__(self) -> str:
        return f"Folder({len(self.entries)} entries)"


@dataclass(frozen=True, slots=True)
class ServiceItem:
    """The attributes of a Secret Service item that a wallet keeps beside it.

    From ``<wallet>_attributes.json``; times are seconds since the epoch, 0 when unknown.
    """

    attributes: Mapping[str, str]
    content_type: str = ""
    created: int = 0
    modified: int = 0

    def __repr__(self) -> str:
        return "ServiceItem(...)"


@dataclass(frozen=True, slots=True)
class Wallet:
    """A whole wallet, as read from a file or a running daemon."""

    name: WalletName
    folders: tuple[Folder, ...]
    warnings: tuple[str, ...] = ()
    service_items: Mapping[tuple[FolderName, Key], ServiceItem] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Wallet({len(self.folders)} folders)"
