# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.gpg import scratch_gnupg_home
from support.vectors import Vector, load_vectors

from kwallet_bridge.errors import KwlError
from kwallet_bridge.kwl.describe import describe_folders
from kwallet_bridge.kwl.gpg import decrypt_with_gpg
from kwallet_bridge.kwl.reader import (
    WalletFile,
    read_gpg_wallet,
    read_wallet,
    read_wallet_with_key,
)
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = load_vectors()
GOOD = [vector for vector in VECTORS if "expect_error" not in vector.expected]
BAD = [vector for vector in VECTORS if "expect_error" in vector.expected]


@pytest.fixture(scope="module", autouse=True)
def _gnupg_home() -> Iterator[None]:
    with scratch_gnupg_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", home)
        yield


def read_vector(vector: Vector) -> WalletFile:
    """Read a vector with what its JSON gives to open it."""
    name = WalletName(vector.expected.get("wallet_name", vector.name))
    if vector.is_gpg:
        return read_gpg_wallet(vector.data, name=name, decrypt=decrypt_with_gpg)
    if "key_hex" in vector.expected:
        key = Secret(bytes.fromhex(vector.expected["key_hex"]))
        return read_wallet_with_key(vector.data, name=name, cipher_key=key)
    return read_wallet(
        vector.data,
        name=name,
        password=Secret.from_text(vector.expected["password"]),
        salt=vector.salt,
        attributes=vector.attributes,
    )


def test_every_vector_is_here() -> None:
    """Nobody took a vector away: 77 wallets to read and 57 to refuse."""
    assert (len(GOOD), len(BAD)) == (77, 57)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector.name)
def test_a_sound_wallet_reads_exactly(vector: Vector) -> None:
    """Folders, warnings, header, profile and GPG key are what the vector's JSON says."""
    expected = vector.expected
    read = read_vector(vector)
    assert describe_folders(read.wallet.folders, reveal=True) == vector.folders
    assert list(read.wallet.warnings) == expected["expect_warnings"]
    header = {"cipher": read.header.cipher, "hash": read.header.hash}
    header["major"], header["minor"] = read.header.version
    assert header == expected["header"]
    assert (read.profile.value if read.profile else None) == expected.get("profile")
    assert read.gpg_key == expected.get("gpg_key_id", "")


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector.name)
def test_a_wallet_to_refuse_is_refused_by_its_class(vector: Vector) -> None:
    """The error's class is the vector's, and nothing is returned."""
    with pytest.raises(KwlError) as caught:
        read_vector(vector)
    assert caught.value.kind == vector.expected["expect_error"]
