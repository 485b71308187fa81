# SPDX-License-Identifier: GPL-3.0-or-later
"""An excuse reaches as far as its row, and no further."""

from __future__ import annotations

import pytest
from conformance.compare import compare
from conformance.conversation import NOTHING, Answer, Call, Exchange, Notice, OpenHandle, Transcript
from conformance.differences import CLOSED_HIDES, SHOWN_WHEN_LOCKED
from conformance.subjects import SUBJECTS
from conformance.words import BYTE_ORDER_MARK, PAM_KEY, WALLETS

WALLET = WALLETS[0]
HANDLE = OpenHandle(WALLET)
MARKED = f"{BYTE_ORDER_MARK}b"
CLOSED = Exchange(
    Call(0, "close", "sb", (WALLET, True)),
    (Notice("walletClosed", "s", [WALLET]), Answer("", "i", [0])),
)
OPENED = Exchange(Call(0, "pamOpen", "sayi", (WALLET, PAM_KEY, 0)), (Answer("", "", []),))
WRITTEN = Exchange(
    Call(0, "writePassword", "issss", (HANDLE, "f", "k", "x", "app")),
    (Answer("", "i", [0]),),
    WALLET,
)
REMOVED = Exchange(
    Call(0, "removeEntry", "isss", (HANDLE, "f", "k", "app")), (Answer("", "i", [0]),), WALLET
)
RENAMED = Exchange(
    Call(0, "renameEntry", "issss", (HANDLE, "f", "k", "new", "app")),
    (Answer("", "i", [0]),),
    WALLET,
)


def excused(before: tuple[Exchange, ...], call: Call, signature: str, *answers: object) -> bool:
    """Tell whether the bridge may give the second answer where kwalletd5 gives the first."""
    old, new = (
        Transcript((*before, Exchange(call, (Answer("", signature, [answer]),), WALLET)))
        for answer in answers
    )
    return not compare(old, new).differences


@pytest.mark.parametrize(
    ("member", "signature", "answers", "may"),
    [
        ("readPassword", "s", ("b", MARKED), True),
        ("readPassword", "s", (MARKED, "b"), False),
        ("passwordList", "a{sv}", ([("k", ("s", "b"))], [("k", ("s", MARKED))]), True),
        ("passwordList", "a{sv}", ([("b", ("s", "x"))], [(MARKED, ("s", "x"))]), False),
        ("entryList", "as", (["b"], [MARKED]), False),
    ],
)
def test_marks_are_excused_in_passwords_alone(
    member: str, signature: str, answers: tuple[object, object], *, may: bool
) -> None:
    """A mark that kwalletd5 drops may come back before a password, and before no name."""
    call = Call(0, member, "iss", (HANDLE, "f", "app"))
    assert excused((), call, signature, *answers) is may


@pytest.mark.parametrize(
    ("before", "key", "may"),
    [
        ((WRITTEN,), "k", True),
        ((WRITTEN,), "absent", False),
        ((WRITTEN, REMOVED), "k", False),
        ((WRITTEN, RENAMED), "k", False),
        ((WRITTEN, RENAMED), "new", True),
        ((), "k", False),
    ],
)
def test_what_a_write_made_is_excused_alone(
    before: tuple[Exchange, ...], key: str, *, may: bool
) -> None:
    """In a folder that a write made an entry may be known that is there, and no other."""
    call = Call(0, "keyDoesNotExist", "sss", (WALLET, "f", key))
    assert excused(before, call, "b", True, False) is may


@pytest.mark.parametrize(
    ("before", "wallet", "may"),
    [
        ((CLOSED,), WALLET, True),
        ((), WALLET, False),
        ((CLOSED, OPENED), WALLET, False),
        ((CLOSED,), WALLETS[1], False),
    ],
)
def test_closed_wallets_are_excused_alone(
    before: tuple[Exchange, ...], wallet: str, *, may: bool
) -> None:
    """A wallet that is closed may hold anything; one that is open or missing may not."""
    call = Call(0, "folderDoesNotExist", "ss", (wallet, "f"))
    assert excused(before, call, "b", True, False) is may


def test_who_shows_names_when_locked_is_excused_no_closed_wallet() -> None:
    """Over gnome-keyring and ksecretd the row of closed wallets excuses nothing."""
    assert len(SUBJECTS["bridge-file"].differences) == len(SHOWN_WHEN_LOCKED) + 1
    for name in ("bridge", "bridge-ksecretd"):
        assert CLOSED_HIDES not in {row.name for row in SUBJECTS[name].differences}


@pytest.mark.parametrize(
    ("member", "answer", "lost", "may"),
    [
        ("hasFolder", False, True, True),
        ("hasFolder", True, True, False),
        ("hasFolder", False, False, False),
        ("createFolder", False, True, True),
        ("isOpen", False, True, False),
        ("close", -1, True, False),
    ],
)
def test_errors_are_excused_of_lost_handles_alone(
    member: str, answer: object, *, lost: bool, may: bool
) -> None:
    """A call on a handle that a restart ended may be an error where kwalletd5 refuses it."""
    call = Call(0, member, "iss", (HANDLE, "f", "app"))
    old = Exchange(call, (Answer("", "", [answer]),), WALLET, lost=lost)
    new = Exchange(call, (Answer("org.freedesktop.DBus.Error.Failed", "", None),), WALLET, lost)
    assert (not compare(Transcript((old,)), Transcript((new,))).differences) is may


def test_silence_on_both_sides_is_a_difference() -> None:
    """Two daemons that stop answering at one call have not been shown to be alike."""
    silent = Exchange(Call(0, "wallets", ""), (Answer(f"{NOTHING}a reason", "", None),))
    assert len(compare(Transcript((silent,)), Transcript((silent,))).differences) == 1
