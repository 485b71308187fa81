# SPDX-License-Identifier: GPL-3.0-or-later
"""Write wallet files of every format, for tests alone: shipped code cannot write one.

What it writes is checked against KDE by way of the reader, which the vectors hold to what
real daemons wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kwallet_bridge import ciphers
from kwallet_bridge.kwl.formats import FORMATS, HEADER_SIZE, MAGIC, KeyScheme, Profile
from kwallet_bridge.kwl.kdf import derive_pbkdf2_key, derive_sha1_key
from kwallet_bridge.kwl.sha1 import kde_sha1, swap4
from kwallet_bridge.qtstream import encode_bytes, encode_string
from kwallet_bridge.secret import Secret

Row = tuple[int, int, int]
"""Minor version, cipher, hash."""
EntrySpec = tuple[str | None, int, bytes | None]
FolderSpec = tuple[str | None, Sequence[EntrySpec]]

NEWEST = (1, 3, 2)
BLOWFISH_ROWS = [row for row, found in FORMATS.items() if found.keys is not KeyScheme.GPG]
SALT = bytes(range(56))
_RANDOM_BLOCK = b"\xa5" * 8


@dataclass(frozen=True)
class Lock:
    """How a wallet is encrypted: a row of the reader's table, a profile, and the cipher key."""

    row: Row
    profile: Profile
    key: Secret

    def seal(self, plain: bytes) -> bytes:
        """Encrypt whole blocks."""
        chained, key = FORMATS[self.row].chained, self.key.reveal()
        if self.profile is Profile.KF5:
            return ciphers.blowfish_encrypt(key, plain, chained=chained)
        return swap4(ciphers.blowfish_encrypt(key, swap4(plain), chained=chained))


def make_lock(row: Row, profile: Profile, password: bytes, *, salt: bytes = SALT) -> Lock:
    """Derive the key as KDE does."""
    secret = Secret(password)
    if FORMATS[row].keys is KeyScheme.PBKDF2:
        return Lock(row, profile, derive_pbkdf2_key(secret, salt))
    return Lock(row, profile, derive_sha1_key(secret, profile))


def encode_header(row: Row) -> bytes:
    """Encode the magic and the four numbers after it."""
    minor, cipher, digest = row
    return MAGIC + bytes((0, minor, cipher, digest))


def encode_payload(folders: Sequence[FolderSpec]) -> bytes:
    """Encode folders and entries as they come, sorted or not."""
    parts = []
    for name, entries in folders:
        parts += [encode_string(name), len(entries).to_bytes(4, "big")]
        for key, type_code, value in entries:
            parts += [
                encode_string(key),
                type_code.to_bytes(4, "big", signed=True),
                encode_bytes(value),
            ]
    return b"".join(parts)


def encode_table(folders: Sequence[FolderSpec]) -> bytes:
    """Encode the digests in clear."""
    parts = [len(folders).to_bytes(4, "big")]
    for name, entries in folders:
        parts += [_digest(name), len(entries).to_bytes(4, "big")]
        parts += [_digest(key) for key, _, _ in entries]
    return b"".join(parts)


def encode_plain_body(payload: bytes, profile: Profile, *, padding: int | None = None) -> bytes:
    """Frame a payload: random block, length, payload, padding, digest."""
    size = 8 - (len(payload) + 32) % 8 if padding is None else padding
    framed = _RANDOM_BLOCK + len(payload).to_bytes(4, "big") + payload + b"\x5a" * size
    return framed + kde_sha1(payload, profile)


def write_payload(lock: Lock, table: bytes, payload: bytes) -> bytes:
    """Write a wallet around any payload, sound or not."""
    return encode_header(lock.row) + table + lock.seal(encode_plain_body(payload, lock.profile))


def write_wallet(lock: Lock, folders: Sequence[FolderSpec]) -> bytes:
    """Write a sound wallet."""
    return write_payload(lock, encode_table(folders), encode_payload(folders))


def encode_gpg_plaintext(folders: Sequence[FolderSpec], *, key: str = "0123456789ABCDEF") -> bytes:
    """Encode what a GPG wallet's message holds."""
    payload = encode_payload(folders) if folders else None
    return encode_string(key) + encode_bytes(encode_table(folders)) + encode_bytes(payload)


def write_gpg_wallet(plaintext: bytes) -> bytes:
    """Write a wallet whose "message" is its plaintext, for a decrypt function that does nothing."""
    return (encode_header((0, 2, 0)) + plaintext).ljust(HEADER_SIZE + 44, b"\0")


def settle(text: str | None) -> str:
    """Give a name as it comes back: null is empty, two surrogates side by side may be one letter."""
    return (text or "").encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


def _digest(name: str | None) -> bytes:
    return hashlib.md5(settle(name).encode("utf-8", "replace"), usedforsecurity=False).digest()
