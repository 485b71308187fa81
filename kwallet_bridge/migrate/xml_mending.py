# SPDX-License-Identifier: GPL-3.0-or-later
"""Make XML of exports that are none, without losing a character. Pure.

Qt 5's writer leaves control characters and U+FFFF in texts, which XML forbids, and carriage
returns, which XML has its readers drop. Other programs write references to such characters, bytes
of another encoding, or ``&`` and ``<`` as they are. Each character that a parser would refuse or
change is written as a code behind a mark, a character of the private use area that the document
has nowhere; :meth:`Mended.restore` puts it back.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_DECLARATION: Final = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<\?xml\b[^>]*\?>")
_ENCODING: Final = re.compile(rb"\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The look ahead keeps it linear: without, each tag of a line that ends otherwise reads it to its end.
_RAW_NAME: Final = re.compile(r'^(?=.*">$)(.*?<(?:wallet|folder) name=")(.*)(">)$', re.MULTILINE)
_REFERENCE: Final = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9A-Fa-f]+);)")
_KNOWN: Final = "wallet|folder|password|stream|map|mapentry|item|secret|attributes|attribute"
_STRAY: Final = re.compile(rf"<(?!/?(?:{_KNOWN})\b|[!?])", re.IGNORECASE)
_TAG: Final = re.compile(r"""<[A-Za-z/][^<>"']*(?:(?:"[^"<]*"|'[^'<]*')[^<>"']*)*>""")
_QUOTED: Final = re.compile(r"""("[^"]*"|'[^']*')""")
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NUMBER: Final = re.compile(r"&#(?:(\d{1,7})|x([0-9A-Fa-f]{1,6}));")
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NAMED: Final = re.compile(r"&(amp|lt|gt|quot|apos);|" + _NUMBER.pattern)
_PRIVATE_USE: Final = range(0xE000, 0xF900)
_FOREIGN_BYTES: Final = range(0xDC80, 0xDD00)
"""What ``surrogateescape`` makes of bytes that are not of the encoding."""
_HIGHEST: Final = 0x10FFFF


class NotTextError(ValueError):
    """A text holds bytes that are not of the document's encoding."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A document that a parser reads, in UTF-8, and what it takes to have its texts back."""

    data: bytes
    mark: str

    def __repr__(self) -> str:
        return "Mended(...)"

    def restore(self, text: str) -> str:
        """Give a text as the document has it.

        Raises:
            NotTextError: It has bytes that are none of the encoding's.
        """
        if self.mark not in text:
            return text
        plain = self._decode(text)
        if any(ord(character) in _FOREIGN_BYTES for character in plain):
            raise NotTextError("bytes that are no text")
        return plain

    def show(self, text: str) -> str:
        """Give a text for people, whatever it has."""
        return self._decode(text).encode("utf-8", "replace").decode()

    def _decode(self, text: str) -> str:
        plain = re.sub(rf"{self.mark}([0-9a-f]{{4}})", lambda found: chr(int(found[1], 16)), text)
        # Two references may have been the halves of one character.
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def read_source(self, start: int, end: int) -> str | None:
        """Read the text between two places of the data by itself, not by the parser.

        None where there is more than text.

        Raises:
            NotTextError: It has bytes that are none of the encoding's.
        """
        raw = self.data[start:end].decode()
        head = _TAG.match(raw)
        if head is None:
            return None
        body = raw[head.end() :]
        return None if "<" in body else self.restore(_NAMED.sub(_dereference, body))

    def line_of(self, offset: int) -> int:
        """Tell the document's line of a place in the data, counted from 1."""
        return 1 + self.count_lines(0, offset)

    def count_lines(self, start: int, end: int) -> int:
        """Count the document's lines that end between two places in the data."""
        mark = f"{self.mark}000a".encode()
        return self.data.count(b"\n", start, end) + self.data.count(mark, start, end)


def mend(data: bytes) -> Mended | None:
    """Mend what Qt's writers leave; None for a document with no free private character."""
    text = _decode(data)
    if _has_crlf_lines(text):  # converted as a whole, so no value's own
        text = text.replace("\r\n", "\n")
    mark = _find_mark(text)
    if mark is None:
        return None
    if not _DECLARATION.match(data) and not data.startswith(_WIDE):
        text = _RAW_NAME.sub(_escape_name, text)
    return Mended(_protect(text, mark).encode(), mark)


def mend_strays(mended: Mended) -> Mended:
    """Escape ``&`` and ``<`` that begin no reference and no known element, for a second try."""
    text = mended.data.decode()
    if "<![CDATA[" not in text:
        text = text.replace("]]>", "]]&gt;")
    return Mended(_REFERENCE.sub("&amp;", _STRAY.sub("&lt;", text)).encode(), mended.mark)


def _decode(data: bytes) -> str:
    if data.startswith(_WIDE):
        return data.decode("utf-16", "replace")
    declared = _DECLARATION.match(data)
    if declared is None:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("latin-1")
    named = _ENCODING.search(declared[0])
    try:
        usual = codecs.lookup(named[1].decode()).name if named else "utf-8"
        return data.decode("utf-8-sig" if usual == "utf-8" else usual, "surrogateescape")
    except (LookupError, UnicodeError):
        return data.decode("utf-8-sig", "surrogateescape")


def _has_crlf_lines(text: str) -> bool:
    first = text.find("\n")
    return first > 0 and text[first - 1] == "\r"


def _find_mark(text: str) -> str | None:
    used = set(re.findall("[\ue000-\uf8ff]", text))
    referred_to = {_code_of(found) for found in _NUMBER.finditer(text)}
    return next(
        (chr(code) for code in _PRIVATE_USE if chr(code) not in used and code not in referred_to),
        None,
    )


def _code_of(reference: re.Match[str]) -> int:
    return int(reference[1]) if reference[1] else int(reference[2], 16)


def _escape_name(found: re.Match[str]) -> str:
    name = _REFERENCE.sub("&amp;", found[2]).replace("<", "&lt;").replace('"', "&quot;")
    return found[1] + name + found[3]


def _protect(text: str, mark: str) -> str:
    """Write behind the mark what a parser would refuse, drop or make a blank of."""

    def code(characters: str) -> str:
        return "".join(f"{mark}{ord(character):04x}" for character in characters)

    def number(found: re.Match[str]) -> str:
        value = _code_of(found)
        refused = value <= _HIGHEST and _FORBIDDEN.match(chr(value))
        return code(chr(value)) if refused else found[0]

    def tag(found: re.Match[str]) -> str:
        parts: Iterable[str] = _QUOTED.split(found[0])
        return "".join(
            re.sub("[\t\n\r]", lambda one: code(one[0]), part)
            if part[:1] in {'"', "'"}
            else part.replace("\r", " ")
            for part in parts
        )

    text = _FORBIDDEN.sub(lambda found: code(found[0]), text)
    text = _NUMBER.sub(number, _TAG.sub(tag, text))
    return text.replace("\r", code("\r"))


def _dereference(found: re.Match[str]) -> str:
    if found[1]:
        return _ENTITIES[found[1]]
    return chr(int(found[2]) if found[2] else int(found[3], 16))
