# SPDX-License-Identifier: GPL-3.0-or-later
"""KWallet's calls on folders and entries of an open wallet, one method each.

Every method first passes the gate (``OpenWallets.gate``), whose HandleError ends as the call's
``refused`` answer; answers for missing folders and keys are kwalletd's own, odd ones included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge import qtstream
from kwallet_bridge.errors import EntryExistsError, EntryNotFoundError, StoreError
from kwallet_bridge.model import Entry, EntryType
from kwallet_bridge.secret import Secret
from kwallet_bridge.wallet.events import FolderListUpdated, FolderUpdated
from kwallet_bridge.wallet.wildcards import matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kwallet_bridge.model import AppId, FolderName, Handle, Key, WalletName
    from kwallet_bridge.store.wallets import Store
    from kwallet_bridge.wallet.events import Event
    from kwallet_bridge.wallet.state import OpenWallets

DONE = 0
FAILED = -1
NO_SUCH_KEY = -3
_WRITABLE = (EntryType.PASSWORD, EntryType.STREAM, EntryType.MAP)


class Contents:
    """Folders and entries, in KWallet's words and with KWallet's answers."""

    def __init__(
        self,
        *,
        store: Store,
        wallets: OpenWallets,
        tell: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        """Serve from ``store`` what ``wallets`` says is open; ``clock`` counts seconds."""
        self._store = store
        self._wallets = wallets
        self._tell = tell
        self._clock = clock

    def _gate(self, handle: Handle, appid: AppId) -> WalletName:
        opened = self._wallets.gate(handle, appid)
        opened.last_used = self._clock()
        return opened.name

    # --- folders ---------------------------------------------------------------------------

    async def list_folders(self, _: str, *, handle: Handle, appid: AppId) -> Sequence[str]:
        """List folders, ascending by UTF-16 code unit."""
        return list(await self._store.list_folders(self._gate(handle, appid)))

    async def has_folder(self, _: str, *, handle: Handle, folder: FolderName, appid: AppId) -> bool:
        """Tell whether a folder exists."""
        return await self._store.has_folder(self._gate(handle, appid), folder)

    async def create_folder(
        self, _: str, *, handle: Handle, folder: FolderName, appid: AppId
    ) -> bool:
        """Make a folder; False if it was there. Listeners are told either way."""
        wallet = self._gate(handle, appid)
        made = await self._store.create_folder(wallet, folder)
        self._tell(FolderListUpdated(wallet))
        return made

    async def remove_folder(
        self, _: str, *, handle: Handle, folder: FolderName, appid: AppId
    ) -> bool:
        """Remove a folder and its entries; False if there was none. Listeners are told."""
        wallet = self._gate(handle, appid)
        removed = await self._store.remove_folder(wallet, folder)
        self._tell(FolderListUpdated(wallet))
        return removed

    # --- names and types -------------------------------------------------------------------

    async def list_entries(
        self, _: str, *, handle: Handle, folder: FolderName, appid: AppId
    ) -> Sequence[str]:
        """List keys, ascending by UTF-16 code unit."""
        return list(await self._store.list_entries(self._gate(handle, appid), folder))

    async def has_entry(
        self, _: str, *, handle: Handle, folder: FolderName, key: Key, appid: AppId
    ) -> bool:
        """Tell whether an entry exists."""
        return await self._store.has_entry(self._gate(handle, appid), folder, key)

    async def entry_type(
        self, _: str, *, handle: Handle, folder: FolderName, key: Key, appid: AppId
    ) -> int:
        """Tell an entry's type; 0 for none."""
        wallet = self._gate(handle, appid)
        return int(await self._store.entry_type(wallet, folder, key) or EntryType.UNKNOWN)

    # --- reading ---------------------------------------------------------------------------

    async def read_entry(
        self, _: str, *, handle: Handle, folder: FolderName, key: Key, appid: AppId
    ) -> bytes:
        """Read the stored bytes of an entry of any type; empty for none."""
        entry = await self._store.read(self._gate(handle, appid), folder, key)
        return entry.value.reveal() if entry else b""

    async def read_map(
        self, _: str, *, handle: Handle, folder: FolderName, key: Key, appid: AppId
    ) -> bytes:
        """Read the stored bytes of a map; empty for another type or none."""
        entry = await self._store.read(self._gate(handle, appid), folder, key)
        return entry.value.reveal() if entry and entry.type is EntryType.MAP else b""

    async def read_password(
        self, _: str, *, handle: Handle, folder: FolderName, key: Key, appid: AppId
    ) -> str:
        """Read a password's text; "" for another type or none."""
        entry = await self._store.read(self._gate(handle, appid), folder, key)
        return _text(entry) if entry and entry.type is EntryType.PASSWORD else ""

    async def read_entry_list(
        self, _: str, *, handle: Handle, folder: FolderName, key: str, appid: AppId
    ) -> Mapping[str, bytes]:
        """Read every entry whose key matches a pattern."""
        wanted = matcher(key)
        entries = await self._read_many(handle, appid, folder, lambda name, _: wanted(name))
        return {name: entry.value.reveal() for name, entry in entries.items()}

    async def read_map_list(
        self, _: str, *, handle: Handle, folder: FolderName, key: str, appid: AppId
    ) -> Mapping[str, bytes]:
        """Read every map whose key matches a pattern."""
        entries = await self._read_typed(handle, appid, folder, key, EntryType.MAP)
        return {name: entry.value.reveal() for name, entry in entries.items()}

    async def read_password_list(
        self, _: str, *, handle: Handle, folder: FolderName, key: str, appid: AppId
    ) -> Mapping[str, str]:
        """Read every password whose key matches a pattern."""
        entries = await self._read_typed(handle, appid, folder, key, EntryType.PASSWORD)
        return {name: _text(entry) for name, entry in entries.items()}

    async def all_entries(
        self, _: str, *, handle: Handle, folder: FolderName, appid: AppId
    ) -> Mapping[str, bytes]:
        """Read every entry of a folder."""
        entries = await self._read_many(handle, appid, folder, lambda *_: True)
        return {name: entry.value.reveal() for name, entry in entries.items()}

    async def all_maps(
        self, _: str, *, handle: Handle, folder: FolderName, appid: AppId
    ) -> Mapping[str, bytes]:
        """Read every map of a folder."""
        entries = await self._read_typed(handle, appid, folder, None, EntryType.MAP)
        return {name: entry.value.reveal() for name, entry in entries.items()}

    async def all_passwords(
        self, _: str, *, handle: Handle, folder: FolderName, appid: AppId
    ) -> Mapping[str, str]:
        """Read every password of a folder."""
        entries = await self._read_typed(handle, appid, folder, None, EntryType.PASSWORD)
        return {name: _text(entry) for name, entry in entries.items()}

    async def _read_typed(
        self,
        handle: Handle,
        appid: AppId,
        folder: FolderName,
        pattern: str | None,
        wanted_type: EntryType,
    ) -> Mapping[Key, Entry]:
        wanted = matcher(pattern) if pattern is not None else lambda _: True
        return await self._read_many(
            handle, appid, folder, lambda name, kind: kind is wanted_type and wanted(name)
        )

    async def _read_many(
        self,
        handle: Handle,
        appid: AppId,
        folder: FolderName,
        wanted: Callable[[Key, EntryType], bool],
    ) -> Mapping[Key, Entry]:
        return await self._store.read_many(self._gate(handle, appid), folder, wanted)

    # --- writing ---------------------------------------------------------------------------

    async def write_entry(
        self,
        _: str,
        *,
        handle: Handle,
        folder: FolderName,
        key: Key,
        value: bytes,
        entry_type: int = EntryType.STREAM,
        appid: AppId,
    ) -> int:
        """Store bytes under a type; types nobody can read back are refused."""
        wallet = self._gate(handle, appid)
        if entry_type not in _WRITABLE:
            return FAILED
        return await self._write(wallet, folder, key, EntryType(entry_type), value)

    async def write_map(
        self,
        _: str,
        *,
        handle: Handle,
        folder: FolderName,
        key: Key,
        value: bytes,
        appid: AppId,
    ) -> int:
        """Store a map's bytes, unchecked."""
        return await self._write(self._gate(handle, appid), folder, key, EntryType.MAP, value)

    async def write_password(
        self,
        _: str,
        *,
        handle: Handle,
        folder: FolderName,
        key: Key,
        value: str,
        appid: AppId,
    ) -> int:
        """Store a password."""
        stored = qtstream.encode_string(value)
        wallet = self._gate(handle, appid)
        return await self._write(wallet, folder, key, EntryType.PASSWORD, stored)

    async def _write(
        self, wallet: WalletName, folder: FolderName, key: Key, kind: EntryType, value: bytes
    ) -> int:
        try:
            await self._store.write(wallet, folder, key, Entry(kind, Secret(value)))
        except StoreError:
            self._tell(FolderUpdated(wallet, folder))
            raise
        # Nothing tells of a folder that was made on the way: kwalletd is as silent.
        self._tell(FolderUpdated(wallet, folder))
        return DONE

    async def rename_entry(
        self,
        _: str,
        *,
        handle: Handle,
        folder: FolderName,
        old_name: Key,
        new_name: Key,
        appid: AppId,
    ) -> int:
        """Move an entry to another key; -1 if that is taken or there is none."""
        wallet = self._gate(handle, appid)
        try:
            await self._store.rename(wallet, folder, old_name, new_key=new_name)
        except (EntryNotFoundError, EntryExistsError):
            return FAILED
        finally:
            self._tell(FolderUpdated(wallet, folder))
        return DONE

    async def remove_entry(
        self, _: str, *, handle: Handle, folder: FolderName, key: Key, appid: AppId
    ) -> int:
        """Remove an entry; 0 for a missing folder, -3 for a missing key, as kwalletd does."""
        wallet = self._gate(handle, appid)
        if not await self._store.has_folder(wallet, folder):
            return DONE
        try:
            removed = await self._store.remove(wallet, folder, key)
        finally:
            self._tell(FolderUpdated(wallet, folder))
        return DONE if removed else NO_SUCH_KEY

    async def sync(self, _: str, *, handle: Handle, appid: AppId) -> None:
        """Save now: every answered write is saved already."""
        self._gate(handle, appid)


def _text(entry: Entry) -> str:
    """Give a password's text as a D-Bus string can carry it.

    QtDBus cuts at the first NUL and cannot send unpaired surrogates either.
    """
    text = qtstream.decode_string_lenient(entry.value.reveal())
    if text.isascii() and "\0" not in text:
        return text
    return text.split("\0", 1)[0].encode("utf-8", "replace").decode("utf-8")
