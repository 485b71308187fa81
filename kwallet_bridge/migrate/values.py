# SPDX-License-Identifier: GPL-3.0-or-later
"""When two stored values are the same value. Pure."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from kwallet_bridge import qtstream
from kwallet_bridge.migrate.model import Kind
from kwallet_bridge.model import Entry, EntryType
from kwallet_bridge.store import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kwallet_bridge.secret import Secret
    from kwallet_bridge.store.port import ItemSecret, NewItem

DIGEST_BYTES = 32


def canonical_entry(entry: Entry) -> bytes:
    """Give the bytes by which entries compare: map keys in one order, all else as stored."""
    value = entry.value.reveal()
    if entry.type is EntryType.MAP:
        value = _canonical_map(value)
    return bytes([entry.type]) + value


def canonical_item(kind: Kind, attributes: Mapping[str, str], secret: ItemSecret | None) -> bytes:
    """Give the bytes by which stored items of one place compare.

    A folder's marker has no value; another program's item is its secret bytes.
    """
    if kind is Kind.FOLDER:
        return b""
    if secret is None:
        raise ValueError("an item without its secret cannot be compared")
    if kind is Kind.ITEM:
        return secret.value.reveal()
    return canonical_entry(codec.decode_entry(attributes, secret))


def is_line(item: NewItem) -> bool:
    """Tell whether an item, just as it is, is safe where text is kept as lines of a key file."""
    names = (item.label, *item.attributes, *item.attributes.values())
    return codec.is_line(item.secret.value.reveal()) and not begins_with_feed(names)


def begins_with_feed(names: Iterable[str]) -> bool:
    """Tell whether one of the names begins with a form feed, which a key file drops."""
    return any(name.startswith("\f") for name in names)


def same(first: bytes, second: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(first, second)


def digest(cipher_key: Secret, value: bytes) -> str:
    """Give the keyed digest the journal keeps of a value."""
    return hmac.new(cipher_key.reveal(), value, hashlib.sha256).hexdigest()


def plain_attributes(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Give attributes without what providers add, in one order, for comparing."""
    own = codec.own_attributes(attributes)
    if own.get(codec.SCHEMA) in {"", codec.GENERIC_SCHEMA}:
        del own[codec.SCHEMA]
    return tuple(sorted(own.items()))


def _canonical_map(value: bytes) -> bytes:
    if not value:
        return qtstream.encode_map({})
    try:
        pairs = qtstream.decode_pairs(value)
    except qtstream.StreamError:
        return value
    return qtstream.encode_map(dict(pairs))
