# SPDX-License-Identifier: GPL-3.0-or-later
"""How KConfig spells things in a file: headers, keys, escapes, lists. Text in, text out.

The rules are those of ``src/core/kconfigini.cpp`` and ``kconfiggroup.cpp`` in KDE's kconfig 5.103.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WHITESPACE: Final = b" \t\n\v\f\r"
ROOT_GROUP: Final = b"<default>"
SUBGROUP: Final = b"\x1d"
SIMPLE_ESCAPES: Final = {
    ord("s"): b" ",
    ord("t"): b"\t",
    ord("n"): b"\n",
    ord("r"): b"\r",
    ord("\\"): b"\\",
    ord(";"): b"\\;",
    ord(","): b"\\,",
}


@dataclass(frozen=True, slots=True)
class KeyText:
    """What stands before the equals sign, taken apart; ``name`` is still escaped."""

    name: bytes
    options: bytes = b""
    locale: bytes | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """A ``[group][subgroup][$i]`` line; the group is unescaped and joined."""

    group: bytes
    immutable: bool


def split_header(line: bytes) -> Header | None:
    """Take a group's line apart; None for junk."""
    group, start = b"", 1
    while True:
        end = line.find(b"]", start)
        if end < 0:
            return None
        if line[start:] == b"$i]":
            return Header(group, immutable=True)
        group += (SUBGROUP if group else b"") + unescape(line[start:end])
        start = end + 2
        if line[end + 1 : end + 2] != b"[":
            return Header(group, immutable=False)


def split_key(text: bytes) -> KeyText | None:
    """Take ``name[locale][$options]`` apart; None for junk."""
    options, locale = b"", None
    while (start := text.rfind(b"[")) >= 0:
        end = text.find(b"]", start)
        if end < 0:
            return None
        inside, text = text[start + 1 : end], text[:start]
        if inside.startswith(b"$"):
            before_deletion, deletion, _ = inside[1:].partition(b"d")
            options += before_deletion
            if deletion:
                return KeyText(text, options, locale, deleted=True)
        elif locale is not None:
            return None
        else:
            locale = inside
    return KeyText(text, options, locale)


def unescape(text: bytes) -> bytes:
    """Undo KConfig's escapes; an unknown one leaves its backslash and loses its letter."""
    if b"\\" not in text:
        return text
    text = text.strip(WHITESPACE)
    return b"".join(_unescaped(text))


def _unescaped(text: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        if text[at] != ord("\\"):
            yield text[at : at + 1]
            at += 1
        elif at + 1 >= len(text):
            return
        elif text[at + 1] == ord("x"):
            yield _from_hex(text[at + 2 : at + 4])
            at = at + 4 if at + 3 < len(text) else len(text)
        else:
            yield SIMPLE_ESCAPES.get(text[at + 1], b"\\")
            at += 2


def _from_hex(digits: bytes) -> bytes:
    return bytes([int(digits, 16)]) if re.fullmatch(rb"[0-9A-Fa-f]{2}", digits) else b"x"


def escape_value(text: str) -> bytes:
    """Write a value as KConfig does."""
    return _escape(text, rb"\x00-\x08\x0b\x0c\x0e-\x1f\x7f")


def escape_key(text: str) -> bytes:
    """Write a key as KConfig does, and one that begins with ``#`` so that KConfig can read it."""
    data = _escape(text, rb"\x00-\x08\x0b\x0c\x0e-\x1f=\[\]")
    # KConfig writes it plain, and takes the line for a comment from then on.
    return b"\\x23" + data[1:] if data.startswith(b"#") else data


def _escape(text: str, hexed: bytes) -> bytes:
    names = {b"\n": b"\\n", b"\t": b"\\t", b"\r": b"\\r", b"\\": b"\\\\"}

    def write(match: re.Match[bytes]) -> bytes:
        found = match.group()
        return names.get(found) or b"\\x%02x" % found[0]

    data = re.sub(rb"[\n\t\r\\" + hexed + rb"]", write, encode_name(text))
    if data.startswith(b" "):
        data = b"\\s" + data[1:]
    if data.endswith(b" "):
        data = data[:-1] + b"\\s"
    return data


def split_list(text: str) -> tuple[str, ...]:
    """Split at commas; a backslash protects the next character."""
    if not text:
        return ()
    if text == "\\0":
        return ("",)
    parts, quoted = [""], False
    for letter in text:
        if quoted:
            parts[-1] += letter
            quoted = False
        elif letter == "\\":
            quoted = True
        elif letter == ",":
            parts.append("")
        else:
            parts[-1] += letter
    return tuple(parts)


def join_list(items: Sequence[str]) -> str:
    """Join as :func:`split_list` splits."""
    joined = ",".join(item.replace("\\", "\\\\").replace(",", "\\,") for item in items)
    return joined or ("\\0" if items else "")


def join_group(names: Sequence[str]) -> bytes:
    """Give a nested group's one name; no names mean the lines before the first header."""
    return SUBGROUP.join(encode_name(name) for name in names) or ROOT_GROUP


def encode_name(text: str) -> bytes:
    """Give a text as the bytes KConfig has of it, what came as no UTF-8 included."""
    return text.encode("utf-8", "surrogateescape")
