# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of known wallet formats: (minor version, cipher, hash) to how they are read.

``docs/explanation/kwl-reader.md`` says who wrote which. A new format is a new row; a combination
without a row is refused by naming it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAGIC = b"KWALLET\n\r\0\r\n"
HEADER_SIZE = len(MAGIC) + 4
SMALLEST_WALLET = 60
"""Header, a table of no folders, a body of 40 bytes; KDE takes less for "no wallet"."""

MAX_FOLDERS = 65535
"""KDE's own limit."""
MAX_ENTRIES = 1 << 20
"""Ours: what a thousand times the largest wallet seen would need."""
MAX_SIZE = 512 << 20
"""Ours, for a wallet file and for what a GPG wallet unpacks to, in bytes."""


class Profile(Enum):
    """Two byte orders that no header tells apart: KDE's endianness macro got lost in KF5."""

    KF5 = "kf5"
    KDE4 = "kde4"


class KeyScheme(Enum):
    """How the password becomes the cipher key."""

    SHA1 = "sha1"
    PBKDF2 = "pbkdf2"
    GPG = "gpg"


@dataclass(frozen=True, slots=True)
class Format:
    """One row: how a wallet is encrypted. ``profiles`` are tried in this order."""

    title: str
    keys: KeyScheme
    chained: bool = False
    profiles: tuple[Profile, ...] = ()


_NEWER_FIRST = (Profile.KF5, Profile.KDE4)
_OLDER_FIRST = (Profile.KDE4, Profile.KF5)

FORMATS = {
    (0, 0, 0): Format("Blowfish ECB, SHA-1 key", KeyScheme.SHA1, profiles=_OLDER_FIRST),
    (1, 0, 2): Format("Blowfish ECB, PBKDF2-SHA512 key", KeyScheme.PBKDF2, profiles=_OLDER_FIRST),
    (0, 3, 0): Format(
        "Blowfish CBC, SHA-1 key", KeyScheme.SHA1, chained=True, profiles=_NEWER_FIRST
    ),
    (1, 3, 2): Format(
        "Blowfish CBC, PBKDF2-SHA512 key", KeyScheme.PBKDF2, chained=True, profiles=_NEWER_FIRST
    ),
    (0, 2, 0): Format("OpenPGP", KeyScheme.GPG),
    (1, 2, 0): Format("OpenPGP", KeyScheme.GPG),
}
