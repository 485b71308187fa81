# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the wallet reader with coverage guidance.

pytest does not collect this; run it by hand::

    python -m venv fuzz && fuzz/bin/pip install atheris cryptography
    PYTHONPATH=.:tests fuzz/bin/python tests/fault/fuzz_kwl.py --write-seeds CORPUS
    PYTHONPATH=.:tests fuzz/bin/python tests/fault/fuzz_kwl.py -runs=1000000 -timeout=5 CORPUS

The first byte of an input chooses what the rest is: a file as it lies on the disk, a payload that
is sealed with the right key (one of eight formats), a frame around it, an opened GPG message, an
attributes file, a file name. Key derivation is left out: it costs a thousand times the rest and
sees no input but the password. Anything but KwlError that leaves the reader is a finding, as is
an input that reaches libFuzzer's limits of time or memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["kwallet_bridge"]):
    from kwallet_bridge.errors import KwlError
    from kwallet_bridge.kwl.attributes import apply_attributes
    from kwallet_bridge.kwl.describe import describe_folders
    from kwallet_bridge.kwl.formats import MAGIC, Profile
    from kwallet_bridge.kwl.names import decode_stem, encode_name
    from kwallet_bridge.kwl.payload import parse_payload
    from kwallet_bridge.kwl.reader import Decrypted, read_gpg_wallet, read_wallet_with_key
    from kwallet_bridge.model import Wallet, WalletName
    from kwallet_bridge.qtstream import encode_string
    from kwallet_bridge.secret import Secret

from support import kwl_writer
from support.vectors import load_vectors

NAME = WalletName("fuzz")
KEY = Secret(bytes(range(56)))
LOCKS = [
    kwl_writer.Lock(row, profile, KEY)
    for row in kwl_writer.BLOWFISH_ROWS
    for profile in (Profile.KF5, Profile.KDE4)
]
TABLE = kwl_writer.encode_table([])
FOLDERS = parse_payload(
    kwl_writer.encode_payload(
        [("a", [("b/c", 1, encode_string("AAEC"))]), ("Secret Service", [("d", 2, b"")])]
    )
).folders

ATTRIBUTES = (
    b'{"a/b/c": {"$fdo_created": "12", "$fdo_mime_type": "text/plain", "attributes": '
    b'{"server": "a/b", "user": "c", "type": "base64", "xdg:schema": "x"}}}'
)


def read_file(data: bytes) -> None:
    """Read a file as it lies on the disk."""
    read_wallet_with_key(data, name=NAME, cipher_key=KEY)


def read_after_magic(data: bytes) -> None:
    """Read a file that at least begins like one."""
    read_file(MAGIC + data)


def read_payload(data: bytes) -> None:
    """Read a payload sealed with the right key."""
    lock = LOCKS[data[0] % len(LOCKS)] if data else LOCKS[0]
    sealed = kwl_writer.write_payload(lock, TABLE, data[1:])
    read = read_wallet_with_key(sealed, name=NAME, cipher_key=KEY)
    describe_folders(read.wallet.folders, reveal=True)


def read_frame(data: bytes) -> None:
    """Read a frame sealed with the right key, whatever its length word and digest say."""
    lock = LOCKS[data[0] % len(LOCKS)] if data else LOCKS[0]
    plain = data[1:].ljust(40, b"\0")
    body = lock.seal(plain[: len(plain) // 8 * 8])
    read_file(kwl_writer.encode_header(lock.row) + TABLE + body)


def read_message(data: bytes) -> None:
    """Read what GnuPG gave."""
    wallet = kwl_writer.write_gpg_wallet(b"")
    read_gpg_wallet(wallet, name=NAME, decrypt=lambda _: Decrypted(data))


def read_attributes(data: bytes) -> None:
    """Read an attributes file."""
    read = apply_attributes(Wallet(NAME, FOLDERS), data)
    describe_folders(read.folders, reveal=True)


def read_name(data: bytes) -> None:
    """Decode a file name, and encode it as a path."""
    text = data.decode("utf-8", "surrogateescape")
    decode_stem(text)
    if text.isascii() and decode_stem(encode_name(text)) != text:
        raise AssertionError


TARGETS = (
    read_file,
    read_after_magic,
    read_payload,
    read_frame,
    read_message,
    read_attributes,
    read_name,
)


def fuzz_one(data: bytes) -> None:
    """Feed one input to the target its first byte chooses."""
    if data:
        try:
            TARGETS[data[0] % len(TARGETS)](data[1:])
        except KwlError:
            return


def make_seeds() -> list[bytes]:
    """Make what sound wallets look like at every stage."""
    sample = kwl_writer.encode_payload(
        [
            ("F", [("k", 1, encode_string("v")), ("u", 99, b"x"), ("s", 2, b"\0\xff")]),
            ("", [(None, 3, b"\0\0\0\1" + encode_string("k") * 2)]),
        ]
    )
    frame = kwl_writer.encode_plain_body(sample, Profile.KF5)
    return [
        *(b"\x02" + bytes((number,)) + sample for number in range(len(LOCKS))),
        *(b"\x03" + bytes((number,)) + frame for number in range(len(LOCKS))),
        b"\x04" + kwl_writer.encode_gpg_plaintext([("F", [("k", 2, b"x")])]),
        b"\x05" + ATTRIBUTES,
        b"\x06;C3;96.kwl",
        *(b"\0" + vector.data for vector in load_vectors() if len(vector.data) < 2000),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write-seeds"]:
        corpus = Path(sys.argv[2])
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(make_seeds()):
            (corpus / f"seed-{number:03}").write_bytes(seed)
    else:
        atheris.Setup(sys.argv, fuzz_one)
        atheris.Fuzz()
