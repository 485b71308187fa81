# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a whole wallet: bytes in, objects out, and only KwlError besides.

Whatever is read is all of it or an error, never a list that ends early.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kwallet_bridge.errors import DecryptionError, LimitError, MalformedError
from kwallet_bridge.kwl.attributes import apply_attributes
from kwallet_bridge.kwl.body import PAYLOAD_OFFSET, UnlockedBody, unlock_body
from kwallet_bridge.kwl.formats import HEADER_SIZE, MAX_SIZE, Profile
from kwallet_bridge.kwl.header import Header, parse_table, read_header
from kwallet_bridge.kwl.kdf import USUAL_SALT_SIZE, derive_pbkdf2_key, derive_sha1_key
from kwallet_bridge.kwl.payload import Payload, parse_payload
from kwallet_bridge.model import Wallet, WalletName
from kwallet_bridge.qtstream import StreamError, StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kwallet_bridge.secret import Secret

_USUAL_PADDING = range(1, 9)


@dataclass(frozen=True, slots=True)
class Decrypted:
    """What GnuPG gave: the plaintext, and the primary key it used, as hex, if it said."""

    plain: bytes
    primary_key: str = ""

    def __repr__(self) -> str:
        return "Decrypted(...)"


@dataclass(frozen=True, slots=True)
class WalletFile:
    """A wallet as read, and how it was encrypted; ``profile`` is None for GPG wallets."""

    wallet: Wallet
    header: Header
    profile: Profile | None = None
    gpg_key: str = ""

    def __repr__(self) -> str:
        return f"WalletFile({self.wallet!r})"


def read_wallet(
    data: bytes,
    *,
    name: WalletName,
    password: Secret,
    salt: bytes | None = None,
    attributes: bytes | None = None,
) -> WalletFile:
    """Read a Blowfish wallet; ``salt`` and ``attributes`` are the files beside it.

    Raises:
        KwlError: Each class says what is wrong; see :func:`read_header` for those that need no
            password.
        SaltError: The format wants a salt and there is none.
        DecryptionError: Wrong password, wrong salt, or damage near the start.
        DamagedError: The password is right and the file is damaged.
        CipherUnavailableError: OpenSSL refuses Blowfish.
    """
    header = read_header(data)
    if header.needs_salt:
        pbkdf2_key = derive_pbkdf2_key(password, salt)
        read = _read_unlocked(data, header, name, lambda _: pbkdf2_key)
        if salt is not None and len(salt) != USUAL_SALT_SIZE:
            read = _warn(read, ["unusual-salt-size"])
    else:
        read = _read_unlocked(data, header, name, lambda used: derive_sha1_key(password, used))
    return replace(read, wallet=apply_attributes(read.wallet, attributes))


def read_wallet_with_key(
    data: bytes, *, name: WalletName, cipher_key: Secret, attributes: bytes | None = None
) -> WalletFile:
    """Read a Blowfish wallet by its cipher key, as a program that derived it itself would.

    Raises:
        KwlError: As :func:`read_wallet`.
    """
    if len(cipher_key) not in {20, 40, 56}:
        raise DecryptionError("a wallet's key has 20, 40 or 56 bytes")
    read = _read_unlocked(data, read_header(data), name, lambda _: cipher_key)
    return replace(read, wallet=apply_attributes(read.wallet, attributes))


def read_gpg_wallet(
    data: bytes,
    *,
    name: WalletName,
    decrypt: Callable[[bytes], Decrypted],
    attributes: bytes | None = None,
) -> WalletFile:
    """Read a GPG wallet; ``decrypt`` gives the plaintext of an OpenPGP message or raises GpgError.

    Raises:
        KwlError: Each class says what is wrong.
        GpgError: GnuPG could not decrypt it.
    """
    header = read_header(data)
    if header.needs_password:
        raise DecryptionError("this wallet is opened by a password, not by GnuPG")
    message = decrypt(data[HEADER_SIZE:])
    if len(message.plain) > MAX_SIZE:
        raise LimitError(f"the wallet unpacks to more than {MAX_SIZE >> 20} MiB")
    key, table_bytes, payload_bytes = _split_gpg_plaintext(message.plain)
    table, end = parse_table(table_bytes, 0)
    if end != len(table_bytes):
        raise MalformedError("bytes follow the table inside the message")
    payload = parse_payload(payload_bytes)
    if payload.folder_count != table.folder_count:
        raise MalformedError("the message holds another number of folders than it says")
    header = replace(header, table=table)
    read = WalletFile(_build_wallet(name, header, payload), header, gpg_key=key)
    if message.primary_key and not message.primary_key.upper().endswith(key.upper()):
        read = _warn(read, ["gpg-key-differs"])
    return replace(read, wallet=apply_attributes(read.wallet, attributes))


def _read_unlocked(
    data: bytes, header: Header, name: WalletName, key_for: Callable[[Profile], Secret]
) -> WalletFile:
    if not header.needs_password:
        raise DecryptionError("this wallet is opened by GnuPG, not by a password")
    body = unlock_body(data, header, key_for)
    payload = parse_payload(body.payload, base=header.body_offset + PAYLOAD_OFFSET)
    read = WalletFile(_build_wallet(name, header, payload), header, body.profile)
    return _warn(read, _body_warnings(body))


def _body_warnings(body: UnlockedBody) -> list[str]:
    return [] if body.padding in _USUAL_PADDING else ["unusual-padding"]


def _build_wallet(name: WalletName, header: Header, payload: Payload) -> Wallet:
    warnings = set(payload.warnings)
    if header.table is not None and not header.table.matches(payload.folders):
        warnings.add("table-mismatch")
    return Wallet(name, payload.folders, tuple(sorted(warnings)))


def _warn(read: WalletFile, names: Iterable[str]) -> WalletFile:
    warnings = tuple(sorted({*read.wallet.warnings, *names}))
    return replace(read, wallet=replace(read.wallet, warnings=warnings))


def _split_gpg_plaintext(plain: bytes) -> tuple[str, bytes, bytes]:
    reader = StreamReader(plain)
    try:
        key, table, payload = reader.read_string(), reader.read_bytes(), reader.read_bytes()
    except StreamError as error:
        raise MalformedError("the message holds no wallet: it is cut off") from error
    if reader.remaining:
        raise MalformedError("bytes follow the wallet inside the message")
    return key or "", table or b"", payload or b""
