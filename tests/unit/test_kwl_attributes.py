# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwallet_bridge.kwl import attributes
from kwallet_bridge.kwl.attributes import apply_attributes, parse_attributes
from kwallet_bridge.model import (
    EntryType,
    Folder,
    FolderName,
    Key,
    ServiceItem,
    Wallet,
    WalletEntry,
    WalletName,
)
from kwallet_bridge.qtstream import encode_string
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

KDE = {"server": "a/b", "user": "c", "type": "base64"}


def make_wallet(*entries: tuple[str, str, int, bytes]) -> Wallet:
    """Make a wallet of (folder, key, type, value)."""
    folders: dict[str, list[WalletEntry]] = {}
    for folder, key, type_code, value in entries:
        folders.setdefault(folder, []).append(WalletEntry(Key(key), type_code, Secret(value)))
    return Wallet(
        WalletName("w"),
        tuple(Folder(FolderName(name), tuple(found)) for name, found in folders.items()),
    )


def lay_out(wallet: Wallet) -> dict[tuple[str, str], tuple[int, bytes, bool]]:
    """Give every entry by its place."""
    return {
        (folder.name, entry.key): (entry.type_code, entry.value.reveal(), entry.malformed)
        for folder in wallet.folders
        for entry in folder.entries
    }


def encode(**items: Mapping[str, object]) -> bytes:
    """Encode an attributes file of one item each."""
    return json.dumps(items).encode()


def test_binary_entries_of_kf6_come_back() -> None:
    """A password entry with ``type`` = ``base64`` is a stream, under its true names."""
    wallet = make_wallet(("a", "b/c", 1, encode_string("AAH/")), ("a", "d", 1, b""))
    read = apply_attributes(wallet, encode(**{"a/b/c": {"attributes": KDE}}))
    assert lay_out(read) == {
        ("a", "d"): (1, b"", False),
        ("a/b", "c"): (EntryType.STREAM, b"\0\1\xff", False),
    }
    assert read.service_items == {("a/b", "c"): ServiceItem(KDE)}
    assert read.warnings == ()


@pytest.mark.parametrize("text", ["not base64", "AAH", "ÄÄÄÄ", "AA\nA="])
def test_base64_that_is_none_is_malformed(text: str) -> None:
    """The entry keeps its bytes, and is told."""
    wallet = make_wallet(("a", "b/c", 1, encode_string(text)))
    read = apply_attributes(wallet, encode(**{"a/b/c": {"attributes": KDE}}))
    assert lay_out(read) == {("a/b", "c"): (1, encode_string(text), True)}
    assert read.warnings == ("malformed-value",)


def test_base64_of_nothing_is_nothing() -> None:
    """A null text is an empty stream."""
    wallet = make_wallet(("a", "b/c", 1, encode_string(None)))
    read = apply_attributes(wallet, encode(**{"a/b/c": {"attributes": KDE}}))
    assert lay_out(read) == {("a/b", "c"): (2, b"", False)}


@pytest.mark.parametrize(
    "item",
    [
        {"server": "a/b", "user": "c", "type": "other"},
        {"server": "x", "user": "c", "type": "plaintext"},
        {"user": "c", "type": "plaintext"},
    ],
)
def test_other_items_stay_where_they_are(item: dict[str, str]) -> None:
    """Attributes that happen to be called server and user move nothing unless they fit."""
    wallet = make_wallet(("a", "b/c", 1, b""))
    read = apply_attributes(wallet, encode(**{"a/b/c": {"attributes": item}}))
    assert set(lay_out(read)) == {("a", "b/c")}


def test_a_true_place_that_is_taken_is_left_alone() -> None:
    """Two entries never become one."""
    wallet = make_wallet(("a", "b/c", 2, b"1"), ("a/b", "c", 2, b"2"))
    item = {"attributes": {**KDE, "type": "plaintext"}}
    read = apply_attributes(wallet, encode(**{"a/b/c": item}))
    assert {place: value for place, (_, value, _) in lay_out(read).items()} == {
        ("a", "b/c"): b"1",
        ("a/b", "c"): b"2",
    }


def test_an_item_is_read_with_its_times() -> None:
    """Mime type, times and attributes come along; what is no text is left out."""
    item = {
        "$fdo_mime_type": "text/plain",
        "$fdo_created": "12",
        "$fdo_modified": 13,
        "attributes": {"a": "b", "n": 1},
    }
    assert parse_attributes(encode(**{"f/k": item})) == {
        "f/k": ServiceItem({"a": "b"}, "text/plain", 12, 13)
    }


@pytest.mark.parametrize("value", ["-1", "x", "9" * 30, "٣", None, [], 1.5, ""])
def test_times_that_are_none(value: object) -> None:
    """A time that is no number of seconds is unknown."""
    items = parse_attributes(encode(x={"$fdo_created": value, "$fdo_mime_type": 1}))
    assert items == {"x": ServiceItem({})}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a": 1e999999'])
def test_a_file_that_is_none_is_told(data: bytes) -> None:
    """The wallet is read all the same."""
    read = apply_attributes(make_wallet(("a", "b", 2, b"")), data)
    assert read.warnings == ("attributes-unreadable",)
    assert len(read.folders) == 1


def test_a_file_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Size has a limit."""
    monkeypatch.setattr(attributes, "MAX_ATTRIBUTES_SIZE", 1)
    assert parse_attributes(b"{}") is None


@pytest.mark.parametrize(
    ("folder", "warnings"), [("Secret Service", ("attributes-missing",)), ("other", ())]
)
def test_a_missing_file_is_told_where_items_are(folder: str, warnings: tuple[str, ...]) -> None:
    """Only a wallet with Secret Service items misses its attributes."""
    assert apply_attributes(make_wallet((folder, "k", 1, b"")), None).warnings == warnings


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["a/b/c", "attributes", "server", "user", "type", "$fdo_created"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_keeps_every_entry(document: object) -> None:
    """Whatever the file says, no entry is lost."""
    wallet = make_wallet(("a", "b/c", 1, encode_string("AAH/")), ("a", "b", 2, b""))
    read = apply_attributes(wallet, json.dumps(document).encode())
    assert sum(len(folder.entries) for folder in read.folders) == 2
