# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwallet_bridge import qtstream

TEXT = st.text(st.characters(codec=None), max_size=20)


def test_kdes_own_bytes_of_a_password() -> None:
    """A password is stored as the bytes kwalletd5 was seen to answer."""
    assert qtstream.encode_string("héllo").hex() == "0000000a006800e9006c006c006f"


@given(st.one_of(st.none(), TEXT))
def test_strings_survive(text: str | None) -> None:
    """Any string, null and unpaired surrogates included, comes back."""
    data = qtstream.encode_string(text)
    back = qtstream.decode_string(data)
    assert back is None if text is None else qtstream.encode_string(back) == data


@given(st.dictionaries(TEXT, st.one_of(st.none(), TEXT), max_size=5))
def test_maps_survive(value: dict[str, str | None]) -> None:
    """Any map comes back byte for byte."""
    data = qtstream.encode_map(value)
    assert qtstream.encode_map(dict(qtstream.decode_pairs(data))) == data


@pytest.mark.parametrize(
    "hex_bytes",
    ["", "00", "00000001", "0000000161", "0000000300610062", "fffffffe", "00000002006100"],
)
def test_malformed_strings_are_refused(hex_bytes: str) -> None:
    """Anything but exactly one string is an error, and reads leniently as KDE reads it."""
    with pytest.raises(qtstream.StreamError):
        qtstream.decode_string(bytes.fromhex(hex_bytes))


def test_a_count_that_cannot_fit_is_refused_before_the_loop() -> None:
    """A huge count costs nothing."""
    with pytest.raises(qtstream.StreamError):
        qtstream.decode_pairs(b"\xff\xff\xff\xff" + bytes(64))
