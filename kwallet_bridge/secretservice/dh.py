# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of ``dh-ietf1024-sha256-aes128-cbc-pkcs7``; no I/O.

Group: second Oakley group (RFC 2409, 6.2), generator 2. Public keys and the shared number are
written as 128 bytes, leading zeros kept: whoever drops them fails once in 256 sessions.
"""

from __future__ import annotations

import random
from typing import Final

from kwallet_bridge.ciphers import derive_hkdf_sha256

PRIME: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
GENERATOR: Final = 2
SIZE: Final = 128
KEY_SIZE: Final = 16


class PublicKeyError(ValueError):
    """The peer's public key is none: empty, too long, or a number that gives the secret away."""


def make_private_key() -> int:
    """Draw a private number x with 1 < x < p-1."""
    return random.SystemRandom().randrange(2, PRIME - 1)


def public_key(private_key: int) -> bytes:
    """Give the public key of a private number, in 128 bytes."""
    return pow(GENERATOR, private_key, PRIME).to_bytes(SIZE, "big")


def derive_session_key(private_key: int, peer_public_key: bytes) -> bytes:
    """Agree on the 16-byte AES key; ``peer_public_key`` is 1 to 128 bytes, big-endian.

    Raises:
        PublicKeyError: No provider would send this on purpose; with it, anyone knows the key.
    """
    if not 1 <= len(peer_public_key) <= SIZE:
        raise PublicKeyError("the public key is not 1 to 128 bytes")
    peer = int.from_bytes(peer_public_key, "big")
    if not 1 < peer < PRIME - 1:
        raise PublicKeyError("the public key is out of range")
    shared = pow(peer, private_key, PRIME).to_bytes(SIZE, "big")
    return derive_hkdf_sha256(shared, length=KEY_SIZE)
