# SPDX-License-Identifier: GPL-3.0-or-later
"""The upper port: wallets, folders and entries, in KWallet's words.

``store.entries`` implements it once, over any :class:`~kwallet_bridge.store.port.ItemBackend`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kwallet_bridge.model import Entry, EntryType, FolderName, Key, WalletName
    from kwallet_bridge.store.port import ItemSecret


class WalletState(Enum):
    """What an open would meet."""

    ABSENT = "absent"
    LOCKED = "locked"
    UNLOCKED = "unlocked"


@dataclass(frozen=True, slots=True)
class WalletsChanged:
    """The list of wallets changed."""


@dataclass(frozen=True, slots=True)
class WalletLocked:
    """A wallet was locked, deleted or lost by somebody else."""

    wallet: WalletName

    def __repr__(self) -> str:
        return "WalletLocked(...)"


@dataclass(frozen=True, slots=True)
class WalletUnlocked:
    """A wallet was unlocked by somebody else."""

    wallet: WalletName

    def __repr__(self) -> str:
        return "WalletUnlocked(...)"


@dataclass(frozen=True, slots=True)
class FolderTouched:
    """Somebody else changed entries of a folder."""

    wallet: WalletName
    folder: FolderName

    def __repr__(self) -> str:
        return "FolderTouched(...)"


@dataclass(frozen=True, slots=True)
class FoldersTouched:
    """Somebody else changed the set of folders of a wallet."""

    wallet: WalletName

    def __repr__(self) -> str:
        return "FoldersTouched(...)"


@dataclass(frozen=True, slots=True)
class StoreGone:
    """The store is not reachable; every wallet counts as closed."""


StoreEvent = (
    WalletsChanged | WalletLocked | WalletUnlocked | FolderTouched | FoldersTouched | StoreGone
)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Names the store needs from kwalletrc."""

    default_wallet: str = "kdewallet"
    lock_on_close: bool | None = None
    """Whether a wallet that is closed is locked; None: unless others keep items in it too."""
    aliases: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    """Wallets, folders and entries, in KWallet's words.

    A false or empty answer means the wallet was unlocked and searched completely; everything else
    is a StoreError (fail closed). Where the names are known already a call answers without
    suspending. Methods that take a wallet raise WalletNotFoundError when there is none,
    StoreLockedError when it is locked. Only ``unlock`` and ``create_wallet`` prompt, besides
    providers that ask at each write.
    """

    def subscribe(self, listener: Callable[[StoreEvent], None]) -> None:
        """Have ``listener`` told of what other programs change."""

    def configure(self, settings: StoreSettings) -> None:
        """Use other settings from now on."""

    @property
    def destination(self) -> str:
        """Name the store as a migration's ``--to`` does."""

    def distrust(self) -> None:
        """Take nothing for absent that was known to be so: another program has just moved it in."""

    def canonical(self, wallet: WalletName) -> WalletName:
        """Give the name under which a wallet is listed, of several it answers to."""

    async def is_reachable(self) -> bool:
        """Tell whether there is a store to serve from, without asking or starting it."""

    async def list_wallets(self) -> Sequence[WalletName]:
        """List wallets, each once, the default one under its configured name. No prompt."""

    async def wallet_state(self, wallet: WalletName) -> WalletState:
        """Tell what an open would meet. No prompt."""

    async def unlock(self, wallet: WalletName, *, window_id: str = "") -> None:
        """Unlock a wallet, prompting if needed."""

    async def create_wallet(
        self, wallet: WalletName, *, window_id: str = "", made: Callable[[], None] = lambda: None
    ) -> None:
        """Make a wallet, prompting if needed.

        ``made`` is called once it is there with its folders, also when it was there already, and
        when the caller left after the prompt.
        """

    async def prepare(self, wallet: WalletName) -> bool:
        """Give an unlocked wallet that holds nothing of KWallet's its usual folders.

        True if they were made. A provider's own first collection becomes a wallet so.
        """

    async def lock(self, wallet: WalletName) -> None:
        """Lock a wallet that is closed, as :attr:`StoreSettings.lock_on_close` says."""

    async def delete_wallet(self, wallet: WalletName) -> None:
        """Delete a wallet, or, when others keep items in it too, only what is KWallet's."""

    async def list_folders(self, wallet: WalletName) -> Sequence[FolderName]:
        """List folders, ascending by UTF-16 code unit."""

    async def has_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Tell whether a folder exists, with entries or without."""

    async def create_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Make a folder; False if it was there."""

    async def remove_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Remove a folder and its entries; False if it was not there."""

    async def list_entries(self, wallet: WalletName, folder: FolderName) -> Mapping[Key, EntryType]:
        """List keys and types, ascending by UTF-16 code unit; empty for a missing folder."""

    async def has_entry(self, wallet: WalletName, folder: FolderName, key: Key) -> bool:
        """Tell whether an entry exists."""

    async def entry_type(
        self, wallet: WalletName, folder: FolderName, key: Key
    ) -> EntryType | None:
        """Tell an entry's type; None if it is absent."""

    async def might_exist(self, wallet: WalletName, folder: FolderName, key: Key | None) -> bool:
        """Tell without unlocking whether a folder (``key`` None) or entry may exist.

        False is certain. For a wallet that is absent: False. No prompt.
        """

    async def read(self, wallet: WalletName, folder: FolderName, key: Key) -> Entry | None:
        """Read one entry; None if it is absent."""

    async def read_many(
        self,
        wallet: WalletName,
        folder: FolderName,
        wanted: Callable[[Key, EntryType], bool],
    ) -> Mapping[Key, Entry]:
        """Read every entry of a folder for which ``wanted`` says so, many at once."""

    async def read_item(
        self, wallet: WalletName, attributes: Mapping[str, str]
    ) -> ItemSecret | None:
        """Return the secret of the oldest item with these attributes, an entry or not.

        None if there is none.
        """

    async def write(self, wallet: WalletName, folder: FolderName, key: Key, entry: Entry) -> bool:
        """Write an entry and read it back; True if the folder is new.

        Raises:
            ReadBackError: The store altered the value; the old entry was put back.
        """

    async def remove(self, wallet: WalletName, folder: FolderName, key: Key) -> bool:
        """Remove an entry, keeping its folder; False if it was absent."""

    async def rename(
        self, wallet: WalletName, folder: FolderName, key: Key, *, new_key: Key
    ) -> None:
        """Move an entry to another key of its folder: written and read back before removal.

        Raises:
            EntryNotFoundError: There is nothing under ``key``.
            EntryExistsError: ``new_key`` is taken; nothing was changed.
        """

    async def close(self) -> None:
        """Let go of what is held."""
