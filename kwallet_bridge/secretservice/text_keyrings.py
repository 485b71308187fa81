# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which of gnome-keyring's keyrings have no password: their files are plain text.

No call tells it, so the file is looked at: a collection's path is its file's name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MEANING: Final = (
    "this keyring has no password: its file is not encrypted, and whoever can read the file reads"
    " every secret in it"
)

_TEXT: Final = b"[keyring]"
_ENCRYPTED: Final = b"GnomeKeyring\n\r\0\n"
_ESCAPE: Final = re.compile(rb"_([0-9a-f]{2})")


def is_text_keyring(collection: str, environ: Mapping[str, str]) -> bool | None:
    """Tell whether a collection's file is plain text; None where that cannot be seen."""
    for path in _files_of(collection, environ):
        try:
            with path.open("rb") as file:
                head = file.read(len(_ENCRYPTED))
        except OSError:
            continue
        if head.startswith(_TEXT):
            return True
        return False if head == _ENCRYPTED else None
    return None


def _files_of(collection: str, environ: Mapping[str, str]) -> Iterator[Path]:
    encoded = collection.rpartition("/")[2].encode()
    name = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), encoded)
    if not name or b"/" in name or b"\0" in name:
        return
    home = Path(environ.get("HOME") or Path.home())
    chosen = environ.get("XDG_DATA_HOME", "")
    data = Path(chosen) if chosen.startswith("/") else home / ".local/share"
    file = name.decode(errors="surrogateescape") + ".keyring"
    yield from (folder / file for folder in (data / "keyrings", home / ".gnome2/keyrings"))
