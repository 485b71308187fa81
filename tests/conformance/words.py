# SPDX-License-Identifier: GPL-3.0-or-later
"""What conversations are made of: odd names, odd values, and the methods with their weights."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from support.peers import pam_key

if TYPE_CHECKING:
    from random import Random

WALLETS = ("kdewallet", "second")
MISSING_WALLET = "no such wallet"
APPIDS = ("app", "", "other app", "приложение/é")
DENIED_APPID = "denied"
DENIED_PATH = "/no/such/wallet.kwl"  # asked for by others it would bring up a dialog
PAM_KEY = pam_key()  # the one that Kwalletd opens its wallets with
WRONG_KEYS = (b"", b"short", bytes(56))
ODD_TYPES = (0, 4, -1, 2**31 - 1, -(2**31))
BYTE_ORDER_MARK = "\ufeff"
REFERENCE = "{REF:"  # KeePassXC looks up what follows, and refuses what it cannot find

PLAIN_NAMES = ("a", "b", "Passwords", "Form Data", "Python", "Chromium Keys", "key", "Key")
ODD_NAMES = (
    "",
    " ",
    "a/b",
    "/",
    "a\nb",
    "a\tb\r\n",
    "é",
    "e\u0301",
    "ключ",
    "鍵",
    "\U0001f511 key",
    "\uffee",
    "ß",
    "SS",
    "*",
    "?",
    "a*",
    "[ab]",
    "[",
    "]",
    "a.b",
    "a\\b",
    "$^(x)+{2}|y",
    "{TITLE}",
    "{REF:P@I:0}",
    "login@https://example.org/?q=1&r=2#f",
    "x" * 300,
    "長" * 2000,
    "\x01\x7f",
    "%20;2F",
    "\ufeffb",
    "\ufeff",
    "'\"`$(true)",
)
PATTERNS = (
    "*",
    "*@*",
    "?",
    "??",
    "a*",
    "*b",
    "[ab]",
    "[a-c]*",
    "[!a]",
    "[!a]*",
    "[^a]*",
    "[]a]*",
    "[",
    "[a",
    "[/]",
    "[a/]*",
    "[]",
    "[!]",
    "[!]a]*",
    "a/*",
    "*/*",
    "*.*",
    "a.b",
    "a\\*",
    "\\",
    "[\\]*",
    "$^(x)+{2}|y",
    "{a,b}",
    "",
    "*\n*",
    "(a|b)",
    "[a-]*",
    "[b-a]",
    "[[]*",
    "*[",
    "?\U0001f511*",
    "*key",
    "**",
)
TEXTS = (
    "",
    "secret",
    "héllo",
    "пароль",
    "鍵\U0001f511",
    "line\nline\r\n",
    " padded ",
    "{TITLE}",
    "{REF:P@I:00}",
    "{S:x}{USERNAME}",
    "\x01\x1f\x7f",
    "x\ufeff",
    "\ufeff",
    "\ufeffmarked",
    "\ufeff\ufefftwice",
    "\u2028",
    "long " * 3000,
    '{"a": "b"}',
    "YWJj",
    "\uffee\uffff",
)


def qstring(text: str | None) -> bytes:
    """Encode one QString as QDataStream does."""
    if text is None:
        return b"\xff\xff\xff\xff"
    units = text.encode("utf-16-be", "surrogatepass")
    return struct.pack(">I", len(units)) + units


def qmap(*pairs: tuple[str | None, str | None]) -> bytes:
    """Encode pairs as QDataStream does a QMap<QString,QString>, in the given order."""
    return struct.pack(">I", len(pairs)) + b"".join(qstring(k) + qstring(v) for k, v in pairs)


MAPS = (
    qmap(),
    qmap(("a", "b")),
    qmap(("a", "b"), ("c", "")),
    qmap(("a", None)),
    qmap((None, "a")),
    qmap((None, None)),
    qmap(("b", "1"), ("a", "2")),
    qmap(("a", "1"), ("a", "2")),
    qmap(("", "")),
    qmap(("ключ", "{TITLE}{REF:P@I:0}")),
    qmap(("k", "\ud800")),
    qmap(("\U0001f511", "\x00x\x00")),
    qmap(*((f"{n:03}", "v" * n) for n in range(60))),
)
# What survives being parsed and written again as an object of strings.
SIMPLE_MAPS = (
    qmap(),
    qmap(("a", "b")),
    qmap(("a", "b"), ("c", "")),
    qmap(("", "")),
    qmap(("ключ", "{TITLE}{REF:P@I:0}")),
    qmap(*((f"{n:03}", "v" * n) for n in range(60))),
)
# Qt 6 reads the first four bytes as "the length follows in eight", Qt 5 as a length.
LONG_LENGTH = b"\xff\xff\xff\xfe\x00\x00\x00\x00\x00\x00\x00\x02\x00x"
BLOBS = (
    b"",
    b"\x00",
    b"\x00\x01\xff",
    b"hello",
    "héllo".encode(),
    bytes(range(256)),
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x00\x00\x00\x03abc",
    LONG_LENGTH,
    b"\x00\x00\x00\x40ab",
    qstring("héllo"),
    qstring("x") + b"tail",
    qstring("nul\x00inside"),
    qstring("\ud83d lone"),
    qstring("lone \udd11"),
    qstring("\ufffe\uffff"),
    qstring("\ufeffbom"),
    qstring("\U0001f511"),
    qstring("{TITLE}"),
    b"\x7fELF" + b"\x00" * 60,
    b"e\x00\x00" * 20000,
)


def any_map(random: Random) -> bytes:
    """Draw the bytes of a map, now and then damaged."""
    data = random.choice(MAPS)
    damage = random.randrange(6)
    if damage == 0:
        return data[: random.randrange(len(data) + 1)]
    if damage == 1:
        return data + random.randbytes(random.randrange(1, 5))
    if damage == 2:
        return random.choice(BLOBS)
    return data


def any_bytes(random: Random) -> bytes:
    """Draw bytes for an entry of any type."""
    if random.random() < 0.2:
        return random.randbytes(random.randrange(40))
    return random.choice(BLOBS) if random.random() < 0.7 else any_map(random)
