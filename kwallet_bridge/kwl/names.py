# SPDX-License-Identifier: GPL-3.0-or-later
"""Wallet names and the file names KDE makes of them.

Since 5.97 bytes outside a set are written ``;XX``; before, the name was the file's stem as it is.
"""

from __future__ import annotations

import re
import string

from kwallet_bridge.model import WalletName

WALLET_SUFFIX = ".kwl"
SALT_SUFFIX = ".salt"
ATTRIBUTES_SUFFIX = "_attributes.json"
_PLAIN = frozenset(
    (string.ascii_letters + string.digits + "-._~^&'@{}[],$=!#()%+ \r\n\t\f\v").encode()
)
_ESCAPE = re.compile(rb";([0-9A-Fa-f]{2})")


def decode_stem(stem: str) -> WalletName:
    """Give the wallet name a file stem stands for; a stem that decodes to no UTF-8 is the name."""
    raw = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), _encode(stem))
    try:
        return WalletName(raw.decode())
    except UnicodeDecodeError:
        return WalletName(stem)


def encode_name(name: str) -> str:
    """Give the file stem that KDE since 5.97 makes of a wallet name or, for openPath, a path."""
    return "".join(chr(byte) if byte in _PLAIN else f";{byte:02X}" for byte in _encode(name))


def _encode(text: str) -> bytes:
    # File names that are no UTF-8 arrive as surrogates; other surrogates cannot be in a path.
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
