# SPDX-License-Identifier: GPL-3.0-or-later
"""XML exports."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.paths import EXPORTS

from kwallet_bridge.errors import KwlError, MalformedError
from kwallet_bridge.migrate.xml import KEY_TWICE, NO_BASE64, NO_TEXT, Export, Unread, read_export
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
        "<wallet><folder>&a;</wallet>",
        '<wallet><folder name="a" name="b"/></wallet>',
    ],
)
def test_what_is_no_export_is_refused(text: str) -> None:
    """DTDs, entities, cut files and other documents are refused."""
    with pytest.raises(MalformedError):
        read_export(text.encode(), fallback_name="x")


@given(st.binary(max_size=200) | st.text("<>/ wallet\"'&;=x!", max_size=80).map(str.encode))
def test_anything_is_read_or_refused(data: bytes) -> None:
    """Whatever a file holds, only our own errors leave."""
    with contextlib.suppress(KwlError):
        read_export(data, fallback_name="x")


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("ctl.xml", {"good": "fine", "ctl": "a\x01b"}),
        ("cr.xml", {"crlf": "line1\r\nline2", "cr": "a\rb"}),
    ],
)
def test_what_qt_5_leaves_is_read(file: str, values: dict[str, str]) -> None:
    """Control characters and carriage returns are part of the values, as when they were exported."""
    export = read_export((EXPORTS / file).read_bytes(), fallback_name="x")
    assert _flat(export) == {
        "Passwords": {key: (1, encode_string(text)) for key, text in values.items()}
    }
    assert export.unread == ()


def _qt5(text: str, *, quoted: bool = False) -> str:
    """Escape as Qt 5's QXmlStreamWriter does: nothing that XML forbids is left out or refused."""
    escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
    if quoted:
        escapes |= {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
    return "".join(escapes.get(character, character) for character in text)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(name=TEXTS, text=TEXTS)
@example(name="\ue000\uffff0041", text="\ue000\r\n\ue001000d\0")
def test_any_text_of_qt_5_is_read(name: str, text: str) -> None:
    """Whatever was in a wallet's names and texts is read out of its export, to the character."""
    key, value = _qt5(name, quoted=True), _qt5(text)
    export = read_export(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<wallet name="w">\n <folder name="{key}">\n'
        f'  <password name="{key}">{value}</password>\n  <map name="m"><mapentry name="{key}">{value}'
        "</mapentry></map>\n </folder>\n</wallet>\n".encode(),
        fallback_name="x",
    )
    pairs = (3, encode_map({name: text}))
    password = {name: (1, encode_string(text))}
    assert _flat(export) == {name: password | {"m": pairs} if name != "m" else {"m": pairs}}


BROKEN = b"""<?xml version="1.0" encoding="UTF-8"?>
<wallet name="w">
 <folder name="f">
  <password name="good">x</password>
  <stream name="blob">AA=A!</stream>
  <password name="latin">caf\xe9</password>
  <password name="refs">&#1;&#x1F511;&#55357;&#56593;&#xFFFF;</password>
  <password name="raw">a & b < c && &nope; ]]></password>
  <map name="form"><mapentry name="a">\xff</mapentry><mapentry name="b">c</mapentry></map>
 </folder>
 <folder name="\xfe"><password name="lost">x</password></folder>
 <item label="l"><secret>!</secret></item>
 <item label="m"><secret>AA==</secret></item>
</wallet>
"""


def test_a_key_that_a_map_has_twice_is_said_with_its_line() -> None:
    """Neither value is taken for the map's; a key that only says the same again does no harm."""
    export = read_export(
        b"""<?xml version="1.0" encoding="UTF-8"?>
<wallet name="w"><folder name="f">
<map name="other">
<mapentry name="a">1</mapentry><mapentry name="b">x</mapentry><mapentry name="a">2</mapentry>
</map>
<map name="same"><mapentry name="a">1</mapentry><mapentry name="a">1</mapentry></map>
<map name="next"><mapentry name="a">3</mapentry></map>
</folder>
<item label="l"><secret>AA==</secret><attributes>
<attribute name="a">1</attribute><attribute name="a">2</attribute></attributes></item>
</wallet>""",
        fallback_name="x",
    )
    assert _flat(export) == {
        "f": {"same": (3, encode_map({"a": "1"})), "next": (3, encode_map({"a": "3"}))}
    }
    assert export.items == ()
    assert [(one.folder, one.key, one.line) for one in export.unread] == [
        ("f", "other", 3),
        (None, "l", 9),
    ]
    assert {one.why for one in export.unread} == {KEY_TWICE}


def test_one_bad_entry_costs_one_entry() -> None:
    """What cannot be read is named with its line; all around it is read."""
    export = read_export(BROKEN, fallback_name="x")
    assert _flat(export) == {
        "f": {
            "good": (1, encode_string("x")),
            "refs": (1, encode_string("\x01\U0001f511\U0001f511\uffff")),
            "raw": (1, encode_string("a & b < c && &nope; ]]>")),
        }
    }
    assert export.unread == (
        Unread("f", "blob", 5, NO_BASE64),
        Unread("f", "latin", 6, NO_TEXT),
        Unread("f", "form", 9, NO_TEXT),
        Unread("?", "lost", 11, NO_TEXT),
        Unread(None, "l", 12, NO_BASE64),
    )
    assert [info.label for info, _ in export.items] == ["m"]


def test_a_broken_document_is_refused_with_its_line() -> None:
    """Where elements do not fit together nothing is guessed, and the line is named."""
    with pytest.raises(MalformedError, match="line 4"):
        read_export(b"<wallet>\n<folder>\n<map>\n</folder>\n</wallet>", fallback_name="x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-15"])
def test_a_declared_encoding_is_taken(encoding: str) -> None:
    """An export in another encoding than UTF-8 is read in that."""
    text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?><wallet name="\xe9"/>'
    assert read_export(text.encode(encoding), fallback_name="x").wallet.name == "\xe9"


def test_line_ends_of_a_whole_converted_file_are_nobodys_value() -> None:
    """Where every line ends with CR LF, as after a conversion, values have the lines they had."""
    converted = MODERN.replace("s3cret&#10;", "s3\ncret").replace("\n", "\r\n").encode()
    export = read_export(converted, fallback_name="x")
    assert _flat(export)["Passwords"]["m&m"] == (1, encode_string(" s3\ncretü "))


@pytest.mark.parametrize("reference", ["&#xE000;", "&#57344;", "&#xe000;"])
def test_a_reference_to_the_private_use_area_is_its_character(reference: str) -> None:
    """It is not taken for the mark of something mended, which stands nowhere in the document."""
    password = f'<password name="k">{reference}0041\x01</password>'
    text = f'<wallet name="w"><folder name="f">{password}</folder></wallet>'
    export = read_export(text.encode(), fallback_name="x")
    assert _flat(export) == {"f": {"k": (1, encode_string("\ue0000041\x01"))}}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("hostile", "unread"),
    [
        pytest.param('<folder name="' * 150_000, None, id="tags that do not end"),
        pytest.param(
            '<wallet name="w">\n<folder name="f">\n'
            + '<stream name="k">!</stream>\n' * 150_000
            + "</folder></wallet>",
            150_000,
            id="entries that cannot be read",
        ),
        pytest.param("<wallet>" + "<a>" * 150_000 + "</a>" * 150_000 + "</wallet>", 0, id="depth"),
    ],
)
def test_a_hostile_file_takes_no_more_time_than_its_size(hostile: str, unread: int | None) -> None:
    """A few megabytes are read or refused in seconds, whatever they hold."""
    begun = time.process_time()
    if unread is None:
        with pytest.raises(MalformedError):
            read_export(hostile.encode(), fallback_name="x")
    else:
        export = read_export(hostile.encode(), fallback_name="x")
        assert [one.line for one in export.unread] == [*range(3, 3 + unread)]
    assert time.process_time() - begun < 30
