# SPDX-License-Identifier: GPL-3.0-or-later
"""The file's one key: derived, kept in locked memory, wiped."""

from __future__ import annotations

import ctypes
import logging
import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from kwallet_bridge.ciphers import AesCbc, derive_pbkdf2, hmac_sha256
from kwallet_bridge.errors import StoreLockedError

if TYPE_CHECKING:
    from kwallet_bridge.keyringfile.format import Header
    from kwallet_bridge.secret import Secret

KEY_SIZE = 16
LEAST_PASSWORD = 4
"""oo7 refuses to write a file whose password has fewer bytes."""
_MADV_DONTDUMP = 16
_LOG = logging.getLogger(__name__)


class CipherKey:
    """AES and MAC key of one file, in a page of its own that is not swapped and not dumped.

    Python copies bytes as it likes: the password's bytes and OpenSSL's key schedule are out of
    reach. What stays for hours, the key, is in one place and gone after :meth:`wipe`.
    """

    __slots__ = ("_cipher", "_page", "_view")

    def __init__(self, key: bytes) -> None:
        """Take a key of 16 bytes."""
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        _lock_memory(self._page)
        self._page[:KEY_SIZE] = key
        self._view = memoryview(self._page)[:KEY_SIZE]
        self._cipher: AesCbc | None = AesCbc(self._bytes)

    @classmethod
    def derive(cls, password: Secret, header: Header) -> CipherKey:
        """Derive the key of a file; slow on purpose."""
        return cls(
            derive_pbkdf2(
                "sha256",
                password.reveal(),
                salt=header.salt,
                iterations=header.iterations,
                length=KEY_SIZE,
            )
        )

    @property
    def cipher(self) -> AesCbc:
        """The cipher under this key.

        Raises:
            StoreLockedError: The key is wiped.
        """
        if self._cipher is None:
            raise StoreLockedError("the keyring file is locked")
        return self._cipher

    @property
    def _bytes(self) -> bytes:
        # hmac and AES take any buffer, and so read the page itself.
        return cast("bytes", self._view)

    def mac(self, data: bytes) -> bytes:
        """Authenticate a blob."""
        return hmac_sha256(self._bytes, data)

    def hash_value(self, value: str) -> bytes:
        """Hash an attribute's value as the file shows it."""
        return hmac_sha256(self._bytes, value.encode("utf-8", "surrogatepass"))

    def same(self, other: CipherKey) -> bool:
        """Tell whether two keys are equal."""
        return self.mac(b"") == other.mac(b"")

    def wipe(self) -> None:
        """Overwrite the key; nothing can be encrypted under what remains."""
        self._cipher = None
        self._page[:KEY_SIZE] = bytes(KEY_SIZE)

    def __repr__(self) -> str:
        return "CipherKey(...)"

    def __reduce__(self) -> str:
        msg = "a key is not serialised"
        raise TypeError(msg)


def _lock_memory(page: mmap.mmap) -> None:
    with suppress(OSError, ValueError, AttributeError):  # not Linux, or an old kernel
        page.madvise(_MADV_DONTDUMP)
    buffer = (ctypes.c_char * len(page)).from_buffer(page)
    if ctypes.CDLL(None, use_errno=True).mlock(ctypes.byref(buffer), len(page)) != 0:
        _LOG.debug("memory for the key cannot be locked; it may reach the swap space")
