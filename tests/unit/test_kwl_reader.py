# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import kwl_writer
from support.kwl_writer import BLOWFISH_ROWS, NEWEST, FolderSpec, Lock, Row
from support.vectors import load_vector

from kwallet_bridge.errors import (
    DamagedError,
    DecryptionError,
    KwlError,
    LimitError,
    MalformedError,
    SaltError,
)
from kwallet_bridge.kwl import formats, header, payload, reader
from kwallet_bridge.kwl.body import unlock_body
from kwallet_bridge.kwl.describe import describe_folders
from kwallet_bridge.kwl.formats import MAGIC, Profile
from kwallet_bridge.kwl.header import read_header
from kwallet_bridge.kwl.reader import (
    Decrypted,
    WalletFile,
    read_gpg_wallet,
    read_wallet,
    read_wallet_with_key,
)
from kwallet_bridge.model import WalletName
from kwallet_bridge.qtstream import encode_bytes, encode_string
from kwallet_bridge.secret import Secret

NAME = WalletName("w")
KEY = Secret(bytes(range(56)))
LOCKS = [
    Lock(row, profile, Secret(bytes(range(size))))
    for row in BLOWFISH_ROWS
    for profile in Profile
    for size in (20, 40, 56)
]
NEWEST_LOCK = Lock(NEWEST, Profile.KF5, KEY)
SAMPLE: list[FolderSpec] = [
    ("Form Data", []),
    ("Passwords", [("k", 1, encode_string("v")), ("m", 3, b""), ("s", 2, b"\0\xff")]),
    ("ü", [("x", 99, b"odd")]),
]
TEXT = st.text(st.characters() | st.sampled_from("\ud83d\udc00\0"), max_size=6)
FOLDERS = st.lists(
    st.tuples(
        TEXT,
        st.lists(
            st.tuples(TEXT, st.integers(-(2**31), 2**31 - 1), st.binary(max_size=12)),
            max_size=4,
            unique_by=lambda entry: kwl_writer.settle(entry[0]),
        ),
    ),
    max_size=4,
    unique_by=lambda folder: kwl_writer.settle(folder[0]),
)


def read(data: bytes, key: Secret = KEY) -> WalletFile:
    """Read with the tests' key."""
    return read_wallet_with_key(data, name=NAME, cipher_key=key)


def read_only_or_refuse(data: bytes) -> None:
    """Read and describe; KwlError alone may leave."""
    with contextlib.suppress(KwlError):
        describe_folders(read(data).wallet.folders, reveal=True)


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_every_format_comes_back(lock: Lock) -> None:
    """What is written in a format, a profile and a key size is read, and recognised."""
    found = read(kwl_writer.write_wallet(lock, SAMPLE), lock.key)
    assert found.profile is lock.profile
    assert found.wallet.warnings == ("unknown-type",)
    assert [
        (folder.name, [(e.key, e.type_code, e.value.reveal()) for e in folder.entries])
        for folder in found.wallet.folders
    ] == SAMPLE


@pytest.mark.parametrize("row", BLOWFISH_ROWS, ids=str)
@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("password", [b"", "pä\0ß".encode()])
def test_every_format_opens_by_password(row: Row, profile: Profile, password: bytes) -> None:
    """The key derived from the password is the writer's."""
    lock = kwl_writer.make_lock(row, profile, password)
    found = read_wallet(
        kwl_writer.write_wallet(lock, SAMPLE),
        name=NAME,
        password=Secret(password),
        salt=kwl_writer.SALT,
    )
    assert (found.profile, len(found.wallet.folders)) == (profile, 3)


@given(FOLDERS, st.sampled_from(LOCKS))
def test_any_wallet_comes_back(folders: list[FolderSpec], lock: Lock) -> None:
    """Names and values of any kind survive, surrogates, odd types and malformed values too."""
    found = read(kwl_writer.write_wallet(lock, folders), lock.key)
    assert [
        (folder.name, [(e.key, e.type_code, e.value.reveal()) for e in folder.entries])
        for folder in found.wallet.folders
    ] == [
        (kwl_writer.settle(name), [(kwl_writer.settle(key), *rest) for key, *rest in entries])
        for name, entries in folders
    ]
    assert "table-mismatch" not in found.wallet.warnings


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    """No bytes without the magic are a wallet."""
    with pytest.raises(KwlError):
        read(data)


@given(st.sampled_from(sorted(formats.FORMATS)), st.integers(0, 3), st.binary(max_size=300))
def test_arbitrary_bytes_after_a_header(row: Row, folders: int, rest: bytes) -> None:
    """Whatever follows a good header is read or refused."""
    read_only_or_refuse(kwl_writer.encode_header(row) + folders.to_bytes(4, "big") + rest)


@given(st.sampled_from(LOCKS), st.binary(max_size=120))
def test_arbitrary_payloads(lock: Lock, data: bytes) -> None:
    """Whatever was encrypted with the right key is read or refused."""
    sealed = kwl_writer.write_payload(lock, kwl_writer.encode_table([]), data)
    with contextlib.suppress(MalformedError):
        read(sealed, lock.key)


@pytest.mark.parametrize("lock", LOCKS[::3], ids=str)
def test_a_file_cut_at_any_byte_is_refused(lock: Lock) -> None:
    """No beginning of a wallet is a wallet."""
    whole = kwl_writer.write_wallet(lock, SAMPLE)
    for size in range(len(whole)):
        with pytest.raises(KwlError):
            read(whole[:size], lock.key)


def test_a_payload_cut_at_any_byte_is_refused_or_ends_between_folders() -> None:
    """With the right key and digest, a cut inside a folder is an error, never fewer entries."""
    whole = kwl_writer.encode_payload(SAMPLE)
    ends = {len(kwl_writer.encode_payload(SAMPLE[:count])) for count in range(len(SAMPLE) + 1)}
    table = kwl_writer.encode_table([])
    for size in range(len(whole) + 1):
        sealed = kwl_writer.write_payload(NEWEST_LOCK, table, whole[:size])
        if size in ends:
            assert read(sealed).wallet.name == NAME
        else:
            with pytest.raises(MalformedError):
                read(sealed)


def test_every_bit_flipped_in_the_payload() -> None:
    """Re-encrypted with the right key, each flip is read or refused, and nothing else leaves."""
    whole = kwl_writer.encode_payload(SAMPLE)
    table = kwl_writer.encode_table(SAMPLE)
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        read_only_or_refuse(kwl_writer.write_payload(NEWEST_LOCK, table, bytes(flipped)))


@pytest.mark.parametrize("row", BLOWFISH_ROWS, ids=str)
def test_every_byte_changed_in_the_file_is_noticed(row: Row) -> None:
    """A change anywhere is an error or a warning, but for ECB's random block, which is ignored."""
    whole = kwl_writer.write_wallet(Lock(row, Profile.KF5, KEY), SAMPLE)
    start = read_header(whole).body_offset
    ignored = range(0) if formats.FORMATS[row].chained else range(start, start + 8)
    for index in range(len(whole)):
        changed = bytearray(whole)
        changed[index] ^= 0x10
        try:
            noticed = "table-mismatch" in read(bytes(changed)).wallet.warnings
        except KwlError:
            noticed = True
        assert noticed != (index in ignored)


@pytest.mark.parametrize("key", [b"", bytes(19), bytes(57)])
def test_a_key_of_another_size_is_refused(key: bytes) -> None:
    """KDE makes keys of three sizes only."""
    with pytest.raises(DecryptionError):
        read(kwl_writer.write_wallet(NEWEST_LOCK, SAMPLE), Secret(key))


def test_the_two_kinds_of_wallet_are_not_mixed_up() -> None:
    """A GPG wallet has no key of ours, and a Blowfish wallet none of GnuPG's."""
    with pytest.raises(DecryptionError, match="by GnuPG"):
        read(kwl_writer.write_gpg_wallet(b""))
    with pytest.raises(DecryptionError, match="by a password"):
        read_gpg_wallet(kwl_writer.write_wallet(NEWEST_LOCK, SAMPLE), name=NAME, decrypt=Decrypted)


@pytest.mark.parametrize("salt", [None, b"", bytes((1 << 20) + 1)])
def test_a_salt_that_cannot_be_one(salt: bytes | None) -> None:
    """Missing, empty and oversized salts are class ``salt``."""
    with pytest.raises(SaltError):
        read_wallet(
            kwl_writer.write_wallet(NEWEST_LOCK, SAMPLE), name=NAME, password=KEY, salt=salt
        )


def test_what_shows_without_a_password() -> None:
    """Format, folder count and entry count are read from the file alone."""
    found = read_header(kwl_writer.write_wallet(NEWEST_LOCK, SAMPLE))
    assert found.table is not None
    assert (found.table.folder_count, found.table.entry_count) == (3, 4)
    assert (found.version, found.needs_password, found.needs_salt) == ((0, 1), True, True)


def test_a_gpg_wallet_shows_nothing_without_its_key() -> None:
    """The table is encrypted too."""
    found = read_header(kwl_writer.write_gpg_wallet(b""))
    assert (found.table, found.needs_password, found.needs_salt) == (None, False, False)


@pytest.mark.parametrize("first", [("", []), (None, []), ("a name", []), ("\ud800", [])])
def test_damage_is_told_from_a_wrong_password(first: FolderSpec) -> None:
    """The first folder's name shows that the key is right, whatever the name."""
    folders = [first, *SAMPLE]
    table, plain = kwl_writer.encode_table(folders), kwl_writer.encode_payload(folders)
    body = bytearray(kwl_writer.encode_plain_body(plain, Profile.KF5))
    body[-1] ^= 1
    damaged = kwl_writer.encode_header(NEWEST) + table + NEWEST_LOCK.seal(bytes(body))
    with pytest.raises(DamagedError):
        read(damaged)
    with pytest.raises(DecryptionError):
        read(damaged, Secret(bytes(56)))


def test_a_name_that_reaches_past_the_body_is_no_evidence() -> None:
    """A length word larger than the body leaves it at "wrong password or damage"."""
    plain = bytes(12) + b"\x7f\xff\xff\xfe" + bytes(24)
    table = kwl_writer.encode_table([("x", [])])
    data = kwl_writer.encode_header(NEWEST) + table + NEWEST_LOCK.seal(plain)
    with pytest.raises(DecryptionError):
        read(data)


def test_the_offset_of_a_slip_is_counted_from_the_files_start() -> None:
    """An error in the payload says where in the file, though that is encrypted."""
    sealed = kwl_writer.write_payload(NEWEST_LOCK, kwl_writer.encode_table([]), b"\0\0\0\1a")
    with pytest.raises(MalformedError) as caught:
        read(sealed)
    assert caught.value.offset == 16 + 4 + 12


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0",
        b"\0\0\0\0",
        b"\0\0\0\0\0\0\0\1" + bytes(11),
        b"\0\0\0\0\0\0\0\1" + b"\0\0\0\x05abcde" + bytes(8),
        b"\0\0\0\0\0\0\0\1" + b"\0\0\0\x08" + bytes(8),
        b"\0\0\0\0\0\0\0\1" + b"\0\0\0\x06" + bytes(6) + bytes(2),
        b"\0\0\0\0\0\0\0\1" + b"\0\0\0\0\0\0\0\1\0\0\0\x01",
        b"\0\0\0\0\0\0\0\1" + b"\0\0\0\0\0\0\0\1\xff\xff\xff\xfe",
    ],
)
def test_broken_structures(data: bytes) -> None:
    """Each way a payload can break off or overreach is ``corrupt``."""
    with pytest.raises(MalformedError):
        payload.parse_payload(data)


def test_a_later_duplicate_wins() -> None:
    """Second folder whole, last entry of a key; both told."""
    folders: list[FolderSpec] = [
        ("a", [("k", 2, b"1"), ("only here", 2, b"")]),
        ("b", []),
        ("a", [("k", 2, b"2"), ("k", 2, b"3")]),
    ]
    found = read(kwl_writer.write_wallet(NEWEST_LOCK, folders)).wallet
    assert [(f.name, [e.value.reveal() for e in f.entries]) for f in found.folders] == [
        ("a", [b"3"]),
        ("b", []),
    ]
    assert found.warnings == ("duplicate-entry", "duplicate-folder")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda plain: plain[:-1], MalformedError),
        (lambda plain: plain + b"\0", MalformedError),
        (lambda _: b"", MalformedError),
        (lambda _: b"\xff" * 12, MalformedError),
    ],
)
def test_a_gpg_message_that_is_no_wallet(change: object, error: type[KwlError]) -> None:
    """A plaintext of another layout is ``corrupt``."""
    assert callable(change)
    plain = change(kwl_writer.encode_gpg_plaintext(SAMPLE))
    with pytest.raises(error):
        read_gpg_wallet(
            kwl_writer.write_gpg_wallet(b""), name=NAME, decrypt=lambda _: Decrypted(plain)
        )


def read_gpg(table: bytes, content: bytes, primary_key: str = "") -> WalletFile:
    """Read a GPG wallet of these parts."""
    plain = encode_string("ABCDEF0123456789") + encode_bytes(table)
    plain += encode_bytes(content)
    return read_gpg_wallet(
        kwl_writer.write_gpg_wallet(b""),
        name=NAME,
        decrypt=lambda _: Decrypted(plain, primary_key),
    )


def test_a_gpg_wallet_must_hold_as_many_folders_as_it_says() -> None:
    """The count in the table is the only check on the payload, so it is strict."""
    content = kwl_writer.encode_payload(SAMPLE)
    with pytest.raises(MalformedError, match="number of folders"):
        read_gpg(kwl_writer.encode_table(SAMPLE[:2]), content)
    with pytest.raises(MalformedError, match="follow the table"):
        read_gpg(kwl_writer.encode_table(SAMPLE) + b"\0", content)


@pytest.mark.parametrize(
    ("primary_key", "warned"),
    [("", False), ("0" * 24 + "abcdef0123456789", False), ("F" * 40, True)],
)
def test_another_gpg_key_than_the_wallet_names(primary_key: str, *, warned: bool) -> None:
    """It is read all the same, and told."""
    table, content = kwl_writer.encode_table(SAMPLE), kwl_writer.encode_payload(SAMPLE)
    found = read_gpg(table, content, primary_key)
    assert ("gpg-key-differs" in found.wallet.warnings) == warned
    assert (found.gpg_key, len(found.wallet.folders)) == ("ABCDEF0123456789", 3)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large a file or message, too many entries or folders: class ``limit``."""
    whole = kwl_writer.write_wallet(NEWEST_LOCK, SAMPLE)
    content = kwl_writer.encode_payload(SAMPLE)
    with monkeypatch.context() as patch:
        patch.setattr(header, "MAX_SIZE", len(whole) - 1)
        patch.setattr(reader, "MAX_SIZE", 100)
        with pytest.raises(LimitError):
            read(whole)
        with pytest.raises(LimitError):
            read_gpg(kwl_writer.encode_table(SAMPLE), content)
    with monkeypatch.context() as patch:
        patch.setattr(header, "MAX_ENTRIES", 3)
        with pytest.raises(LimitError):
            read(whole)
    for name, value in (("MAX_ENTRIES", 3), ("MAX_FOLDERS", 2)):
        with monkeypatch.context() as patch:
            patch.setattr(payload, name, value)
            with pytest.raises(LimitError):
                payload.parse_payload(content)


def measure_peak(data: bytes) -> int:
    """Read; gives the most memory held at a time, the input apart."""
    tracemalloc.start()
    try:
        with contextlib.suppress(KwlError):
            read(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HUGE = b"\xff\xff\xff\xfe"


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\0" + HUGE,
        b"\0\0\0\0\0\0\0\1" + b"\0\0\0\0\0\0\0\3" + b"\0\0\0\x04" + HUGE,
        HUGE,
        b"\0\0\0\0\0\x0f\0\0" + HUGE * 1000,
    ],
    ids=["entry count", "map count", "name length", "many"],
)
def test_huge_numbers_allocate_nothing(content: bytes) -> None:
    """A count or length that cannot fit costs less than a few times the file."""
    sealed = kwl_writer.write_payload(NEWEST_LOCK, kwl_writer.encode_table([]), content)
    assert measure_peak(sealed) < 200_000 + 10 * len(sealed)


def test_a_large_wallet_costs_a_few_times_its_size() -> None:
    """Reading a wallet of 1 MiB holds at most five times that."""
    sealed = kwl_writer.write_wallet(NEWEST_LOCK, [("F", [("k", 2, bytes(1 << 20))])])
    assert measure_peak(sealed) < 5 * len(sealed)


@settings(max_examples=20)
@given(st.binary(min_size=4, max_size=4).filter(any))
def test_any_table_count_is_bounded(count: bytes) -> None:
    """A folder count is held against the bytes that are left before anything loops."""
    with pytest.raises(KwlError):
        read_header(kwl_writer.encode_header(NEWEST) + count + HUGE * 30)


@pytest.mark.parametrize("thing", [WalletFile, Decrypted])
def test_nothing_private_is_in_a_repr(thing: type) -> None:
    """What a reader returns does not show names or values when printed."""
    sealed = kwl_writer.write_wallet(NEWEST_LOCK, SAMPLE)
    found = read(sealed)
    shown = repr(found) if thing is WalletFile else repr(Decrypted(b"v", "key"))
    shown += (
        repr(unlock_body(sealed, found.header, lambda _: KEY))
        + repr(found.header.table)
        + repr(found.wallet.folders)
    )
    assert not any(private in shown for private in ("Passwords", "'k'", "key", "b'"))


def test_the_magic_is_kdes() -> None:
    """A real daemon's file begins with it."""
    assert load_vector("pw-000").data.startswith(MAGIC)
