# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pickle
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.keyrings import PASSWORD, QUICK, entry_item, keyring_bytes, make_keyring, quick_key

from kwallet_bridge.errors import StoreDamagedError, StoreLockedError, StoreRefusedError
from kwallet_bridge.keyringfile import gvariant
from kwallet_bridge.keyringfile.format import (
    MAGIC,
    PREFIX,
    Header,
    ItemUnreadableError,
    Keyring,
    PlainItem,
    encode_keyring,
    encode_plain,
    find_items,
    fits,
    hashed_names,
    new_header,
    open_item,
    parse_keyring,
    parse_plain,
    seal_item,
)
from kwallet_bridge.keyringfile.keys import CipherKey
from kwallet_bridge.secret import Secret

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)


def test_key_vector() -> None:
    """The key and the hash of the published vector come out."""
    key = CipherKey.derive(Secret(b"test"), Header(bytes(range(32))))
    assert bytes(key._view).hex() == "4ca3ec8408c3d19503f85cfb561ad134"
    assert key.hash_value("value").hex() == (
        "d9dda536f28c15e67858481cad5828882d5636bf6e2b734cdf9d00744c63e058"
    )


def test_plain_item_vector() -> None:
    """An item in clear is encoded byte for byte as the format's example."""
    item = PlainItem({"a": "b"}, "l", 1, 2, Secret(b"s"))
    times = b"\1" + bytes(7) + b"\2" + bytes(7)
    assert encode_plain(item) == b"a\0b\0\2\5l\0" + times + b"s\x08\x06"
    assert parse_plain(encode_plain(item)) == item


@given(
    st.dictionaries(TEXTS, TEXTS, max_size=8),
    TEXTS,
    st.integers(0, 2**64 - 1),
    st.binary(max_size=70_000),
)
def test_items_survive(attributes: dict[str, str], label: str, time: int, secret: bytes) -> None:
    """An item comes back as it was sealed, whatever its size makes of the offsets' width."""
    item = PlainItem(attributes, label, time, time, Secret(secret))
    raw = seal_item(quick_key(), item)
    assert open_item(quick_key(), raw) == item
    assert find_items(quick_key(), Keyring(QUICK, {3: raw}), attributes) == [3]


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=600))
def test_arrays_survive(elements: list[bytes]) -> None:
    """An array is cut where it was joined."""
    assert gvariant.split_array(gvariant.join_array(elements)) == elements


@given(st.binary(max_size=400))
def test_reader_refuses_or_reads(data: bytes) -> None:
    """Arbitrary bytes behind the right prefix are refused with our error, or read and rewritten."""
    try:
        keyring = parse_keyring(PREFIX + data)
    except StoreDamagedError:
        return
    assert parse_keyring(encode_keyring(keyring)) == keyring


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_file_is_rewritten_alike(count: int) -> None:
    """A file that is read and written unchanged is the same file."""
    data = keyring_bytes(count)
    keyring = parse_keyring(data)
    assert encode_keyring(keyring) == data
    assert all(fits(quick_key(), raw) for raw in keyring.items.values())


def test_odd_salt_is_kept() -> None:
    """A salt of odd length, which moves the alignment, survives."""
    keyring = Keyring(Header(b"odd", iterations=7, modified=2**40, usage=9))
    assert parse_keyring(encode_keyring(keyring)) == keyring


def test_hashed_names_are_sorted() -> None:
    """Names stand in the order of their bytes, or libsecret adds twins."""
    attributes = {"user": "1", "server": "2", "Zone": "3", "äther": "4", "xdg:schema": "5"}
    raw = seal_item(quick_key(), PlainItem(attributes, "", 0, 0, Secret(b"")))
    names = list(gvariant.parse_bytes_dict(gvariant.split_pair(raw)[0]))
    assert names == ["Zone", "server", "user", "xdg:schema", "äther"]
    assert hashed_names(raw) == frozenset(attributes)


def test_search_needs_the_whole_name() -> None:
    """A name that merely ends like the wanted one is no hit."""
    raw = seal_item(quick_key(), PlainItem({"xuser": "k"}, "", 0, 0, Secret(b"")))
    assert find_items(quick_key(), Keyring(QUICK, {0: raw}), {"user": "k"}) == []
    assert find_items(quick_key(), Keyring(QUICK, {0: raw}), {"xuser": "k"}) == [0]


def test_truncations_are_refused() -> None:
    """No truncation of a good file is taken for a file."""
    data = keyring_bytes(3)
    for length in range(len(data)):
        with pytest.raises(StoreDamagedError):
            parse_keyring(data[:length])


def test_flipped_bytes_never_lie() -> None:
    """With any one byte flipped, each item reads as it was, or is known to be unreadable."""
    data = keyring_bytes(3)
    good = [open_item(quick_key(), raw) for raw in parse_keyring(data).items.values()]
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x41
        try:
            keyring = parse_keyring(bytes(damaged))
        except StoreDamagedError:
            continue
        assert encode_keyring(keyring) == damaged
        for raw in keyring.items.values():
            try:
                assert open_item(quick_key(), raw) in good
            except ItemUnreadableError:
                continue


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no keyring"),
        (b"[keyring]\ndisplay-name=x\n", "unencrypted"),
        (MAGIC + b"\0\0\0\0", "gnome-keyring's own"),
        (MAGIC + b"\2\0" + bytes(60), "version"),
        (b"KWALLET\n\r\0\r\n", "no keyring"),
    ],
)
def test_other_files_are_named(data: bytes, words: str) -> None:
    """A file of another kind is refused with a word on what it is."""
    with pytest.raises(StoreDamagedError, match=words):
        parse_keyring(data)


@pytest.mark.parametrize("position", range(2, 60, 4))
def test_huge_lengths_are_refused(position: int) -> None:
    """2^32-1 in any field of the header is refused or harmless."""
    data = bytearray(keyring_bytes(1))
    at = len(MAGIC) + position
    data[at : at + 4] = b"\xff\xff\xff\xff"
    try:
        keyring = parse_keyring(bytes(data))
    except StoreDamagedError:
        return
    assert keyring.header.iterations == QUICK.iterations
    assert keyring.header.salt == QUICK.salt or 4 < position < 40


def test_million_empty_items_cost_little() -> None:
    """A small file that claims a million items is refused within a small multiple of its size."""
    header = encode_keyring(Keyring(QUICK))[len(PREFIX) : -1]
    offsets = bytes(4 * 1_000_000)
    data = PREFIX + header + offsets + struct.pack("<I", 36)
    tracemalloc.start()
    with pytest.raises(StoreDamagedError):
        parse_keyring(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(data)


def test_wrong_key_opens_nothing() -> None:
    """Another password's key fits no item and finds none."""
    keyring = make_keyring(2)
    other = CipherKey.derive(Secret(b"other"), QUICK)
    assert not any(fits(other, raw) for raw in keyring.items.values())
    assert find_items(other, keyring, {"server": "folder 0"}) == []
    with pytest.raises(ItemUnreadableError):
        open_item(other, keyring.items[0])


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_unstorable_text_is_refused(text: str) -> None:
    """NUL and unpaired surrogates in a name are refused, not bent."""
    with pytest.raises(StoreRefusedError):
        seal_item(quick_key(), entry_item("f", text, b""))


def test_new_headers_differ() -> None:
    """A new file has 32 fresh bytes of salt and 100,000 iterations."""
    one, two = new_header(), new_header()
    assert len(one.salt) == 32
    assert one.salt != two.salt
    assert one.iterations == 100_000


def test_wiped_key_encrypts_nothing() -> None:
    """After wiping, the key's bytes are gone and sealing fails."""
    key = CipherKey.derive(PASSWORD, QUICK)
    key.wipe()
    assert bytes(key._view) == bytes(16)
    with pytest.raises(StoreLockedError):
        seal_item(key, entry_item("f", "k", b"v"))


def test_key_does_not_print_or_pickle() -> None:
    """A key shows nothing of itself."""
    assert repr(quick_key()) == "CipherKey(...)"
    with pytest.raises(TypeError):
        pickle.dumps(quick_key())
