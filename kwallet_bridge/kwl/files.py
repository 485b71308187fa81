# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a wallet and the files beside it: read-only, each read once, nothing ever made."""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.errors import FileUnreadableError, LimitError
from kwallet_bridge.kwl.attributes import MAX_ATTRIBUTES_SIZE
from kwallet_bridge.kwl.formats import MAX_SIZE
from kwallet_bridge.kwl.kdf import MAX_SALT_SIZE
from kwallet_bridge.kwl.names import (
    ATTRIBUTES_SUFFIX,
    SALT_SUFFIX,
    WALLET_SUFFIX,
    decode_stem,
    encode_name,
)
from kwallet_bridge.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kwallet_bridge.model import WalletName


@dataclass(frozen=True, slots=True)
class WalletSource:
    """A wallet's bytes and those beside it; ``salt`` and ``attributes`` None if there are none."""

    path: Path
    name: WalletName
    data: bytes
    salt: bytes | None
    attributes: bytes | None
    salt_is_newer: bool = False
    """Hints that KDE lost the salt and made another."""

    def __repr__(self) -> str:
        return "WalletSource(...)"


def read_source(path: Path, *, salt_folders: Iterable[Path] = ()) -> WalletSource:
    """Read a wallet file, its salt and its attributes.

    The salt lies beside the wallet, or, for one that an application opened by path, in a wallet
    folder under the encoded path; ``salt_folders`` are looked through for that.

    Raises:
        FileUnreadableError: The wallet file cannot be read.
        LimitError: It is larger than any reader would take.
    """
    try:
        data, modified = _read(path, MAX_SIZE)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise LimitError(f"the file is larger than {MAX_SIZE >> 20} MiB") from error
        raise FileUnreadableError(f"cannot read {path}: {error.strerror}") from error
    stem = path.name.removesuffix(WALLET_SUFFIX)
    full = encode_name(str(path.absolute())) + SALT_SUFFIX
    candidates = [path.with_name(stem + SALT_SUFFIX), *(folder / full for folder in salt_folders)]
    salts = (_read_beside(candidate, MAX_SALT_SIZE) for candidate in candidates)
    salt, salt_modified = next((found for found in salts if found), (None, 0.0))
    attributes = _read_beside(path.with_name(stem + ATTRIBUTES_SUFFIX), MAX_ATTRIBUTES_SIZE)
    return WalletSource(
        path,
        decode_stem(stem),
        data,
        salt,
        attributes[0] if attributes else None,
        salt_is_newer=salt is not None and salt_modified > modified,
    )


def _read_beside(path: Path, limit: int) -> tuple[bytes, float] | None:
    with suppress(OSError):
        return _read(path, limit)
    return None


def _read(path: Path, limit: int) -> tuple[bytes, float]:
    data, status = read_regular(path, limit)
    return data, status.st_mtime
