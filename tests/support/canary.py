# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for a secret in every disguise it might leak in."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def disguises(secret: str) -> dict[str, bytes]:
    """Give the forms of a secret by name: clear, UTF-16, hex, base64 at every offset, quoted."""
    raw = secret.encode()
    wide = {"UTF-16LE": secret.encode("utf-16-le"), "UTF-16BE": secret.encode("utf-16-be")}
    forms = {
        "clear": raw,
        "JSON": json.dumps(secret)[1:-1].encode(),
        "repr": repr(raw)[2:-1].encode(),
    }
    forms |= wide
    for name, data in {"clear": raw, **wide}.items():
        forms[f"hex of {name}"] = data.hex().encode()
        forms[f"HEX of {name}"] = data.hex().upper().encode()
        for offset in range(3):
            # Leading bytes shift the letters; the ends depend on the neighbours and are cut off.
            coded = base64.b64encode(bytes(offset) + data)
            forms[f"base64+{offset} of {name}"] = coded[4 if offset else 0 : -4]
    return forms


def find(secrets: Iterable[str], haystack: bytes) -> list[str]:
    """Name the disguises found in some bytes."""
    return [
        name for secret in secrets for name, form in disguises(secret).items() if form in haystack
    ]


def files_below(folder: Path) -> dict[Path, bytes]:
    """Read every regular file below a folder."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[path] = path.read_bytes()
    return found
