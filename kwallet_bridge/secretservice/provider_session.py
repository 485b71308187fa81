# SPDX-License-Identifier: GPL-3.0-or-later
"""A session with a provider: agreed once, then every secret goes through it encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.ciphers import AesCbc, PaddingError
from kwallet_bridge.errors import StoreRefusedError
from kwallet_bridge.secret import Secret
from kwallet_bridge.secretservice import dh, names
from kwallet_bridge.secretservice.client import MalformedReplyError, ProviderSessionLostError
from kwallet_bridge.store.port import ItemSecret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.secretservice.client import ServiceClient, WireSecret

MAX_SECRET = 60 << 20
"""A D-Bus array holds 64 MiB, and whoever sends more loses the connection."""


class UndecryptableError(StoreRefusedError):
    """A secret does not decrypt: the provider and we disagree on the key, or it is cut."""


class ProviderSession:
    """An open session; ``cipher`` None sends secrets bare."""

    __slots__ = ("_cipher", "path")

    def __init__(self, path: str, cipher: AesCbc | None) -> None:
        """Hold what was agreed."""
        self.path = path
        self._cipher = cipher

    @property
    def encrypted(self) -> bool:
        """Whether secrets are encrypted on the bus."""
        return self._cipher is not None

    def seal(self, secret: ItemSecret) -> WireSecret:
        """Encrypt a secret under a fresh IV.

        Raises:
            StoreRefusedError: It is larger than a D-Bus message.
        """
        value = secret.value.reveal()
        if len(value) > MAX_SECRET:
            raise StoreRefusedError("the secret is too large for the bus")
        if self._cipher is None:
            return self.path, b"", value, secret.content_type
        iv, data = self._cipher.encrypt(value)
        return self.path, iv, data, secret.content_type

    def unseal(self, wire: WireSecret) -> ItemSecret:
        """Decrypt a secret.

        Raises:
            UndecryptableError: It was cut, or encrypted under another key.
        """
        path, iv, data, content_type = wire
        if path != self.path:
            raise ProviderSessionLostError("the secret belongs to another session")
        if self._cipher is None:
            return ItemSecret(Secret(data), content_type)
        try:
            return ItemSecret(Secret(self._cipher.decrypt(iv, data)), content_type)
        except PaddingError:
            # No chaining: a traceback must not lead to the padding of somebody's secret.
            raise UndecryptableError("the provider sent a secret that does not decrypt") from None

    def unseal_all(self, wires: Sequence[WireSecret]) -> list[ItemSecret]:
        """Decrypt many secrets, as :meth:`unseal` one of them."""
        if self._cipher is None or any(wire[0] != self.path for wire in wires):
            return [self.unseal(wire) for wire in wires]
        try:
            values = self._cipher.decrypt_all([(iv, data) for _, iv, data, _ in wires])
        except PaddingError:
            raise UndecryptableError("the provider sent a secret that does not decrypt") from None
        return [
            ItemSecret(Secret(value), wire[3]) for value, wire in zip(values, wires, strict=True)
        ]


async def open_provider_session(client: ServiceClient) -> ProviderSession:
    """Open an encrypted session; a plain one only where the provider has no encryption.

    Raises:
        StoreRefusedError: The provider failed, or sent an impossible public key, twice.
        StoreUnavailableError: It does not offer its service yet.
    """
    try:
        return await _open_encrypted(client)
    except dh.PublicKeyError:
        pass
    except StoreRefusedError as error:
        if error.dbus_name != names.NOT_SUPPORTED:
            raise
        return await _open_plain(client)
    try:
        return await _open_encrypted(client)
    except dh.PublicKeyError as error:
        raise StoreRefusedError("the provider offers no usable public key") from error


async def _open_encrypted(client: ServiceClient) -> ProviderSession:
    private_key = dh.make_private_key()
    data = Variant("ay", dh.public_key(private_key))
    output, path = await client.open_session(names.DH_ALGORITHM, data)
    if not isinstance(output, bytes):
        raise MalformedReplyError("the provider's public key is not an array of bytes")
    return ProviderSession(path, AesCbc(dh.derive_session_key(private_key, output)))


async def _open_plain(client: ServiceClient) -> ProviderSession:
    _, path = await client.open_session(names.PLAIN_ALGORITHM, Variant("s", ""))
    return ProviderSession(path, None)
