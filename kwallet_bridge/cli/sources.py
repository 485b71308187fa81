# SPDX-License-Identifier: GPL-3.0-or-later
"""Load what a migration reads: wallet files, XML exports, a running kwalletd."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import (
    BridgeError,
    BusLostError,
    FileUnreadableError,
    KwlError,
    StateError,
    StoreUnavailableError,
    WalletNotFoundError,
)
from kwallet_bridge.kwl.attributes import apply_attributes
from kwallet_bridge.kwl.files import read_source
from kwallet_bridge.kwl.folders import list_wallet_folders
from kwallet_bridge.kwl.header import digest_name
from kwallet_bridge.kwl.names import ATTRIBUTES_SUFFIX, WALLET_SUFFIX, decode_stem
from kwallet_bridge.migrate.coverage import SourceFile
from kwallet_bridge.migrate.pending import list_declined
from kwallet_bridge.migrate.running import RunningDaemon, find_daemon
from kwallet_bridge.migrate.wishes import from_items, from_unread, from_wallet, merge
from kwallet_bridge.migrate.xml import MAX_SIZE, looks_like_xml, read_export
from kwallet_bridge.statefile import state_path
from kwallet_bridge.store.expected import NameDigests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from kwallet_bridge.cli.dialogue import Dialogue
    from kwallet_bridge.migrate.model import Wish
    from kwallet_bridge.migrate.xml import Unread
    from kwallet_bridge.model import Wallet, WalletName
    from kwallet_bridge.store.port import ItemInfo, ItemSecret


@dataclass(frozen=True, slots=True)
class Loaded:
    """A source as read; ``origin`` names it in the journal."""

    origin: str
    wallet: Wallet
    items: tuple[tuple[ItemInfo, ItemSecret], ...] = ()
    file: SourceFile | None = None
    """The wallet file, as it was read."""
    unread: tuple[Unread, ...] = ()
    """What an export has that cannot be read."""

    def wishes_as(self, name: WalletName) -> list[Wish]:
        """Wish for everything it holds, what cannot be read too."""
        found = merge(from_wallet(self.wallet, name), from_items(self.items, name))
        return [*found, *from_unread(self.unread, name)]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell about it."""
        return self.wallet.warnings + tuple(
            f"line {one.line}: {'item ' if one.folder is None else one.folder + '/'}{one.key} is not"
            f" read: {one.why}"
            for one in self.unread
        )


def wallet_name_of(path: Path) -> WalletName:
    """Give the name of the wallet a file holds."""
    return decode_stem(path.name.removesuffix(WALLET_SUFFIX))


def load_file(path: Path, dialogue: Dialogue) -> Loaded:
    """Read a wallet file or an XML export.

    Raises:
        KwlError: It cannot be read.
        BridgeError: No password can be had.
    """
    origin = str(path.absolute())
    if path.suffix != WALLET_SUFFIX:
        data = _read_export_bytes(path)
        if looks_like_xml(data):
            export = read_export(data, fallback_name=path.stem)
            return Loaded(origin, export.wallet, export.items, unread=export.unread)
    source = read_source(path, salt_folders=list_wallet_folders())
    file = SourceFile.describe(origin, source.name, source.data)
    return Loaded(origin, dialogue.open_wallet(source).wallet, file=file)


async def load_running(
    names: Sequence[str],
) -> tuple[list[Loaded], list[tuple[str, BridgeError]]]:
    """Return the wallets of a running kwalletd as read, and which could not be.

    Raises:
        StoreUnavailableError: None runs.
        WalletNotFoundError: It has no such wallet.
    """
    bus = await _connect()
    if bus is None:
        raise StoreUnavailableError("there is no message bus, so no kwalletd can run")
    try:
        daemon = await find_daemon(bus)
        if daemon is None:
            raise StoreUnavailableError("no kwalletd of KDE's is running")
        there = await daemon.list_wallets()
        missing = [name for name in names if name not in there]
        if missing:
            raise WalletNotFoundError(f"the running kwalletd has no wallet {missing[0]}")
        wanted = [name for name in there if not names or name in names]
        keep = await asyncio.to_thread(_list_unsavable, wanted)
        loaded: list[Loaded] = []
        refused: list[tuple[str, BridgeError]] = []
        for name in wanted:
            try:
                loaded.append(await load_from(daemon, name, may_save=name not in keep))
            except BridgeError as error:
                refused.append((_origin(name), error))
        return loaded, refused
    finally:
        bus.close()


async def warn_of_pending(paths: Sequence[Path], note: Callable[[str], None]) -> None:
    """Have a running kwalletd save the wallets about to be read; say so where it will not."""
    bus = await _connect()
    if bus is None:
        return
    try:
        daemon = await find_daemon(bus)
        if daemon is None:
            return
        wallets = [wallet_name_of(path) for path in paths]
        keep = await asyncio.to_thread(_list_unsavable, wallets)
        for name in wallets:
            if await daemon.is_open(name) and (name in keep or not await daemon.save(name)):
                note(
                    f"kwalletd has the wallet {name} open and may not have saved the last seconds' "
                    "changes; close it, or use --from running"
                )
    finally:
        bus.close()


async def load_from(daemon: RunningDaemon, name: WalletName, *, may_save: bool = False) -> Loaded:
    """Read one wallet through a running kwalletd, which must have all that the wallet's file has.

    What was removed and not saved yet is lacking too: if ``may_save``, it is saved then.

    Raises:
        StoreLockedError: The person or the daemon's settings refused.
        StoreUnavailableError: The daemon went away, the wallet was closed meanwhile, or it is
            another one than the file's.
    """
    loaded, whole = await _read_from(daemon, name)
    if not whole and may_save and await daemon.save(name):
        loaded, whole = await _read_from(daemon, name)
    if not whole:
        raise StoreUnavailableError("the running kwalletd lacks entries that the wallet file has")
    return loaded


async def _read_from(daemon: RunningDaemon, name: WalletName) -> tuple[Loaded, bool]:
    """Read a wallet, and tell whether it has all that its file has, which then counts as moved.

    From Frameworks 6.14 on kwalletd6 has a Secret Service's wallet of that name, not the file's.
    Of a file whose names are hidden nobody can tell, so that does not count as moved.
    """
    origin = _origin(name)
    # The daemon has what the file has, or newer: so the file is looked at first.
    file = await asyncio.to_thread(_file_of, name, origin)
    wallet = await daemon.read_wallet(name)
    whole = file is None or _has_all(wallet, file)
    wallet = apply_attributes(replace(wallet), _attributes_of(name))
    return Loaded(origin, wallet, file=file if file is not None and file.table else None), whole


def _has_all(wallet: Wallet, file: SourceFile) -> bool:
    expected = NameDigests(digest_name, file.names(), "")
    folders = {folder.name: [entry.key for entry in folder.entries] for folder in wallet.folders}
    return not expected.has_more_folders(folders) and not any(
        expected.has_more_keys(folder, keys) for folder, keys in folders.items()
    )


def _list_unsavable(wallets: Sequence[WalletName]) -> Collection[WalletName]:
    """List which wallets kwalletd must not save: it makes another file of one somebody said no to.

    Where nobody can tell these are all.
    """
    try:
        return list_declined(state_path(os.environ))
    except (StateError, FileUnreadableError):
        return wallets


def _origin(wallet: WalletName) -> str:
    """Give the name of a running daemon's wallet in the journal."""
    return f"running:{wallet}"


def _file_of(name: WalletName, origin: str) -> SourceFile | None:
    """Find the file of a wallet known by name, in the folder of today's daemons."""
    for path in sorted(list_wallet_folders()[0].glob("*" + WALLET_SUFFIX)):
        if wallet_name_of(path) == name:
            with suppress(KwlError):
                return SourceFile.describe(origin, name, read_source(path).data)
    return None


def _attributes_of(name: WalletName) -> bytes | None:
    """Find the attributes file of a wallet known by name: they are not on the bus."""
    for folder in list_wallet_folders():
        for path in sorted(folder.glob("*" + ATTRIBUTES_SUFFIX)):
            if decode_stem(path.name.removesuffix(ATTRIBUTES_SUFFIX)) == name:
                return path.read_bytes()
    return None


async def _connect() -> BusConnection | None:
    try:
        return await BusConnection.connect()
    except BusLostError:
        return None


def _read_export_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SIZE + 1)
    except OSError as error:
        raise FileUnreadableError(f"cannot read {path}: {error.strerror}") from error
