# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwallet_bridge.ciphers import AesCbc
from kwallet_bridge.secretservice import dh

KEY = bytes.fromhex("6462469aadba5ed3b44e64d2540f94d8")


def test_known_answer_of_a_tiny_agreement() -> None:
    """The private numbers 3 and 5 agree on the published key from either side."""
    assert dh.derive_session_key(3, (2**5).to_bytes(1, "big")) == KEY
    assert dh.derive_session_key(5, dh.public_key(3)) == KEY


def test_known_answer_of_a_secret() -> None:
    """The published secret decrypts under the published key and IV, and encrypts to itself."""
    iv, data = bytes(range(16)), bytes.fromhex("fc29fdb6db75e4865bb0a71c4552af09")
    assert AesCbc(KEY).decrypt(iv, data) == b"test"
    assert AesCbc(KEY).encrypt_with(iv, b"test") == data


def test_public_keys_are_padded() -> None:
    """Every public key is 128 bytes, the smallest too."""
    assert dh.public_key(2) == bytes(127) + b"\x04"
    assert len(dh.public_key(dh.make_private_key())) == dh.SIZE


@pytest.mark.parametrize(
    "peer",
    [
        b"",
        b"\x00",
        b"\x01",
        bytes(128),
        (dh.PRIME - 1).to_bytes(128, "big"),
        dh.PRIME.to_bytes(128, "big"),
        b"\xff" * 128,
        b"\x02" + bytes(128),
    ],
)
def test_impossible_public_keys_are_refused(peer: bytes) -> None:
    """A key that is empty, too long or out of range agrees on nothing."""
    with pytest.raises(dh.PublicKeyError):
        dh.derive_session_key(3, peer)


@given(st.binary(min_size=1, max_size=127))
def test_short_keys_mean_the_padded_number(peer: bytes) -> None:
    """A key sent without its leading zeros agrees on the same as with them."""
    if int.from_bytes(peer, "big") > 1:
        padded = peer.rjust(128, b"\x00")
        assert dh.derive_session_key(7, peer) == dh.derive_session_key(7, padded)


def test_both_sides_agree() -> None:
    """Two fresh parties derive one key, ten times over."""
    for _ in range(10):
        ours, theirs = dh.make_private_key(), dh.make_private_key()
        assert dh.derive_session_key(ours, dh.public_key(theirs)) == dh.derive_session_key(
            theirs, dh.public_key(ours)
        )
