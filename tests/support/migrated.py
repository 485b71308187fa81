# SPDX-License-Identifier: GPL-3.0-or-later
"""Read vectors as wallets, and read back what a migration made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.kwl.gpg import decrypt_with_gpg
from kwallet_bridge.kwl.reader import read_gpg_wallet, read_wallet, read_wallet_with_key
from kwallet_bridge.migrate.run import OpenStore
from kwallet_bridge.model import (
    Entry,
    EntryType,
    Folder,
    FolderName,
    Key,
    ServiceItem,
    Wallet,
    WalletName,
)
from kwallet_bridge.secret import Secret
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.codec import is_storable_name
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.wallets import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.vectors import Vector

KDEWALLET = WalletName("kdewallet")
Contents = dict[FolderName, dict[Key, tuple[EntryType, bytes]]]


def read_vector(vector: Vector) -> Wallet:
    """Read a vector with what its JSON gives to open it."""
    name = KDEWALLET
    if vector.is_gpg:
        return read_gpg_wallet(vector.data, name=name, decrypt=decrypt_with_gpg).wallet
    if "key_hex" in vector.expected:
        key = Secret(bytes.fromhex(vector.expected["key_hex"]))
        return read_wallet_with_key(vector.data, name=name, cipher_key=key).wallet
    return read_wallet(
        vector.data,
        name=name,
        password=Secret.from_text(vector.expected["password"]),
        salt=vector.salt,
        attributes=vector.attributes,
    ).wallet


def join_vectors(vectors: Iterable[Vector]) -> Wallet:
    """Read vectors as one wallet, each folder's name behind its vector's.

    Of a folder the first twenty entries: some providers write all they have at every change.
    """
    folders: list[Folder] = []
    service_items: dict[tuple[FolderName, Key], ServiceItem] = {}
    for vector in vectors:
        wallet = read_vector(vector)
        folders += [
            replace(one, name=_behind(vector, one.name), entries=one.entries[:20])
            for one in wallet.folders
        ]
        for (name, key), item in wallet.service_items.items():
            service_items[_behind(vector, name), key] = item
    return Wallet(KDEWALLET, tuple(folders), service_items=service_items)


def _behind(vector: Vector, name: FolderName) -> FolderName:
    return FolderName(f"{vector.name}: {name}")


def entries_of(wallet: Wallet) -> Contents:
    """Give what a store must show of a wallet: everything a provider can hold."""
    shown: Contents = {}
    for folder in wallet.folders:
        if not is_storable_name(folder.name):
            continue
        found = {
            entry.key: (EntryType(entry.type_code), entry.value.reveal())
            for entry in folder.entries
            if entry.type_code in {1, 2, 3}
            and is_storable_name(entry.key)
            and (folder.name, entry.key) not in wallet.service_items
        }
        as_items = any(key[0] == folder.name for key in wallet.service_items)
        if found or not as_items:
            shown[folder.name] = found
    return shown


async def connect(address: str) -> OpenStore:
    """Open gnome-keyring on a private bus, over a connection of its own."""
    bus = await BusConnection.connect(address)
    settings = StoreSettings()
    backend = SecretServiceBackend(bus)
    return OpenStore(
        backend,
        EntryStore(backend, settings),
        settings.default_wallet,
        bus.close,
        save=backend.save,
    )


async def read_everything(opened: OpenStore) -> Contents:
    """Read every entry of the default wallet."""
    await opened.store.unlock(KDEWALLET)
    shown: Contents = {}
    for folder in await opened.store.list_folders(KDEWALLET):
        read = await opened.store.read_many(KDEWALLET, folder, lambda _key, _type: True)
        shown[folder] = {key: _plain(entry) for key, entry in read.items()}
    return shown


def _plain(entry: Entry) -> tuple[EntryType, bytes]:
    return entry.type, entry.value.reveal()
