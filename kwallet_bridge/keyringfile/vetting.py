# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items of a keyring cannot be found or read, and what such an item may be. Pure.

An item is looked for by the hashes it is filed under, which nothing authenticates; its secret is
authenticated by itself. So one flipped bit makes an item that no search finds, or one that is
found and cannot be opened, and either would be taken for an item that is not there. Every item is
therefore opened once, when its bytes are first seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kwallet_bridge.keyringfile import gvariant
from kwallet_bridge.keyringfile.format import ItemUnreadableError, open_blob

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kwallet_bridge.keyringfile.format import Keyring
    from kwallet_bridge.keyringfile.keys import CipherKey

SCHEMA = "xdg:schema"


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is known of an item that a search misses, or that cannot be opened."""

    readable: bool = False
    """It opens; only the hashes it is filed under are not all of its attributes."""
    attributes: Mapping[str, str] | None = None
    """Its attributes, where they can be decrypted."""
    hashes: Mapping[str, bytes] | None = None
    """What it is filed under, as far as that can be parsed."""
    under_key: bool = False
    """The hashes are of this file's key and whole, so they tell what the item is not."""

    @property
    def names(self) -> frozenset[str] | None:
        """The names of its attributes; None if they cannot be told."""
        if self.attributes is not None:
            return frozenset(self.attributes)
        return None if self.hashes is None else frozenset(self.hashes)

    def may_match(self, key: CipherKey, wanted: Mapping[str, str]) -> bool:
        """Return whether it may be an item with at least these attributes."""
        if self.attributes is not None:
            return wanted.items() <= self.attributes.items()
        if self.hashes is None:
            return True
        if not wanted.keys() <= self.hashes.keys():
            return False
        return not self.under_key or all(
            key.hash_value(value) == self.hashes[name] for name, value in wanted.items()
        )

    def __repr__(self) -> str:
        return f"Hidden(readable={self.readable})"


def find_hidden(
    key: CipherKey, keyring: Keyring, known: Keyring | None = None
) -> dict[int, Hidden]:
    """Return the items that cannot be found by all their attributes, or cannot be opened.

    What ``known`` says of an item with the same bytes is taken over.
    """
    hidden = {}
    made = _Hashes(key)
    for number, raw in keyring.items.items():
        if known is not None and known.items.get(number) == raw:
            found = known.hidden.get(number)
        else:
            found = _vet(key, raw, made)
        if found is not None:
            hidden[number] = found
    if any(one.attributes is None for one in hidden.values()):
        schemas = set(_schemas(keyring, hidden))
        for number, one in hidden.items():
            if one.hashes is not None:
                # Where the schema's hash is the last, beside the secret, damage that began in
                # the secret and has not come to it has not come to the others either.
                under_key = [*one.hashes][-1:] == [SCHEMA] and one.hashes[SCHEMA] in schemas
                hidden[number] = replace(one, under_key=under_key)
    return hidden


class _Hashes:
    """The hashes of values under one key, each made once: entries share folders and schemas."""

    def __init__(self, key: CipherKey) -> None:
        self._key = key
        self._made: dict[str, bytes] = {}

    def of(self, value: str) -> bytes:
        made = self._made.get(value)
        if made is None:
            made = self._made[value] = self._key.hash_value(value)
        return made

    def encode(self, attributes: Mapping[str, str]) -> bytes:
        """Encode what an item with these attributes is filed under, as we write it."""
        pairs = [(name, self.of(attributes[name])) for name in sorted(attributes)]
        return gvariant.encode_bytes_dict(pairs)


def _vet(key: CipherKey, raw: bytes, made: _Hashes) -> Hidden | None:
    try:
        hashed, blob = gvariant.split_pair(raw)
    except gvariant.FramingError:
        return Hidden()
    try:
        clear = open_blob(key, blob).attributes
    except ItemUnreadableError:
        return Hidden(hashes=_parse_hashes(hashed))
    if hashed == made.encode(clear):
        return None
    hashes = _parse_hashes(hashed)
    if hashes is None or any(clear.get(name) is None for name in hashes):
        return Hidden(attributes=clear)
    if any(made.of(clear[name]) != value for name, value in hashes.items()):
        return Hidden(attributes=clear)
    return None if hashes.keys() == clear.keys() else Hidden(readable=True, attributes=clear)


def _parse_hashes(hashed: bytes) -> dict[str, bytes] | None:
    """Read what an item is filed under; None also for nothing: a damaged offset cuts it off."""
    try:
        return gvariant.parse_bytes_dict(hashed) or None
    except gvariant.FramingError:
        return None


def _schemas(keyring: Keyring, hidden: Mapping[int, Hidden]) -> Iterator[bytes]:
    """Give the hashes of every schema that items of this key are filed under."""
    for number, raw in keyring.items.items():
        if number not in hidden:
            hashes = gvariant.parse_bytes_dict(gvariant.split_pair(raw)[0])
            if SCHEMA in hashes:
                yield hashes[SCHEMA]
