# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwallet_bridge.kwl.payload import parse_payload
from kwallet_bridge.kwl.values import find_value_warnings
from kwallet_bridge.qtstream import StreamError, decode_pairs, decode_string, encode_string

NULL = b"\xff\xff\xff\xff"
LONE = encode_string("\ud83d")


@pytest.mark.parametrize(
    ("type_code", "value", "warnings"),
    [
        (1, b"", set()),
        (1, NULL, set()),
        (1, NULL + b"x", {"malformed-value"}),
        (1, encode_string("x"), set()),
        (1, LONE, {"unpaired-surrogate"}),
        (1, b"\0\0\0", {"malformed-value"}),
        (1, b"\0\0\0\3abc", {"malformed-value"}),
        (1, b"\0\0\0\4ab", {"malformed-value"}),
        (2, b"anything", set()),
        (3, b"", set()),
        (3, b"\0\0\0", {"malformed-value"}),
        (3, b"\0\0\0\0", set()),
        (3, b"\0\0\0\0x", {"malformed-value"}),
        (3, b"\0\0\0\1" + NULL * 2, set()),
        (3, b"\0\0\0\2" + NULL * 4, {"duplicate-map-key"}),
        (3, b"\0\0\0\2" + NULL * 2 + b"\0\0\0\0" + NULL, {"duplicate-map-key"}),
        (3, b"\0\0\0\1" + LONE + NULL, {"unpaired-surrogate"}),
        (3, b"\0\0\0\1" + NULL + b"\0\0\0\3abc", {"malformed-value"}),
        (3, b"\0\0\0\1" + b"\0\0\0\4ab\0\0", {"malformed-value"}),
        (3, b"\0\0\0\1" + b"\0\0\0\4abcd", {"malformed-value"}),
        (3, b"\0\0\0\1" + b"\0\0\0\x06abcdef", {"malformed-value"}),
        (3, NULL + NULL * 8, {"malformed-value"}),
        (0, b"", {"unknown-type"}),
        (-1, b"x", {"unknown-type"}),
        (4, encode_string("x"), {"unknown-type"}),
    ],
)
def test_what_is_odd_about_a_value(type_code: int, value: bytes, warnings: set[str]) -> None:
    """Each way a value can differ from its type has its warning, and a sound one none."""
    assert find_value_warnings(type_code, value) == warnings


@given(st.binary(max_size=40) | st.binary(max_size=30).map(lambda tail: b"\0\0\0\1" + tail))
def test_the_judgement_is_the_decoders(value: bytes) -> None:
    """A value is malformed exactly if decoding it fails, so what is shown can be shown."""
    for type_code, decode in ((1, decode_string), (3, decode_pairs)):
        try:
            decode(value)
            sound = True
        except StreamError:
            sound = not value
        assert ("malformed-value" not in find_value_warnings(type_code, value)) == sound


def test_names_with_unpaired_surrogates_survive() -> None:
    """The name comes back, and the wallet is marked."""
    read = parse_payload(LONE + b"\0\0\0\0")
    assert [str(folder.name) for folder in read.folders] == ["\ud83d"]
    assert read.warnings == {"unpaired-surrogate"}
