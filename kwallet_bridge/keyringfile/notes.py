# SPDX-License-Identifier: GPL-3.0-or-later
"""What was last seen of a keyring file, noted beside it, so that its loss is known as one.

The note stands in the file that writers lock, ``.FILE.lock``, and says what the keyring's header
shows anyway: which file it was, and its count of changes. Who decides that a keyring is rightly
gone or rightly an older one removes the note. Blocking: callers run this in a worker thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.ciphers import hmac_sha256
from kwallet_bridge.regular import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from kwallet_bridge.keyringfile.format import Header

_WORD = b"kwallet-bridge keyring note 1"
_SIZE = 128
"""Notes are written at one size in one piece, so that nobody reads half of one."""
_THERE, _DELETED = b"there", b"deleted"


@dataclass(frozen=True, slots=True)
class Note:
    """What was last seen; ``deleted`` means that the file is rightly gone."""

    deleted: bool
    salt: bytes = b""
    usage: int = 0
    modified: int = 0

    def is_older(self, header: Header) -> bool:
        """Return whether a header is one of an earlier time than this note.

        The count of changes is compared only within one file's life; another program's new
        password begins a new one.
        """
        if self.deleted:
            return False
        if self.salt == _digest(header.salt):
            return header.usage < self.usage
        return header.modified < self.modified


def note_of(header: Header) -> Note:
    """Return the note about a version."""
    return Note(
        deleted=False,
        salt=_digest(header.salt),
        usage=header.usage,
        modified=header.modified,
    )


def note_path(path: Path) -> Path:
    """Name the file of the note, which is also the one that writers lock."""
    return path.with_name(f".{path.name}.lock")


def read_note(path: Path) -> Note | None:
    """Return the note about a keyring file; None if there is none."""
    try:
        data, _ = read_regular(note_path(path), _SIZE, follow=False)
    except OSError:
        return None
    line, _, _ = data.partition(b"\n")
    if not line.startswith(_WORD + b" "):
        return None
    words = line[len(_WORD) :].split()
    if words == [_DELETED]:
        return Note(deleted=True)
    if len(words) != 4 or words[0] != _THERE or not (words[2] + words[3]).isdigit():
        return None
    return Note(deleted=False, salt=words[1], usage=int(words[2]), modified=int(words[3]))


def write_note(descriptor: int, header: Header | None) -> None:
    """Note a keyring's version, or with None that it was deleted; the lock must be held.

    What cannot be noted is let be: the note is then about an earlier version, which is true too.
    """
    words = [_WORD, _DELETED]
    if header is not None:
        words = [
            _WORD,
            _THERE,
            _digest(header.salt),
            b"%d" % header.usage,
            b"%d" % header.modified,
        ]
    with suppress(OSError):
        os.pwrite(descriptor, b" ".join(words).ljust(_SIZE - 1) + b"\n", 0)


def _digest(salt: bytes) -> bytes:
    return hmac_sha256(_WORD, salt).hex()[:32].encode()
