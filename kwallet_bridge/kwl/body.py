# SPDX-License-Identifier: GPL-3.0-or-later
"""The encrypted part of a Blowfish wallet: unlock it, or tell why not."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge import ciphers
from kwallet_bridge.errors import DamagedError, DecryptionError
from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.kwl.header import digest_name
from kwallet_bridge.kwl.sha1 import kde_sha1, swap4

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.kwl.header import Header
    from kwallet_bridge.secret import Secret

PAYLOAD_OFFSET = 12
_DIGEST_SIZE = 20
_FRAME = PAYLOAD_OFFSET + _DIGEST_SIZE
_HEAD = 16
_NULL = 0xFFFFFFFF
_TWO_U32 = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class UnlockedBody:
    """A body whose digest is right."""

    profile: Profile
    payload: bytes
    padding: int

    def __repr__(self) -> str:
        return f"UnlockedBody({self.profile})"


def unlock_body(data: bytes, header: Header, key_for: Callable[[Profile], Secret]) -> UnlockedBody:
    """Try each profile with its key; the digest decides.

    Raises:
        DamagedError: The key is right, shown by the first folder's name, and the digest wrong.
        DecryptionError: Nothing shows whether key or file is wrong.
        CipherUnavailableError: OpenSSL refuses Blowfish.
    """
    body = memoryview(data)[header.body_offset :]
    attempts = (
        _Attempt(body, header, profile, key_for(profile)) for profile in header.format.profiles
    )
    key_is_right = False
    for attempt in attempts:
        unlocked = attempt.unlock()
        if unlocked:
            return unlocked
        key_is_right = key_is_right or attempt.shows_the_key()
    if key_is_right:
        message = "the password is right, and the file is damaged"
        raise DamagedError(message, offset=header.body_offset)
    raise DecryptionError(
        "wrong password, or wrong or regenerated salt file, or damage near the start, "
        "or a wallet whose key was not made from a password",
        offset=header.body_offset,
    )


def decrypt_blocks(
    key: Secret, blocks: bytes | memoryview, *, profile: Profile, chained: bool
) -> bytes:
    """Decrypt whole blocks from the start of a body; kde4 swaps the halves' bytes."""
    if profile is Profile.KF5:
        return ciphers.blowfish_decrypt(key.reveal(), blocks, chained=chained)
    return swap4(ciphers.blowfish_decrypt(key.reveal(), swap4(blocks), chained=chained))


class _Attempt:
    """One profile tried; the first blocks tell most wrong ones, so a miss costs nothing."""

    def __init__(self, body: memoryview, header: Header, profile: Profile, key: Secret) -> None:
        self._body, self._header, self._profile, self._key = body, header, profile, key
        self._length, self._name_size = _TWO_U32.unpack_from(self._decrypt(_HEAD), 8)

    def _decrypt(self, size: int) -> bytes:
        return decrypt_blocks(
            self._key,
            self._body[:size],
            profile=self._profile,
            chained=self._header.format.chained,
        )

    def unlock(self) -> UnlockedBody | None:
        size = len(self._body)
        if self._length > size - _FRAME:
            return None
        plain = self._decrypt(size)
        payload = plain[PAYLOAD_OFFSET : PAYLOAD_OFFSET + self._length]
        if not ciphers.equal(kde_sha1(payload, self._profile), plain[-_DIGEST_SIZE:]):
            return None
        return UnlockedBody(self._profile, payload, size - _FRAME - self._length)

    def shows_the_key(self) -> bool:
        """Tell whether the first folder's name decrypts to what the clear table says."""
        table = self._header.table
        size = 0 if self._name_size == _NULL else self._name_size
        if table is None or not table.folder_count or size % 2 or size > len(self._body) - _HEAD:
            return False
        plain = self._decrypt(_HEAD + -(-size // 8) * 8)
        name = plain[_HEAD : _HEAD + size].decode("utf-16-be", "surrogatepass")
        return ciphers.equal(digest_name(name), table.first_folder)
