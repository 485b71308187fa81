# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from dbus_fast import Message, MessageType
from dbus_fast._private.unmarshaller import Unmarshaller
from hypothesis import given
from hypothesis import strategies as st

from kwallet_bridge.bus.replies import encode_return

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.one_of(
    st.tuples(st.just("b"), st.booleans()),
    st.tuples(st.just("i"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("s"), TEXT),
    st.tuples(st.just("as"), st.lists(TEXT, max_size=16)),
)
SERIALS = st.integers(1, 2**32 - 1)


def _read(data: bytes) -> Message:
    stream: Any = io.BytesIO(data)
    message = Unmarshaller(stream).unmarshall()
    assert message is not None
    return message


@given(VALUES, SERIALS, SERIALS, st.integers(0, 10**9))
def test_the_engine_reads_what_is_written(
    value: tuple[str, object], serial: int, reply_serial: int, peer: int
) -> None:
    """Serials, destination, signature and value arrive, whatever their length."""
    signature, content = value
    data = encode_return(
        serial=serial,
        reply_serial=reply_serial,
        destination=f":1.{peer}",
        signature=signature,
        value=content,
    )
    assert data is not None
    message = _read(data)
    assert message.message_type is MessageType.METHOD_RETURN
    assert (message.serial, message.reply_serial) == (serial, reply_serial)
    assert (message.destination, message.signature) == (f":1.{peer}", signature)
    assert message.body == [content]


def _encode(signature: str, value: object) -> bytes | None:
    return encode_return(
        serial=1, reply_serial=2, destination=":1.1", signature=signature, value=value
    )


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("as", [""] * 17),
        ("as", ["a", "\0"]),
        ("ay", b""),
        ("b", 1),
        ("i", "x"),
        ("s", 3),
        ("s", "a\0b"),
    ],
)
def test_what_is_not_plain_is_left_to_the_engine(signature: str, value: object) -> None:
    """Other types, and text the bus would refuse, are not written."""
    assert _encode(signature, value) is None


def test_what_cannot_be_sent_is_an_error() -> None:
    """An unpaired surrogate or a number too big is never half sent."""
    with pytest.raises(UnicodeEncodeError):
        _encode("s", "\ud800")
    with pytest.raises(struct.error):
        _encode("i", 2**31)
