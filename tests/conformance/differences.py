# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bridge differs from kwalletd5 on purpose: each named, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance import excuses

if TYPE_CHECKING:
    from conformance.excuses import Rewriting


@dataclass(frozen=True, slots=True)
class DeliberateDifference:
    """One deliberate difference.

    ``rewrite`` tells it in a random conversation; one whose case is not drawn has none.
    """

    name: str
    kwalletd5: str
    bridge: str
    why: str
    rewrite: Rewriting = excuses.never


CLOSED_HIDES = "closed-wallets-may-hold-anything"
DIFFERENCES = (
    DeliberateDifference(
        "folders-made-by-writing-exist",
        "`folderDoesNotExist` and `keyDoesNotExist` say true for a folder made by a write "
        "until the wallet is closed and read again.",
        "They say false at once.",
        "A program told that its secret does not exist may make a new one over it.",
        excuses.knows_folder,
    ),
    DeliberateDifference(
        CLOSED_HIDES,
        "`folderDoesNotExist` and `keyDoesNotExist` of a closed wallet answer out of hashes "
        "that its file holds in clear.",
        "They say false, so that programs open the wallet and look, where the provider shows "
        "nothing of a locked collection: KeePassXC, oo7 and the encrypted file. "
        "Over gnome-keyring and ksecretd they answer as kwalletd5 does.",
        "A program told that its secret does not exist may make a new one over it.",
        excuses.closed_may_hold_it,
    ),
    DeliberateDifference(
        "empty-wallets-are-furnished",
        "The folders `Passwords` and `Form Data` are made in a wallet that its own dialog created, "
        "and not in one that PAM created.",
        "They are made when an empty collection is opened for the first time.",
        "The provider's default collection is nobody's creation, "
        "and kwallet-query expects the folder.",
    ),
    DeliberateDifference(
        "renamed-entries-carry-their-name",
        "After `renameEntry` the methods that answer with a dictionary list the entry under its "
        "old name until the wallet is closed and read again; "
        "if that name was taken anew, one of the two is missing.",
        "They list it under its name.",
        "A slip: the entry moves to its new place but is not told its name.",
        excuses.lists_new_names,
    ),
    DeliberateDifference(
        "lookups-create-no-folders",
        "`readEntryList`, `readMapList`, `readPasswordList` and `renameEntry` "
        "make the folder they ask about.",
        "They answer the same and make nothing.",
        "Asking is not writing.",
        excuses.makes_nothing,
    ),
    DeliberateDifference(
        "unknown-entry-types-are-refused",
        "`writeEntry` takes any number as a type and answers 0; when the wallet is read again, "
        "that entry and everything after it in the file are gone.",
        "Types other than 1, 2 and 3 are answered with -1, and nothing is stored.",
        "What cannot be given back must not be accepted.",
        excuses.refuses_types,
    ),
    DeliberateDifference(
        "paths-are-not-opened",
        "`openPath` answers 0 at once and asks; `openPathAsync` answers an id. "
        "The outcome, a refusal too, comes as a signal, "
        "after `openPath` with an id that the caller never learned.",
        "Both answer -1, without a signal.",
        "There is no wallet file to open. "
        "KDE's library takes any other answer for a wallet that is open.",
        excuses.opens_no_path,
    ),
    DeliberateDifference(
        "pam-opens-nothing",
        "`pamOpen` opens or creates the wallet with the key it is given.",
        "It is accepted and does nothing.",
        "Unlocking is the provider's affair; the key is thrown away.",
        excuses.opens_nothing,
    ),
    DeliberateDifference(
        "nameless-wallets",
        "`open` with an empty name makes a wallet in a file called `.kwl`.",
        "It answers -1.",
        "A collection without a label could not be found again.",
    ),
    DeliberateDifference(
        "passwords-are-the-providers",
        "`changePassword` asks for the new password and then returns a stray -1 "
        "from a method declared to return nothing.",
        "It returns nothing.",
        "The password belongs to the provider, whose own manager changes it.",
    ),
    DeliberateDifference(
        "list-changes-are-told-once",
        "`walletListDirty` follows every change in the wallets' directory, "
        "every save included, several times.",
        "It comes once for each change of the list of wallets.",
        "Calm: nothing else of the signal was ever of use.",
    ),
    DeliberateDifference(
        "other-programs-items-survive",
        "`deleteWallet` deletes the wallet's file.",
        "A collection that also holds items of other programs is kept; "
        "only the entries that belong to the wallet are removed.",
        "The login keyring is a wallet here, and holds more than the wallet.",
    ),
    DeliberateDifference(
        "locked-wallets-are-unlocked-first",
        "`deleteWallet` deletes a closed wallet without its password.",
        "A locked collection is unlocked first, which may ask; dismissed, the answer is -1. "
        "Where nobody has to be asked nothing differs.",
        "Only an open collection shows whether it holds something of other programs.",
    ),
    DeliberateDifference(
        "disabled-stays-on-the-bus",
        "With `Enabled=false` the daemon ends at once, and is started again by the next caller.",
        "It stays, says that it is not enabled, and answers -1 to opens.",
        "The same answer without starting a process for every call.",
    ),
    DeliberateDifference(
        "failures-are-errors",
        "Its own memory cannot fail, so a read that finds nothing means that nothing is there.",
        "When the provider is away, locked or too slow, reads and tests are answered with a "
        "D-Bus error, writes with -1 or false. What exists elsewhere, such as in a wallet file "
        "that was not moved yet, is an error for writes too.",
        "A program told that its key is absent makes a new one over it.",
    ),
    DeliberateDifference(
        "lost-handles-are-errors",
        "A handle that ended, by whatever cause, or that the daemon gave out before it was "
        "started anew, is refused like one that never was: `hasFolder` and `hasEntry` say false.",
        "So it is where a client closed the wallet. Where the provider went or came back, "
        "the collection was locked, deleted or replaced, the idle time ran out, the wallet system "
        "was switched off, or the daemon was started anew, every call with it but `close` and "
        "`isOpen` is answered with a D-Bus error until the program opens the wallet again.",
        "A program told that its key is absent makes a new one over it.",
        excuses.reports_loss,
    ),
    DeliberateDifference(
        "passwords-keep-byte-order-marks",
        "Qt drops the character U+FEFF from the start of every string that a program sends, "
        "names and passwords alike.",
        "It is dropped from names, and kept in passwords.",
        "A password must come back as it was given.",
        excuses.keeps_marks,
    ),
    DeliberateDifference(
        "opening-counts-as-use",
        "`Idle Timeout` counts from the last call on entries; opening a wallet does not put it "
        "off, so that one may be closed just after it was opened.",
        "Opening a wallet puts it off too.",
        "A program that reads nothing from a wallet it has just opened may make a new secret.",
    ),
    DeliberateDifference(
        "a-password-is-no-leave",
        "With `Prompt on Open`, an application for which a wallet's password was just typed is "
        "not asked about.",
        "It is asked about.",
        "kwalletd's password dialog names the application; a provider's names none, "
        "and may come and go without a person.",
    ),
    DeliberateDifference(
        "fixed-lists-still-ask",
        "With `Prompt on Open`, a list under Auto Allow that the administrator made immutable "
        "lets every application in, listed or not, without a question.",
        "Who is not listed is asked about, and `Always` cannot be chosen.",
        "A list nobody may add to is no leave for everybody.",
    ),
    DeliberateDifference(
        "settings-are-never-written",
        "Opening a wallet while `First Use` is set writes `Default Wallet` into kwalletrc.",
        "Nothing but Auto Allow and Auto Deny is ever written there.",
        "The rest belongs to KDE's own tools.",
    ),
)

SHOWN_WHEN_LOCKED = tuple(each for each in DIFFERENCES if each.name != CLOSED_HIDES)
"""What may differ where the provider shows the names in a locked collection."""

HEAD = """\
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Made by scripts/differences_page.py from tests/conformance/differences.py: change that, and run it. -->
# Where the bridge differs from kwalletd5

The conformance suite plays random conversations on Debian's kwalletd5 and on the bridge, and compares replies, errors and signals, their arguments, number and order.
What follows is all that may differ.
Each row is met in a conversation or by a test of its own that asks both daemons; in conversations the bridge's answer must be exactly what the row makes of kwalletd5's.
"""


def render() -> str:
    """Render the table as a page of the reference."""
    sections = [
        f"\n## {each.name}\n\n- kwalletd5: {each.kwalletd5}\n- The bridge: {each.bridge}\n"
        f"- Why: {each.why}\n"
        for each in DIFFERENCES
    ]
    return HEAD + "".join(sections)
