# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyring files made for tests; their password is ``testpw``."""

from __future__ import annotations

from functools import cache

from kwallet_bridge.keyringfile.format import Header, Keyring, PlainItem, encode_keyring, seal_item
from kwallet_bridge.keyringfile.keys import CipherKey
from kwallet_bridge.secret import Secret

PASSWORD = Secret(b"testpw")
QUICK = Header(bytes(range(32)), iterations=1000)
"""Fewer iterations than any real file, for tests that derive the key often."""


@cache
def quick_key() -> CipherKey:
    """The key of every file under QUICK."""
    return CipherKey.derive(PASSWORD, QUICK)


def entry_attributes(folder: str, key: str) -> dict[str, str]:
    """The attributes of a KWallet password."""
    return {
        "server": folder,
        "user": key,
        "type": "plaintext",
        "xdg:schema": "org.qt.keychain",
    }


def entry_item(folder: str, key: str, value: bytes) -> PlainItem:
    """A KWallet password as an item in clear."""
    return PlainItem(entry_attributes(folder, key), f"{folder}/{key}", 1, 2, Secret(value))


def make_keyring(count: int, header: Header = QUICK) -> Keyring:
    """Make a keyring of ``count`` passwords in folders of a hundred."""
    key = quick_key() if header is QUICK else CipherKey.derive(PASSWORD, header)
    keyring = Keyring(header)
    for n in range(count):
        keyring.add(seal_item(key, entry_item(f"folder {n // 100}", f"key {n}", b"value %d" % n)))
    return keyring


def keyring_bytes(count: int) -> bytes:
    """Make such a keyring's file."""
    return encode_keyring(make_keyring(count))
