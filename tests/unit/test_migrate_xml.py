# SPDX-License-Identifier: GPL-3.0-or-later
"""XML exports."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwallet_bridge.errors import KwlError, MalformedError
from kwallet_bridge.migrate.xml import Export, read_export
from kwallet_bridge.qtstream import encode_map, encode_string

MODERN = """<?xml version="1.0" encoding="UTF-8"?>
<wallet name="kdewallet">
    <folder name="Passwords">
        <password name="m&amp;m"> s3cret&#10;ü </password>
        <stream name="blob">AAEC</stream>
        <map name="form">
            <mapentry name="user">anna</mapentry>
            <mapentry name="empty"></mapentry>
        </map>
        <other name="x">y</other>
    </folder>
    <folder name=""/>
</wallet>
"""
OLD = """<wallet name="a & b">
  <folder name="R&D <x>">
    <password name="m&amp;m">caf\xe9</password>
  </folder>
</wallet>
"""
KEEPSECRET = """<!DOCTYPE wallet>
<wallet name="w"/>"""
ITEMS = """<wallet name="Login"><item label="l" contentType="text/plain"><secret>AP8=</secret>
<attributes><attribute name="a">b</attribute><attribute name="c"/></attributes></item></wallet>"""


def _flat(export: Export) -> dict[str, dict[str, tuple[int, bytes]]]:
    return {
        folder.name: {e.key: (e.type_code, e.value.reveal()) for e in folder.entries}
        for folder in export.wallet.folders
    }


def test_todays_dialect() -> None:
    """KWalletManager's export of today gives its folders, types and exact texts."""
    export = read_export(MODERN.encode(), fallback_name="x")
    assert export.wallet.name == "kdewallet"
    assert _flat(export) == {
        "Passwords": {
            "m&m": (1, encode_string(" s3cret\nü ")),
            "blob": (2, b"\0\1\2"),
            "form": (3, encode_map({"user": "anna", "empty": ""})),
        },
        "": {},
    }


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_the_old_dialect(encoding: str) -> None:
    """An export of before 2009, undeclared and with unescaped names, is read."""
    export = read_export(OLD.encode(encoding), fallback_name="x")
    assert export.wallet.name == "a & b"
    assert _flat(export) == {"R&D <x>": {"m&m": (1, encode_string("café"))}}


def test_keepsecrets_dialect() -> None:
    """KeepSecret's export gives items with label, attributes and bytes."""
    ((info, secret),) = read_export(ITEMS.encode(), fallback_name="x").items
    assert (info.label, info.attributes) == ("l", {"a": "b", "c": ""})
    assert secret.value.reveal() == b"\0\xff"


@pytest.mark.parametrize(
    "text",
    [
        KEEPSECRET,
        '<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "b">]><wallet>&a;</wallet>',
        "<wallet>",
        "<other/>",
        "",
        "<wallet>&a;</wallet>",
        '<wallet><folder name="f"><stream name="s">!</stream></folder></wallet>',
        '<wallet><folder name="a" name="b"/></wallet>',
    ],
)
def test_what_is_no_export_is_refused(text: str) -> None:
    """DTDs, entities, cut files, other documents and bad base64 are refused."""
    with pytest.raises(MalformedError):
        read_export(text.encode(), fallback_name="x")


@given(st.binary(max_size=200) | st.text("<>/ wallet\"'&;=x!", max_size=80).map(str.encode))
def test_anything_is_read_or_refused(data: bytes) -> None:
    """Whatever a file holds, only our own errors leave."""
    with contextlib.suppress(KwlError):
        read_export(data, fallback_name="x")
