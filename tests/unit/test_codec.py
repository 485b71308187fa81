# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import entries
from support.entries import EXAMPLES, NASTY, password, raw_password, stream, text_map

from kwallet_bridge import qtstream
from kwallet_bridge.errors import CodecError, InvalidNameError
from kwallet_bridge.model import Entry, EntryType, FolderName, Key
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec
from kwallet_bridge.store.memory_items import read_line
from kwallet_bridge.store.port import ItemSecret, Quirks

F, K = FolderName("Network/Management"), Key("user@host/path")
OURS = {"server": F, "user": K, "xdg:schema": "org.qt.keychain"}


def item(entry: Entry) -> tuple[str, str, bytes]:
    """Show an entry's item as type, content type and secret."""
    new = codec.encode_entry(F, K, entry)
    return new.attributes["type"], new.secret.content_type, new.secret.value.reveal()


def back(type_name: str | None, value: bytes) -> tuple[EntryType, bytes]:
    """Show what an item of others reads as."""
    attributes = {} if type_name is None else {"type": type_name}
    entry = codec.decode_entry(attributes, ItemSecret(Secret(value)))
    return entry.type, entry.value.reveal()


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream"])
def test_every_kind_of_entry_survives(name: str, content_type: str) -> None:
    """An entry reads back byte for byte, whatever content type the provider gives back."""
    entry = EXAMPLES[name]
    type_name, _content_type, value = item(entry)
    assert codec.decode_entry({"type": type_name}, ItemSecret(Secret(value), content_type)) == entry


@given(entries.ENTRIES)
def test_any_entry_survives(entry: Entry) -> None:
    """Arbitrary bytes of every entry type read back byte for byte."""
    type_name, _content_type, value = item(entry)
    assert codec.decode_entry({"type": type_name}, ItemSecret(Secret(value))) == entry


@given(entries.ENTRIES)
def test_text_is_text(entry: Entry) -> None:
    """What is declared as text is UTF-8 without NUL."""
    _type, content_type, value = item(entry)
    if content_type == "text/plain":
        assert b"\0" not in value
        value.decode()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (password("héllo"), ("plaintext", "text/plain", "héllo".encode())),
        (password(""), ("plaintext", "text/plain", b"")),
        (password("a\0b"), ("plaintext", "application/octet-stream", b"a\0b")),
        (raw_password(b"\xff\xfe"), ("plaintext", "application/octet-stream", b"\xff\xfe")),
        (stream(b"\x00\x01\xff"), ("base64", "text/plain", b"AAH/")),
        (stream(b""), ("base64", "text/plain", b"")),
        (text_map({"b": "ä", "a": None}), ("map", "text/plain", '{"a":null,"b":"ä"}'.encode())),
        (text_map({"k": "{TITLE}"}), ("map", "text/plain", b'{"k":"\\u007bTITLE}"}')),
        (text_map({"k": "\ud800"}), ("map", "text/plain", b'{"k":"\\ud800"}')),
        (entries.raw_map(b""), ("map", "text/plain", b"")),
        (entries.raw_map(b"\xff"), ("map", "text/plain", b'["/w=="]')),
    ],
)
def test_the_layout_is_kdes(entry: Entry, expected: tuple[str, str, bytes]) -> None:
    """Items are as kwalletd6 writes them, or as it can still read them."""
    assert item(entry) == expected


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        ("password", b"oo7", (EntryType.PASSWORD, qtstream.encode_string("oo7"))),
        (None, b"x", (EntryType.PASSWORD, qtstream.encode_string("x"))),
        ("whatever", b"x", (EntryType.PASSWORD, qtstream.encode_string("x"))),
        ("binary", b"\x00\xff", (EntryType.STREAM, b"\x00\xff")),
        ("base64", b"QUJDREVG", (EntryType.STREAM, b"ABCDEF")),
        ("base64", b"QUJDRE", (EntryType.STREAM, b"ABCD")),  # cut by KeepSecret
        ("base64", b"QUJDR", (EntryType.STREAM, b"ABC")),
        ("base64", b"QU\nJD", (EntryType.STREAM, b"ABC")),
        (
            "map",
            b'{"a": 5, "b": [1]}',
            (EntryType.MAP, qtstream.encode_map({"a": "5", "b": "[1]"})),
        ),
        ("map", b"not JSON", (EntryType.MAP, b"not JSON")),
        ("map", b'["?"]', (EntryType.MAP, b'["?"]')),
        ("map", b"[" * 100_000, (EntryType.MAP, b"[" * 100_000)),
    ],
)
def test_items_of_others_are_read(
    type_name: str | None, value: bytes, expected: tuple[EntryType, bytes]
) -> None:
    """Items left by oo7, KeepSecret and ksecretd read as what they mean."""
    assert back(type_name, value) == expected


@given(st.one_of(st.none(), st.sampled_from(["plaintext", "map", "base64"])), st.binary())
def test_any_secret_reads(type_name: str | None, value: bytes) -> None:
    """No bytes of another program make reading fail."""
    back(type_name, value)


@given(st.dictionaries(entries.TEXT, entries.TEXT))
def test_maps_are_json_objects_of_strings(value: dict[str, str]) -> None:
    """A JSON reader sees the map's pairs, and no brace that KeePassXC could expand."""
    _type, _content_type, data = item(text_map(dict(value)))
    parsed = json.loads(data)
    assert qtstream.encode_map(parsed) == qtstream.encode_map(value)
    assert data.count(b"{") == 1


def test_raw_passwords_read_as_no_text() -> None:
    """Bytes that are no QString give the empty text and themselves."""
    entry = codec.decode_entry({"type": "plaintext"}, codec.encode_value(raw_password(b"hello")))
    assert entry.value.reveal() == b"hello"
    assert not qtstream.decode_string_lenient(entry.value.reveal())


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({**OURS, "type": "plaintext"}, True),
        (OURS, True),
        ({**OURS, "type": "of the future"}, True),
        ({"server": F, "user": K, "type": "password"}, True),
        ({"server": F, "user": K, "type": "binary", "xdg:schema": codec.GENERIC_SCHEMA}, True),
        ({"server": "", "user": "", "type": "map"}, True),
        ({"server": F, "user": K}, False),
        ({"server": F, "user": K, "type": "folder"}, False),
        ({"server": F, "xdg:schema": "org.qt.keychain"}, False),
        ({"user": K, "xdg:schema": "org.qt.keychain"}, False),
        (
            {
                "server": F,
                "user": K,
                "type": "plaintext",
                "xdg:schema": "org.gnome.keyring.NetworkPassword",
            },
            False,
        ),
        (dict(codec.folder_marker(F).attributes), False),
        ({"application": "chrome"}, False),
    ],
)
def test_entries_are_told_from_foreign_items(attributes: dict[str, str], expected: bool) -> None:  # noqa: FBT001 # a table's column
    """Only items KDE, QtKeychain, ksecretd or oo7 made for KWallet are entries."""
    assert codec.is_entry(attributes) is expected


def test_the_marker_is_no_subset_of_an_entry() -> None:
    """A provider that compares subsets never takes an entry for the folder's marker."""
    marker = codec.folder_marker(F).attributes
    assert codec.is_marker(marker)
    assert "user" not in marker
    for entry in EXAMPLES.values():
        attributes = codec.encode_entry(F, K, entry).attributes
        assert not marker.items() <= attributes.items()


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_names_dbus_cannot_carry_are_refused(name: str) -> None:
    """NUL and unpaired surrogates in names are refused before anything is written."""
    with pytest.raises(InvalidNameError):
        codec.encode_entry(FolderName(name), K, password("x"))
    with pytest.raises(InvalidNameError):
        codec.encode_entry(F, Key(name), password("x"))
    with pytest.raises(InvalidNameError):
        codec.folder_marker(FolderName(name))


def test_unknown_types_are_refused() -> None:
    """An entry without a type is not stored."""
    with pytest.raises(CodecError):
        codec.encode_entry(F, K, Entry(EntryType.UNKNOWN, Secret(b"x")))


def test_provider_attributes_do_not_count() -> None:
    """What providers add by themselves is left out of comparisons."""
    added = {"xdg:content-type": "text/plain", "gkr:compat": "x", "Uuid": "1", "Title": "t"}
    assert codec.own_attributes({**OURS, **added}) == OURS


@given(entries.ENTRIES)
def test_any_entry_survives_as_a_line(entry: Entry) -> None:
    """In the form for key files an entry reads back, under its type, and every text is one line."""
    kept = codec.as_line(codec.encode_entry(F, K, entry))
    assert codec.decode_entry(kept.attributes, kept.secret) == entry
    assert codec.entry_type(kept.attributes) is entry.type
    value = kept.secret.value.reveal()
    assert read_line(value) == value


@pytest.mark.parametrize("text", NASTY)
def test_qtkeychain_reads_what_is_no_line(text: str) -> None:
    """QtKeychain takes text as it is, or decodes what it finds under ``base64``."""
    kept = codec.as_line(codec.encode_entry(F, K, password(text)))
    value = kept.secret.value.reveal()
    if kept.attributes["type"] == "base64":
        value = base64.b64decode(value, validate=True)
    assert value.decode() == text


def test_streams_are_no_passwords_in_base64() -> None:
    """Only the attribute of ours tells a password that is kept in base64 from a stream."""
    kept = codec.as_line(codec.encode_entry(F, K, stream(b"a\nb")))
    assert codec.TRUE_TYPE not in kept.attributes
    assert codec.entry_type({"type": "map", codec.TRUE_TYPE: "plaintext"}) is EntryType.MAP


@pytest.mark.parametrize(("folder", "key"), [("\fx", "k"), ("F", "\fx")])
def test_a_name_that_a_key_file_shortens_is_refused(folder: str, key: str) -> None:
    """A form feed at the beginning of a name would be gone after a restart."""
    new = codec.encode_entry(FolderName(folder), Key(key), password("x"))
    assert codec.as_taken(new, Quirks()) == new
    with pytest.raises(InvalidNameError):
        codec.as_taken(new, Quirks(text_is_a_line=True))
