# SPDX-License-Identifier: GPL-3.0-or-later
"""From a wallet's password to its cipher key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge import ciphers
from kwallet_bridge.errors import SaltError
from kwallet_bridge.kwl.sha1 import kde_sha1
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from kwallet_bridge.kwl.formats import Profile

USUAL_SALT_SIZE = 56
MAX_SALT_SIZE = 1 << 20
_PBKDF2_ITERATIONS = 50_000
_KEY_SIZE = 56
_SHA1_ITERATIONS = 2000
_PIECE = 16


def derive_pbkdf2_key(password: Secret, salt: bytes | None) -> Secret:
    """Derive the 56-byte key; KDE uses a salt file of any size, whole.

    Raises:
        SaltError: There is no salt, or it is empty or absurdly large.
    """
    if not salt:
        raise SaltError("the salt file is missing or empty; without it no password can help")
    if len(salt) > MAX_SALT_SIZE:
        raise SaltError("the salt file is far larger than any salt")
    return Secret(
        ciphers.derive_pbkdf2(
            "sha512",
            password.reveal(),
            salt=salt,
            iterations=_PBKDF2_ITERATIONS,
            length=_KEY_SIZE,
        )
    )


def derive_sha1_key(password: Secret, profile: Profile) -> Secret:
    """Derive the key of 20, 40 or 56 bytes that wallets had before PBKDF2."""
    text = password.reveal()
    pieces = [text[:16], text[16:32], text[32:48], text[48:]]
    count = min(4, max(1, -(-len(text) // _PIECE)))
    digests = [_stretch(piece, profile) for piece in pieces[:count]]
    if count == 4:
        return Secret(b"".join(digest[:14] for digest in digests))
    return Secret(b"".join(digests)[:_KEY_SIZE])


def _stretch(piece: bytes, profile: Profile) -> bytes:
    for _ in range(_SHA1_ITERATIONS):
        piece = kde_sha1(piece, profile)
    return piece
