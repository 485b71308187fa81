# SPDX-License-Identifier: GPL-3.0-or-later
"""One KWallet entry as one item: attributes, content type and secret. Pure.

The layout is the one KDE's kwalletd6 (6.14 and later) and QtKeychain share;
``docs/explanation/item-mapping.md`` tells what is written and why.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import TYPE_CHECKING

from kwallet_bridge import qtstream
from kwallet_bridge.errors import CodecError, InvalidNameError
from kwallet_bridge.model import Entry, EntryType, FolderName, Key
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.store.port import Quirks

FOLDER = "server"
KEY = "user"
TYPE = "type"
TRUE_TYPE = "kwallet-type"
"""An attribute of entries that are filed under another type than their own (see ``as_line``)."""
SCHEMA = "xdg:schema"
CONTENT_TYPE = "xdg:content-type"

ENTRY_SCHEMA = "org.qt.keychain"
MARKER_SCHEMA = "org.kde.KWallet.Folder"
GENERIC_SCHEMA = "org.freedesktop.Secret.Generic"
MARKER_QUERY = {TYPE: "folder", SCHEMA: MARKER_SCHEMA}
"""The attributes every folder's marker has."""

TEXT = "text/plain"
OCTETS = "application/octet-stream"

RAW_MARK = b"\xffkwallet raw\xff"
"""Before a password's stored bytes that are no QString and would be taken for text.

0xff is in no text, so no password that a program can type begins with it.
"""

_TYPES = {
    "plaintext": EntryType.PASSWORD,
    "password": EntryType.PASSWORD,  # oo7's own migration writes it
    "base64": EntryType.STREAM,
    "binary": EntryType.STREAM,  # ksecretd's export, and kwalletd6 before its first release
    "map": EntryType.MAP,
}
_OWN_TYPES = {
    EntryType.PASSWORD: "plaintext",
    EntryType.STREAM: "base64",
    EntryType.MAP: "map",
}
_PROVIDER_ATTRIBUTES = frozenset(
    {
        CONTENT_TYPE,
        "FDO_SECRETS_CONTENT_TYPE",
        "Title",
        "UserName",
        "URL",
        "Notes",
        "Uuid",
        "Path",
        "Totp",
    }
)
_NO_LINE = re.compile(r"[\n\r\\]|\A[ \t\f]")
_LINE_ESCAPES = re.compile(r"\\[nrt\\]")
_ESCAPED = {
    r"\n": r"\u000a",
    r"\r": r"\u000d",
    r"\t": r"\u0009",
    r"\\": r"\u005c",
}
"""JSON's short escapes that a key file knows too, and how JSON may write them otherwise."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_ROUND_BRACES = str.maketrans("{}", "()")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


# --- which items are entries, and what they are called -----------------------------------------


def is_entry(attributes: Mapping[str, str]) -> bool:
    """Tell whether an item is a KWallet entry; every other item belongs to someone else."""
    if FOLDER not in attributes or KEY not in attributes:
        return False
    schema = attributes.get(SCHEMA, GENERIC_SCHEMA)
    if schema == ENTRY_SCHEMA:
        return True
    return schema in {GENERIC_SCHEMA, ""} and attributes.get(TYPE) in _TYPES


def is_marker(attributes: Mapping[str, str]) -> bool:
    """Tell whether an item marks a folder as existing."""
    return (
        attributes.get(SCHEMA) == MARKER_SCHEMA and FOLDER in attributes and KEY not in attributes
    )


def is_ours(attributes: Mapping[str, str]) -> bool:
    """Tell whether an item is KWallet's: an entry or a folder's marker."""
    return is_entry(attributes) or is_marker(attributes)


def entry_type(attributes: Mapping[str, str]) -> EntryType:
    """Tell an entry's type; an absent or unknown ``type`` reads as a password, as KDE does."""
    if attributes.get(TYPE) == "base64" and attributes.get(TRUE_TYPE) == "plaintext":
        return EntryType.PASSWORD
    return _TYPES.get(attributes.get(TYPE, ""), EntryType.PASSWORD)


def own_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Leave out the attributes that providers add by themselves."""
    return {
        name: value
        for name, value in attributes.items()
        if name not in _PROVIDER_ATTRIBUTES and not name.startswith("gkr:")
    }


def is_storable_name(name: str) -> bool:
    """Tell whether a D-Bus string can hold a name at all; no item has one that it cannot."""
    return _UNSTORABLE.search(name) is None


def require_name(name: str) -> None:
    """Refuse a name that no item can have.

    Raises:
        InvalidNameError: It holds NUL or an unpaired surrogate.
    """
    if _UNSTORABLE.search(name):
        raise InvalidNameError("a name holds NUL or an unpaired surrogate")


def require_wallet_name(name: str, quirks: Quirks) -> None:
    """Refuse names no collection can have, or that a provider would take for a path.

    Raises:
        InvalidNameError: The name is one of these.
    """
    require_name(name)
    if not name:
        raise InvalidNameError("a wallet needs a name")
    if quirks.labels_are_paths and ("/" in name or not name.strip(".")):
        raise InvalidNameError("this provider makes a path of a wallet's name")


def folder_query(folder: FolderName) -> dict[str, str]:
    """Give the attributes every entry and the marker of a folder have."""
    return {FOLDER: folder}


def entry_query(folder: FolderName, key: Key) -> dict[str, str]:
    """Give the attributes every entry of one key has, whatever its type."""
    return {FOLDER: folder, KEY: key}


def folder_marker(folder: FolderName) -> NewItem:
    """Build the item that keeps a folder without entries.

    Without ``user``, so that kwalletd6 shows no entry in it; with ``type``, so that its
    attributes are no subset of an entry's, which some providers would overwrite or delete.
    """
    require_name(folder)
    attributes = {FOLDER: folder, **MARKER_QUERY}
    return NewItem(f"{folder}/", attributes, ItemSecret(Secret(b""), TEXT))


# --- entries to items ---------------------------------------------------------------------------


def encode_entry(folder: FolderName, key: Key, entry: Entry) -> NewItem:
    """Build the item of an entry.

    Raises:
        InvalidNameError: No item can have this folder or key.
        CodecError: The entry's type is none of KWallet's.
    """
    require_name(folder)
    require_name(key)
    type_name = _OWN_TYPES.get(entry.type)
    if type_name is None:
        raise CodecError("an entry of this type cannot be stored")
    attributes = {FOLDER: folder, KEY: key, TYPE: type_name, SCHEMA: ENTRY_SCHEMA}
    return NewItem(f"{folder}/{key}", attributes, encode_value(entry))


def encode_value(entry: Entry) -> ItemSecret:
    """Build the secret of an entry."""
    value = entry.value.reveal()
    if entry.type is EntryType.PASSWORD:
        return _encode_password(value)
    if entry.type is EntryType.MAP:
        return ItemSecret(Secret(_encode_map(value)), TEXT)
    return ItemSecret(Secret(binascii.b2a_base64(value, newline=False)), TEXT)


def as_octets(item: NewItem) -> NewItem:
    """Build the same item for providers that rewrite text."""
    return NewItem(item.label, item.attributes, ItemSecret(item.secret.value, OCTETS))


def without_placeholders(item: NewItem) -> NewItem:
    """Build the same item for providers that expand placeholders: none in the label.

    KeePassXC expands titles within titles: two ``{TITLE}`` in one keep it busy until it breaks,
    and so may two placeholders in a secret.
    """
    made = NewItem(item.label.translate(_ROUND_BRACES), item.attributes, item.secret)
    return as_octets(made) if item.secret.value.reveal().count(b"{") > 1 else made


def as_taken(item: NewItem, quirks: Quirks) -> NewItem:
    """Build the same entry or marker in the form that a provider gives back unaltered.

    Raises:
        InvalidNameError: The provider would file it under another name.
    """
    if quirks.rewrites_text:
        item = without_placeholders(item)
    return as_line(item) if quirks.text_is_a_line else item


def as_line(item: NewItem) -> NewItem:
    """Build the same entry for providers that may keep a text as a line of a key file.

    A password with a line end, a backslash or a blank at its beginning becomes base64 under
    ``type=base64``, where QtKeychain looks when it finds no text, and gives the text; one more
    attribute tells it from a stream. Maps avoid the escapes that such a file knows.

    Raises:
        InvalidNameError: Such a file drops the beginning of the folder's or the key's name.
    """
    attributes = item.attributes
    if any(attributes.get(name, "").startswith("\f") for name in (FOLDER, KEY)):
        raise InvalidNameError("this provider drops a form feed that begins a name")
    kind, value = attributes.get(TYPE), item.secret.value.reveal()
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return item  # such bytes are kept in hexadecimal
    if kind == _OWN_TYPES[EntryType.MAP]:
        text = _LINE_ESCAPES.sub(lambda found: _ESCAPED[found[0]], text)
        secret = ItemSecret(Secret(text.encode()), item.secret.content_type)
        return NewItem(item.label, attributes, secret)
    if kind != _OWN_TYPES[EntryType.PASSWORD] or "\0" in text or not _NO_LINE.search(text):
        return item
    filed = {**attributes, TYPE: _OWN_TYPES[EntryType.STREAM], TRUE_TYPE: kind}
    secret = ItemSecret(Secret(binascii.b2a_base64(value, newline=False)), TEXT)
    return NewItem(item.label, filed, secret)


def is_line(text: bytes) -> bool:
    """Tell whether a provider that keeps text as a line of a key file would give this back."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return True
    return "\0" in decoded or _NO_LINE.search(decoded) is None


def _encode_password(value: bytes) -> ItemSecret:
    try:
        text = qtstream.decode_string(value)
    except qtstream.StreamError:
        text = None
    if text is None:
        return ItemSecret(Secret(_encode_raw(value)), OCTETS)
    if _UNSTORABLE.search(text):
        return ItemSecret(Secret(text.encode("utf-8", "surrogatepass")), OCTETS)
    return ItemSecret(Secret(text.encode()), TEXT)


def as_rewritten(item: NewItem) -> NewItem | None:
    """Build the same entry for providers that rewrite maps: null texts become empty.

    None where such a provider would keep nothing of the map.
    """
    value = item.secret.value.reveal()
    if item.attributes.get(TYPE) != _OWN_TYPES[EntryType.MAP] or not value:
        return item
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    if None not in parsed.values():
        return item
    texts = _encode_pairs({key: _map_text(text) or "" for key, text in parsed.items()})
    secret = ItemSecret(Secret(_encode_map(texts)), item.secret.content_type)
    return NewItem(item.label, item.attributes, secret)


def _encode_raw(value: bytes) -> bytes:
    """Keep bytes that are no QString, so that reading gives these and no text."""
    return value if _decode_password(value) == value else RAW_MARK + value


def _encode_map(value: bytes) -> bytes:
    """Write a map as JSON, keys in the order of the stream; what JSON cannot hold as an array."""
    if not value:
        return b""
    try:
        pairs = qtstream.decode_pairs(value)
    except qtstream.StreamError:
        return _map_array(value)
    if _encode_pairs(dict(pairs)) != value:  # a key twice, or a null key
        return _map_array(value)
    text = json.dumps(dict(pairs), ensure_ascii=False, separators=(",", ":"))
    # KeePassXC expands {TITLE} and refuses {REF:; JSON allows the brace to be written otherwise.
    text = "{" + text[1:].replace("{", "\\u007b")
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _map_array(value: bytes) -> bytes:
    return b'["' + binascii.b2a_base64(value, newline=False) + b'"]'


def _encode_pairs(pairs: Mapping[str, str | None]) -> bytes:
    parts = [len(pairs).to_bytes(4, "big")]
    for key, value in pairs.items():
        parts.append(qtstream.encode_string(key))
        parts.append(qtstream.encode_string(value))
    return b"".join(parts)


# --- items to entries ---------------------------------------------------------------------------


def decode_entry(attributes: Mapping[str, str], secret: ItemSecret) -> Entry:
    """Read an entry out of an item's attributes and secret.

    The content type is not asked: gnome-keyring forgets it.
    """
    value = secret.value.reveal()
    if attributes.get(TYPE) == _OWN_TYPES[EntryType.STREAM]:
        value = decode_base64_lenient(value)
    kind = entry_type(attributes)
    if kind is EntryType.PASSWORD:
        return Entry(kind, Secret(_decode_password(value)))
    if kind is EntryType.MAP:
        return Entry(kind, Secret(_decode_map(value)))
    return Entry(kind, Secret(value))


def _decode_password(value: bytes) -> bytes:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        if value.startswith(RAW_MARK):
            return value[len(RAW_MARK) :]
        try:
            text = value.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return value
    return qtstream.encode_string(text)


def decode_base64_lenient(value: bytes) -> bytes:
    """Decode base64 as Qt does: foreign characters are skipped, a cut end is dropped.

    KeepSecret cuts items to the length of the decoded bytes.
    """
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except binascii.Error:
        digits = _NOT_BASE64.sub(b"", value)
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _decode_map(value: bytes) -> bytes:
    """Read a map; what is no map of ours or KDE's is given as it is, never as an empty map."""
    if not value:
        return b""
    try:
        parsed = json.loads(value.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError):
        return value
    if isinstance(parsed, dict):
        return _encode_pairs({key: _map_text(parsed[key]) for key in parsed})
    if isinstance(parsed, list) and len(parsed) == 1 and isinstance(parsed[0], str):
        try:
            return binascii.a2b_base64(parsed[0], strict_mode=True)
        except ValueError:
            return value
    return value


def same_texts(first: Entry, second: Entry) -> bool:
    """Tell whether two maps hold the same texts, whatever their order, null being empty."""
    try:
        texts = [
            {
                key: value or ""
                for key, value in qtstream.decode_pairs(entry.value.reveal() or bytes(4))
            }
            for entry in (first, second)
        ]
    except qtstream.StreamError:
        return False
    return texts[0] == texts[1]


def _map_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
