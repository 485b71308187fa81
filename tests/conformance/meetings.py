# SPDX-License-Identifier: GPL-3.0-or-later
"""A short conversation for each deliberate difference that can be drawn, in which it is met."""

from __future__ import annotations

from conformance.conversation import Call, OpenHandle, Restart, Step
from conformance.words import BYTE_ORDER_MARK, DENIED_APPID, DENIED_PATH, PAM_KEY, WALLETS

WALLET = WALLETS[0]
APP = "app"


def _open(wallet: str = WALLET) -> Call:
    return Call(0, "open", "sxs", (wallet, 0, APP))


def _write(folder: str, key: str, text: str = "text") -> Call:
    place = (OpenHandle(WALLET), folder, key)
    return Call(0, "writePassword", "issss", (*place, text, APP))


def _ask(member: str, signature: str, *args: object) -> Call:
    return Call(0, member, f"i{signature}s", (OpenHandle(WALLET), *args, APP))


MEETINGS: dict[str, tuple[Step, ...]] = {
    "folders-made-by-writing-exist": (
        _open(),
        _write("written", "key"),
        Call(0, "folderDoesNotExist", "ss", (WALLET, "written")),
        Call(0, "keyDoesNotExist", "sss", (WALLET, "written", "key")),
    ),
    "renamed-entries-carry-their-name": (
        _open(),
        _write("Passwords", "old"),
        _ask("renameEntry", "sss", "Passwords", "old", "new"),
        _ask("passwordList", "s", "Passwords"),
        _write("Passwords", "old", "another"),
        _ask("passwordList", "s", "Passwords"),
    ),
    "lookups-create-no-folders": (
        _open(),
        _ask("readEntryList", "ss", "asked", "*"),
        _ask("readMapList", "ss", "asked", "*"),
        _ask("readPasswordList", "ss", "asked", "*"),
        _ask("renameEntry", "sss", "asked", "old", "new"),
    ),
    "unknown-entry-types-are-refused": (
        _open(),
        _write("Passwords", "kept"),
        _ask("writeEntry", "ssayi", "Passwords", "kept", b"octets", 4),
        _ask("writeEntry", "ssayi", "Passwords", "absent", b"octets", -1),
        _ask("writeEntry", "ssayi", "nowhere", "absent", b"octets", 0),
    ),
    "paths-are-not-opened": (
        Call(0, "openPath", "sxs", (DENIED_PATH, 0, DENIED_APPID)),
        Call(0, "openPathAsync", "sxsb", (DENIED_PATH, 0, DENIED_APPID, True)),
    ),
    "pam-opens-nothing": (
        _open(),
        Call(0, "close", "sb", (WALLET, True)),
        Call(0, "pamOpen", "sayi", (WALLET, b"wrong", 0)),
        Call(0, "pamOpen", "sayi", (WALLET, PAM_KEY, 0)),
        Call(0, "pamOpen", "sayi", (WALLET, PAM_KEY, 0)),
    ),
    "passwords-keep-byte-order-marks": (
        _open(),
        _write("Passwords", "marked", BYTE_ORDER_MARK + "text"),
        _ask("readPassword", "ss", "Passwords", "marked"),
        _ask("readEntry", "ss", "Passwords", "marked"),
        _ask("passwordList", "s", "Passwords"),
    ),
    "closed-wallets-may-hold-anything": (
        _open(),
        Call(0, "close", "sb", (WALLET, True)),
        Call(0, "folderDoesNotExist", "ss", (WALLET, "nowhere")),
        Call(0, "keyDoesNotExist", "sss", (WALLET, "nowhere", "absent")),
    ),
    "lost-handles-are-errors": (
        _open(),
        _write("Passwords", "kept"),
        Restart(told=False),
        _ask("hasFolder", "s", "Passwords"),
        _ask("hasEntry", "ss", "Passwords", "kept"),
        _ask("readPassword", "ss", "Passwords", "kept"),
    ),
}
