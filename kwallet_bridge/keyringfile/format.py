# SPDX-License-Identifier: GPL-3.0-or-later
"""A keyring file's bytes, in both directions; pure.

Items stay the bytes they came as: a save rewrites the header and the framing offsets and copies
the items, so items of other programs survive bit for bit and nothing is encrypted a second time.
``docs/explanation/keyring-file.md`` describes the format.
"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from kwallet_bridge.ciphers import PaddingError, equal
from kwallet_bridge.errors import StoreDamagedError, StoreRefusedError
from kwallet_bridge.keyringfile import gvariant
from kwallet_bridge.keyringfile.lookup import Lookup
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kwallet_bridge.keyringfile.keys import CipherKey
    from kwallet_bridge.keyringfile.vetting import Hidden

MAGIC = b"GnomeKeyring\n\r\0\n"
VERSION = b"\x01\x00"
PREFIX = MAGIC + VERSION
SALT_SIZE = 32
ITERATIONS = 100_000
MOST_ITERATIONS = 10_000_000
"""Some seconds of work. A hostile file could ask for an hour."""
MAC_SIZE = 32
_IV_SIZE = 16
_LEAST_ITEM = 65
"""A blob has at least a block, an IV and a MAC, and its container one offset."""
_MOST_CHANGED = 256
"""Items looked at one by one before the lookup is made anew."""
CONTENT_TYPE = "xdg:content-type"


class ItemUnreadableError(StoreDamagedError):
    """One item belongs to another password, or is damaged; it is kept as it is."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the items."""

    salt: bytes
    iterations: int = ITERATIONS
    modified: int = 0
    usage: int = 0

    def touched(self) -> Header:
        """Give the header of the next version."""
        usage = (self.usage + 1) & 0xFFFFFFFF
        return replace(self, modified=int(time.time()), usage=usage)


@dataclass(slots=True)
class Keyring:
    """A file's content: the header and the items' bytes, by numbers that stay while we run.

    One that readers see is never altered; changes are made to a copy.
    """

    header: Header
    items: dict[int, bytes] = field(default_factory=dict)
    next_number: int = 0
    hidden: dict[int, Hidden] = field(default_factory=dict, compare=False, repr=False)
    """Items that a search misses or that cannot be opened; filled in once the key is known."""
    _lookup: Lookup | None = field(default=None, compare=False, repr=False)
    _changed: set[int] = field(default_factory=set, compare=False, repr=False)

    def add(self, raw: bytes) -> int:
        """Append an item; gives its number."""
        number = self.next_number
        self.next_number = number + 1
        self.put(number, raw)
        return number

    def put(self, number: int, raw: bytes) -> None:
        """Replace an item in its place."""
        self.items[number] = raw
        self.hidden.pop(number, None)
        self._changed.add(number)

    def remove(self, number: int) -> None:
        """Remove an item if it is there."""
        if self.items.pop(number, None) is not None:
            self.hidden.pop(number, None)
            self._changed.add(number)

    def copy(self) -> Keyring:
        """Copy the list, not the items."""
        return Keyring(
            self.header,
            dict(self.items),
            self.next_number,
            dict(self.hidden),
            self._lookup,
            set(self._changed),
        )

    @property
    def unreadable(self) -> int:
        """How many items cannot be opened."""
        return sum(not one.readable for one in self.hidden.values())

    def find_holding(self, needles: Sequence[bytes]) -> list[int]:
        """Find the items whose bytes contain all these, in order."""
        if self._lookup is None or len(self._changed) > _MOST_CHANGED:
            self._lookup, self._changed = Lookup(self.items), set()
        items, changed = self.items, self._changed
        old = [n for n in self._lookup.find(needles) if n not in changed]
        new = (n for n in changed if n in items and all(needle in items[n] for needle in needles))
        return sorted([*old, *new]) if changed else old

    def __repr__(self) -> str:
        return f"Keyring({len(self.items)} items)"


@dataclass(frozen=True, slots=True)
class PlainItem:
    """An item in clear."""

    attributes: Mapping[str, str]
    label: str
    created: int
    modified: int
    secret: Secret

    def __repr__(self) -> str:
        return "PlainItem(...)"


def new_header() -> Header:
    """Make the header of a new file."""
    return Header(os.urandom(SALT_SIZE), modified=int(time.time()))


# --- the file -----------------------------------------------------------------------------------


def is_keyring(start: bytes) -> bool:
    """Tell by a file's first bytes whether it is an encrypted keyring of our version."""
    return start.startswith(MAGIC) and start[len(MAGIC) : len(PREFIX)] == VERSION


def parse_keyring(data: bytes) -> Keyring:
    """Read a file without its password.

    Raises:
        StoreDamagedError: It is truncated, damaged, or not of this format.
    """
    _check_prefix(data)
    try:
        header, items = _parse_body(data[len(PREFIX) :])
    except gvariant.FramingError as error:
        raise StoreDamagedError(f"the keyring file is damaged: {error}") from None
    return Keyring(header, dict(enumerate(items)), len(items))


def _check_prefix(data: bytes) -> None:
    if is_keyring(data):
        return
    if data.startswith(b"[keyring]"):
        raise StoreDamagedError("this is an unencrypted keyring of gnome-keyring")
    if not data.startswith(MAGIC):
        raise StoreDamagedError("this is no keyring file")
    if data[len(MAGIC) :].startswith(b"\0\0"):
        raise StoreDamagedError("this is a keyring of gnome-keyring's own format; open it there")
    raise StoreDamagedError("the keyring file is of a version we do not know, or truncated")


def _parse_body(body: bytes) -> tuple[Header, list[bytes]]:
    end, (salt_end,) = gvariant.parse_trailing_offsets(body, 1)
    fixed_at = salt_end + -salt_end % 4
    # The 64-bit time is aligned to 8 from the container's start.
    time_at = fixed_at + 4 + -(fixed_at + 4) % 8
    items_at = time_at + 12
    if salt_end < 4 or items_at > end:
        raise gvariant.FramingError("too short for its header")
    salt_size, salt = int.from_bytes(body[:4], "little"), body[4:salt_end]
    if salt_size != len(salt) or not salt:
        raise gvariant.FramingError("the salt's size is wrong")
    if any(body[salt_end:fixed_at]) or any(body[fixed_at + 4 : time_at]):
        raise gvariant.FramingError("padding is not zero")
    iterations = int.from_bytes(body[fixed_at : fixed_at + 4], "little")
    if not 0 < iterations <= MOST_ITERATIONS:
        raise gvariant.FramingError("an impossible number of iterations")
    modified, usage = struct.unpack_from("<QI", body, time_at)
    items = gvariant.split_array(body[items_at:end])
    if any(len(item) < _LEAST_ITEM for item in items):
        raise gvariant.FramingError("an item is too short to be one")
    return Header(salt, iterations, modified, usage), items


def encode_keyring(keyring: Keyring) -> bytes:
    """Write a file."""
    header = keyring.header
    salt_end = 4 + len(header.salt)
    start = bytearray(len(header.salt).to_bytes(4, "little") + header.salt)
    start += bytes(-len(start) % 4) + header.iterations.to_bytes(4, "little")
    start += bytes(-len(start) % 8) + struct.pack("<QI", header.modified, header.usage)
    ends = list(accumulate(map(len, keyring.items.values())))
    offsets = b""
    if ends:
        offsets = gvariant.encode_offsets(ends, gvariant.offset_size_for(ends[-1], len(ends)))
    length = len(start) + (ends[-1] if ends else 0) + len(offsets)
    last = salt_end.to_bytes(gvariant.offset_size_for(length, 1), "little")
    return b"".join((PREFIX, start, *keyring.items.values(), offsets, last))


# --- one item -----------------------------------------------------------------------------------


def encode_plain(item: PlainItem) -> bytes:
    """Encode an item in clear, as ``(a{ss}sttay)``.

    Raises:
        StoreRefusedError: A name or text cannot be stored: NUL, or an unpaired surrogate.
    """
    try:
        attributes = gvariant.encode_text_dict(_sorted_by_bytes(item.attributes.items()))
        label = gvariant.encode_string(item.label)
    except gvariant.FramingError as error:
        raise StoreRefusedError(f"a keyring file cannot hold this item: {error}") from None
    secret = item.secret.reveal()
    label_end = len(attributes) + len(label)
    times = struct.pack("<QQ", item.created, item.modified)
    content = b"".join((attributes, label, bytes(-label_end % 8), times, secret))
    size = gvariant.offset_size_for(len(content), 2)
    return content + gvariant.encode_offsets((label_end, len(attributes)), size)


def parse_plain(data: bytes) -> PlainItem:
    """Read an item in clear.

    Raises:
        FramingError: It is not one.
    """
    end, (attributes_end, label_end) = gvariant.parse_trailing_offsets(data, 2)
    times_at = label_end + -label_end % 8
    if times_at + 16 > end or any(data[label_end:times_at]):
        raise gvariant.FramingError("an item's times are out of place")
    created, modified = struct.unpack_from("<QQ", data, times_at)
    return PlainItem(
        attributes=gvariant.parse_text_dict(data[:attributes_end]),
        label=gvariant.parse_string(data[attributes_end:label_end]),
        created=created,
        modified=modified,
        secret=Secret(data[times_at + 16 : end]),
    )


def seal_item(key: CipherKey, item: PlainItem) -> bytes:
    """Encrypt an item into the bytes that stand in a file.

    Hashed names are sorted by their bytes: libsecret compares the whole dictionary as written and
    would add a twin instead of replacing an item whose names are in another order.

    Raises:
        StoreRefusedError: A keyring file cannot hold it.
    """
    plain = encode_plain(item)
    hashes = [(name, key.hash_value(v)) for name, v in _sorted_by_bytes(item.attributes.items())]
    iv, ciphertext = key.cipher.encrypt(plain)
    blob = ciphertext + iv
    return gvariant.join_pair(gvariant.encode_bytes_dict(hashes), blob + key.mac(blob))


def fits(key: CipherKey, raw: bytes) -> bool:
    """Tell whether an item was encrypted under this key and is whole."""
    try:
        _authentic_body(key, gvariant.split_pair(raw)[1])
    except (ItemUnreadableError, gvariant.FramingError):
        return False
    return True


def _authentic_body(key: CipherKey, blob: bytes) -> bytes:
    body, mac = blob[:-MAC_SIZE], blob[-MAC_SIZE:]
    if len(body) < 2 * _IV_SIZE or not equal(key.mac(body), mac):
        raise ItemUnreadableError("an item belongs to another password, or is damaged")
    return body


def open_blob(key: CipherKey, blob: bytes) -> PlainItem:
    """Decrypt what is encrypted of an item.

    Raises:
        ItemUnreadableError: It belongs to another password, or is damaged.
    """
    body = _authentic_body(key, blob)
    try:
        return parse_plain(key.cipher.decrypt(body[-_IV_SIZE:], body[:-_IV_SIZE]))
    except (gvariant.FramingError, PaddingError):
        raise ItemUnreadableError("an item is damaged") from None


def open_item(key: CipherKey, raw: bytes) -> PlainItem:
    """Decrypt an item.

    Raises:
        ItemUnreadableError: It belongs to another password, is damaged, or its hashed attributes
            are not those it holds in clear.
    """
    try:
        hashed, blob = gvariant.split_pair(raw)
        item = open_blob(key, blob)
        hashes = gvariant.parse_bytes_dict(hashed)
    except gvariant.FramingError:
        raise ItemUnreadableError("an item is damaged") from None
    clear = item.attributes
    for name, value in hashes.items():
        if name not in clear or key.hash_value(clear[name]) != value:
            raise ItemUnreadableError("an item's attributes are not those it is filed under")
    return item


def find_items(key: CipherKey, keyring: Keyring, attributes: Mapping[str, str]) -> list[int]:
    """Find the readable items that have at least these attributes, without decrypting any.

    Raises:
        StoreRefusedError: No item can have such attributes.
    """
    try:
        for value in attributes.values():
            gvariant.encode_string(value)
        wanted = {name: key.hash_value(value) for name, value in attributes.items()}
        needles = [gvariant.encode_string(name) + value for name, value in wanted.items()]
    except gvariant.FramingError as error:
        raise StoreRefusedError(f"a keyring file cannot hold such an item: {error}") from None
    # Among them are a few false hits (a name that ends alike); the second look sorts them out.
    near, items = keyring.find_holding(needles), keyring.items
    return [n for n in near if _has(items[n], wanted) and fits(key, items[n])]


def _has(raw: bytes, wanted: Mapping[str, bytes]) -> bool:
    try:
        hashes = gvariant.parse_bytes_dict(gvariant.split_pair(raw)[0])
    except gvariant.FramingError:
        return False
    return all(hashes.get(name) == value for name, value in wanted.items())


def hashed_names(raw: bytes) -> frozenset[str]:
    """Give the names an item is filed under; empty if it is broken."""
    try:
        return frozenset(gvariant.parse_bytes_dict(gvariant.split_pair(raw)[0]))
    except gvariant.FramingError:
        return frozenset()


def _sorted_by_bytes(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(pairs, key=lambda pair: pair[0].encode("utf-8", "surrogatepass"))
