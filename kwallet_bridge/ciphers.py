# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cipher and key derivation, in one place; the only importer of ``cryptography``.

Loading OpenSSL costs about 9 MB and 25 ms, so it happens when the first cipher is made, never at
import: a program that only lists names does not pay. HMAC and PBKDF2 are the standard library's,
and imported at use too: they load the system's OpenSSL, 3.5 MB, beside the one of ``cryptography``,
and the daemon over a Secret Service needs neither. Nothing here does I/O, and no message holds key
or data.
"""

from __future__ import annotations

import os
from _operator import _compare_digest
from typing import TYPE_CHECKING

from kwallet_bridge.errors import CipherUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.hazmat.primitives.ciphers import CipherContext
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AES_BLOCK = 16
BLOWFISH_BLOCK = 8
_GCM_NONCE = 12
_MOST_AT_ONCE = 1 << 20
"""Bytes decrypted by one call: it needs several times their memory."""
_REMEDY = (
    "OpenSSL on this machine refuses {name}. {name} is in OpenSSL's legacy provider: install it "
    "(a package such as openssl-provider-legacy or libssl3), unset CRYPTOGRAPHY_OPENSSL_NO_LEGACY, "
    "and switch FIPS mode off for this program"
)


class PaddingError(ValueError):
    """Decrypted data does not end as PKCS#7 demands: wrong key, or damaged."""


def equal(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return _compare_digest(left, right)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Compute HMAC-SHA-256."""
    import hmac  # noqa: PLC0415  3.5 MB

    return hmac.digest(key, data, "sha256")


def derive_hkdf_sha256(
    material: bytes, *, length: int, salt: bytes = b"", info: bytes = b""
) -> bytes:
    """Derive ``length`` bytes, at most 8160, by RFC 5869; no salt means 32 zero bytes.

    Raises:
        CipherUnavailableError: OpenSSL refuses to load.
    """
    try:
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  9 MB
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415
    except RuntimeError as error:
        raise CipherUnavailableError(_REMEDY.format(name="a hash")) from error
    return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(material)


def derive_pbkdf2(
    algorithm: str, password: bytes, *, salt: bytes, iterations: int, length: int
) -> bytes:
    """Derive a key by PBKDF2-HMAC; ``algorithm`` as hashlib spells it. Releases the GIL."""
    import hashlib  # noqa: PLC0415  3.5 MB

    return hashlib.pbkdf2_hmac(algorithm, password, salt, iterations, length)


def seal(key: bytes, data: bytes, *, context: bytes) -> bytes:
    """Return data encrypted and authenticated under a key of 32 bytes, with ``context``, by AES-GCM.

    The nonce is random and comes first, 12 bytes. Raise CipherUnavailableError where OpenSSL
    refuses to load.
    """
    nonce = os.urandom(_GCM_NONCE)
    return nonce + _gcm(key).encrypt(nonce, data, context)


def unseal(key: bytes, sealed: bytes, *, context: bytes) -> bytes | None:
    """Return what :func:`seal` was given; None for another key, another context, or damage."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  9 MB

    try:
        return _gcm(key).decrypt(sealed[:_GCM_NONCE], sealed[_GCM_NONCE:], context)
    except (InvalidTag, ValueError):
        return None


def _gcm(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  9 MB
    except RuntimeError as error:
        raise CipherUnavailableError(_REMEDY.format(name="a cipher")) from error
    return AESGCM(key)


class AesCbc:
    """AES in CBC mode with PKCS#7 padding under one key; each call is on its own."""

    __slots__ = ("_algorithm", "_cbc", "_cipher", "_ecb")

    def __init__(self, key: bytes) -> None:
        """Take a key of 16, 24 or 32 bytes.

        Raises:
            CipherUnavailableError: OpenSSL refuses to load.
        """
        try:
            from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415  9 MB
            from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
            from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB  # noqa: PLC0415
        except RuntimeError as error:  # cryptography's word for "no legacy provider"
            raise CipherUnavailableError(_REMEDY.format(name="a cipher")) from error
        self._cipher, self._cbc, self._algorithm = Cipher, CBC, AES(key)
        self._ecb = ECB()  # noqa: S305  the blocks of CBC, many at once: see decrypt_all

    def encrypt(self, data: bytes) -> tuple[bytes, bytes]:
        """Encrypt under a fresh random IV; gives IV and ciphertext."""
        iv = os.urandom(AES_BLOCK)
        return iv, self.encrypt_with(iv, data)

    def encrypt_with(self, iv: bytes, data: bytes) -> bytes:
        """Encrypt under an IV that must never be used twice."""
        padding = AES_BLOCK - len(data) % AES_BLOCK
        context = self._cipher(self._algorithm, self._cbc(iv)).encryptor()
        return context.update(data + bytes((padding,)) * padding)

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """Decrypt and unpad.

        Raises:
            PaddingError: Wrong key or damage; also an IV or data of impossible length.
        """
        if len(iv) != AES_BLOCK or not data or len(data) % AES_BLOCK:
            raise PaddingError("not a whole number of blocks")
        return _unpad(self._cipher(self._algorithm, self._cbc(iv)).decryptor().update(data))

    def decrypt_all(self, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """Decrypt many small values, each with its own IV, by one call of OpenSSL.

        A call for each costs a hundred times what its few blocks do. CBC is this: every block
        decrypted alone, and combined with the ciphertext before it.

        Raises:
            PaddingError: One of them is damaged, or under another key.
        """
        if sum(len(data) for _, data in pairs) > _MOST_AT_ONCE:
            return [self.decrypt(iv, data) for iv, data in pairs]
        if any(len(iv) != AES_BLOCK or not data or len(data) % AES_BLOCK for iv, data in pairs):
            raise PaddingError("not a whole number of blocks")
        joined = b"".join([data for _, data in pairs])
        before = b"".join([iv + data[:-AES_BLOCK] for iv, data in pairs])
        blocks = self._cipher(self._algorithm, self._ecb).decryptor().update(joined)
        plain = _combine(blocks, before)
        found, start = [], 0
        for _, data in pairs:
            end = start + len(data)
            found.append(_unpad(plain[start:end]))
            start = end
        return found


def _combine(left: bytes, right: bytes) -> bytes:
    """Exclusive or."""
    mixed = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
    return mixed.to_bytes(len(left), "little")


def _unpad(plain: bytes) -> bytes:
    padding = plain[-1]
    if not 1 <= padding <= AES_BLOCK or not equal(plain[-padding:], bytes((padding,)) * padding):
        raise PaddingError("the padding is wrong")
    return plain[:-padding]


def blowfish_encrypt(key: bytes, data: bytes, *, chained: bool) -> bytes:
    """Encrypt whole blocks: CBC with a zero IV if ``chained``, else ECB. For fixtures.

    Raises:
        CipherUnavailableError: OpenSSL refuses Blowfish.
    """
    return _blowfish(key, lambda cipher: cipher.encryptor(), chained=chained).update(data)


def blowfish_decrypt(key: bytes, data: bytes | memoryview, *, chained: bool) -> bytes:
    """Decrypt whole blocks: CBC with a zero IV if ``chained``, else ECB.

    Raises:
        CipherUnavailableError: OpenSSL refuses Blowfish.
    """
    return _blowfish(key, lambda cipher: cipher.decryptor(), chained=chained).update(data)


def _blowfish(
    key: bytes, direction: Callable[..., CipherContext], *, chained: bool
) -> CipherContext:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  9 MB
        from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB  # noqa: PLC0415
    except RuntimeError as error:
        raise CipherUnavailableError(_REMEDY.format(name="Blowfish")) from error
    mode = CBC(bytes(BLOWFISH_BLOCK)) if chained else ECB()  # noqa: S305  the format's own
    try:
        return direction(Cipher(Blowfish(key), mode))
    except UnsupportedAlgorithm as error:
        raise CipherUnavailableError(_REMEDY.format(name="Blowfish")) from error
