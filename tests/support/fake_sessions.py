# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of a stand-in provider, in which its secrets travel."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.ciphers import AesCbc
from kwallet_bridge.secretservice import dh
from support.fake_items import NO_SESSION, NOT_SUPPORTED, ROOT, FakeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.fake_items import FakeItem, FakeVault

DH = "dh-ietf1024-sha256-aes128-cbc-pkcs7"


class FakeSessions:
    """Encrypts and decrypts, rightly or wrongly.

    Knobs: ``public_key`` (sent instead of a right one), ``cut_secrets`` (bytes taken off each
    value).
    """

    def __init__(self, vault: FakeVault) -> None:
        self.public_key: bytes | None = None
        self.cut_secrets = 0
        self._vault = vault
        self._ciphers: dict[str, AesCbc | None] = {}
        self._numbers = itertools.count(1)

    def forget(self) -> None:
        """Lose every session."""
        self._ciphers.clear()

    @property
    def any_open(self) -> bool:
        """Whether a session was opened and not lost."""
        return bool(self._ciphers)

    def open(self, algorithm: str, data: Any) -> list[object]:
        """Open a session; gives what ``OpenSession`` answers."""
        path = f"{ROOT}/session/s{next(self._numbers)}"
        if algorithm == "plain":
            self._ciphers[path] = None
            return [Variant("s", ""), path]
        if algorithm != DH or self._vault.quirks.plain_only:
            raise FakeError(NOT_SUPPORTED)
        private_key = dh.make_private_key()
        public_key = dh.public_key(private_key).lstrip(b"\0")
        if self.public_key is not None:
            public_key = self.public_key
        self._ciphers[path] = AesCbc(dh.derive_session_key(private_key, bytes(data.value)))
        return [Variant("ay", public_key), path]

    def seal(self, session: str, item: FakeItem) -> list[object]:
        """Give an item's secret as the bus carries it."""
        cipher = self._cipher(session)
        secret, content_type = self._vault.read(item)
        iv, data = (b"", secret) if cipher is None else cipher.encrypt(secret)
        return [session, iv, data[: len(data) - self.cut_secrets], content_type]

    def unseal(self, secret: Sequence[Any]) -> bytes:
        """Give the value of a secret that a client sent."""
        session, iv, data, _ = secret
        cipher = self._cipher(session)
        return bytes(data) if cipher is None else cipher.decrypt(bytes(iv), bytes(data))

    def _cipher(self, session: str) -> AesCbc | None:
        if session not in self._ciphers:
            raise FakeError(NO_SESSION)
        return self._ciphers[session]
