# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of every kind, as examples and as Hypothesis strategies."""

from __future__ import annotations

from hypothesis import strategies as st

from kwallet_bridge import qtstream
from kwallet_bridge.model import Entry, EntryType
from kwallet_bridge.secret import Secret


def password(text: str | None) -> Entry:
    """Build a password entry, as ``writePassword`` does."""
    return Entry(EntryType.PASSWORD, Secret(qtstream.encode_string(text)))


def raw_password(value: bytes) -> Entry:
    """Build a password entry of any bytes, as ``writeEntry`` of type 1 does."""
    return Entry(EntryType.PASSWORD, Secret(value))


def stream(value: bytes) -> Entry:
    """Build a stream entry."""
    return Entry(EntryType.STREAM, Secret(value))


def raw_map(value: bytes) -> Entry:
    """Build a map entry of any bytes, as ``writeMap`` does."""
    return Entry(EntryType.MAP, Secret(value))


def text_map(value: dict[str, str | None]) -> Entry:
    """Build a map entry."""
    return raw_map(qtstream.encode_map(value))


def pairs_map(pairs: list[tuple[str | None, str | None]]) -> Entry:
    """Build a map entry whose stream has these pairs in this order."""
    parts = [len(pairs).to_bytes(4, "big")]
    for key, value in pairs:
        parts += [qtstream.encode_string(key), qtstream.encode_string(value)]
    return raw_map(b"".join(parts))


EXAMPLES: dict[str, Entry] = {
    "password": password("hunter2"),
    "password empty": password(""),
    "password null": password(None),
    "password unicode": password("pässwörd \U0001f511 パス"),
    "password with NUL": password("a\0b"),
    "password only NUL": password("\0"),
    "password of an unpaired surrogate": password("x\ud800y"),
    "password with a byte order mark": password("\ufeffx"),
    "password that looks like a placeholder": password("{TITLE} {USERNAME} {S:x}"),
    "password with a newline": password("a\r\nb\n"),
    "password no QString": raw_password(b"hello"),
    "password of no bytes": raw_password(b""),
    "password with bytes behind": raw_password(qtstream.encode_string("x") + b"\0"),
    "password no text at all": raw_password(b"\xff\xfe\x00\x80"),
    "password cut off": raw_password(b"\0\0\0\x08\0a"),
    "stream": stream(bytes(range(256))),
    "stream empty": stream(b""),
    "stream that is text": stream(b"plain text"),
    "map": text_map({"user": "me", "password": "s3cr3t"}),
    "map empty": text_map({}),
    "map of no bytes": raw_map(b""),
    "map with null and empty": text_map({"": "", "null": None, "empty": ""}),
    "map with placeholders": text_map({"{TITLE}": "{REF:P@I:1}\\{"}),
    "map with surrogates": text_map({"x\ud800": "\udfffy", "\U0001f511": "\U0001f511"}),
    "map with controls": text_map({"a\0b": "\x01\x7f\u2028"}),
    "map in Qt 5 order": pairs_map([("b", "1"), ("a", "2")]),
    "map with a key twice": pairs_map([("a", "1"), ("a", "2")]),
    "map with a null key": pairs_map([(None, "1")]),
    "map malformed": raw_map(b"\0\0\0\x09junk"),
    "map that is JSON": raw_map(b'{"a":"b"}'),
}

NASTY: tuple[str, ...] = (
    "a\nb",
    "a\nb=c",
    "a\n[x]\nsecret=z",
    "a\n# b\n",
    "\na",
    "a\n",
    "\n",
    "a\r\nb\r\n",
    "a\rb",
    "a\r",
    "\ra",
    " a",
    "a ",
    "   ",
    "\ta",
    "a\t",
    "\t",
    "\fa",
    "\va",
    "a\\b",
    "a\\",
    "\\",
    "\\\\",
    r"a\nb",
    r"a\sb",
    r"a\tb\rc",
    r"a\u0041\x41\101",
    r"\"quoted\"",
    r"C:\new\table\{TITLE}",
    '{"a": "b\\n"}',
    "[keyring]",
    "#comment",
    "a=b;c=d;",
    "\ufeffa",
    "\u00a0a\u2028b\u0085",
    "\x01\x08\x1b\x7f",
    "a\0b\nc",
    "\ufffe\U0001f511\ufffd",
    "YQpi",
    "-----BEGIN KEY-----\nYQpi\\nYQ==\n-----END KEY-----\n",
)
"""Forty texts that some format somewhere takes for something else."""

TEXT = st.text(st.characters(codec=None), max_size=12)
BYTES = st.binary(max_size=40)
ENTRIES = st.one_of(
    st.builds(password, st.one_of(st.none(), TEXT)),
    st.builds(raw_password, BYTES),
    st.builds(raw_password, TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))),
    st.builds(stream, BYTES),
    st.builds(raw_map, BYTES),
    st.builds(text_map, st.dictionaries(TEXT, st.one_of(st.none(), TEXT), max_size=4)),
    st.builds(
        pairs_map,
        st.lists(st.tuples(st.one_of(st.none(), TEXT), st.one_of(st.none(), TEXT)), max_size=4),
    ),
)
