# SPDX-License-Identifier: GPL-3.0-or-later
"""How the bridge's answer follows from kwalletd5's, one exact rewriting for each row.

A rewriting gives what the bridge must have said where kwalletd5 said ``expected``, or None where
its row has nothing to say. Several rows may speak of one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum, auto

from conformance.conversation import (
    CREATING_LOOKUPS,
    PATH_OPENS,
    Answer,
    Call,
    Event,
    Exchange,
    Notice,
    Probe,
    as_qt_reads,
)
from conformance.words import BYTE_ORDER_MARK, PAM_KEY, qstring

PATH_TRANSACTION = "the path's transaction"
VALUE_READERS = frozenset({"readPassword", "readEntry", "readEntryList", "readPasswordList"}) | {
    "entriesList",
    "passwordList",
}
TELL_OF_HANDLE = frozenset({"close", "isOpen"})
NO_FOLDER = Probe("hasFolder", (False,))
NO_ENTRY = Probe("entry", (0, b"", False, False))
REFUSALS: tuple[list[object], ...] = ([], [False], [0], [-1], [""], [b""], [[]])
ASK_ABSENCE = frozenset({"folderDoesNotExist", "keyDoesNotExist"})
TRUE, FALSE = Answer("", "b", [True]), Answer("", "b", [False])
REFUSED = Answer("", "i", [-1])
MARKED_TEXT = BYTE_ORDER_MARK.encode("utf-16-be")


class Place(Enum):
    """What is known of the folder that a call speaks of."""

    NONE = auto()  # not there
    MADE = auto()  # made by createFolder, or read from the file
    IMPLICIT = auto()  # made by a write, in this life of the wallet


@dataclass(frozen=True, slots=True)
class Known:
    """What the oracle's answers so far tell about the place that a call speaks of."""

    place: Place
    labels: Mapping[str, str]  # key to the name it had before it was renamed
    closed: bool = False  # the wallet was open and is not any more
    keys: AbstractSet[str] = frozenset()  # of the entries that were written there


Rewriting = Callable[[Exchange, Exchange, Known], Exchange | None]


def never(_expected: Exchange, _actual: Exchange, _known: Known) -> Exchange | None:
    """Say nothing: the row's case is not drawn."""
    return None


def knows_folder(expected: Exchange, _: Exchange, known: Known) -> Exchange | None:
    """Expect a folder that a write made to be known at once, and what is in it."""
    call = expected.said
    if known.place is not Place.IMPLICIT or not isinstance(call, Call):
        return None
    if call.member == "keyDoesNotExist" and as_qt_reads(call.args[2]) not in known.keys:
        return None
    return _not_absent(expected)


def closed_may_hold_it(expected: Exchange, _: Exchange, known: Known) -> Exchange | None:
    """Expect that nothing is called absent from a closed wallet."""
    return _not_absent(expected) if known.closed else None


def _not_absent(expected: Exchange) -> Exchange | None:
    call = expected.said
    asked = isinstance(call, Call) and call.member in ASK_ABSENCE
    return replace(expected, events=(FALSE,)) if asked and expected.events == (TRUE,) else None


def lists_new_names(expected: Exchange, actual: Exchange, known: Known) -> Exchange | None:
    """Expect renamed entries under their names, one more where two had the same."""
    before, now = expected.answer, actual.answer
    if before is None or now is None or {before.signature, now.signature} != {"a{sv}"}:
        return None
    was, listed = before.body, now.body
    if not known.labels or not isinstance(was, list) or not isinstance(listed, list):
        return None
    values = dict(was[0])
    old = {known.labels.get(key, key): value for key, value in listed[0]}
    order = sorted(old, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    if not _is_marked(was[0], [(key, old[key]) for key in order]):
        return None
    # The values as kwalletd5 has them: marks are another row's affair.
    labels = [(key, value, values[known.labels.get(key, key)]) for key, value in listed[0]]
    told = [(key, first if _is_marked(first, value) else value) for key, value, first in labels]
    return _swap(expected, before, replace(now, body=[told]))


def keeps_marks(expected: Exchange, actual: Exchange, _: Known) -> Exchange | None:
    """Expect passwords with the byte order mark they were written with; the last row to apply."""
    call = expected.said
    if not isinstance(call, Call) or not (call.member in VALUE_READERS or call.is_oddly_typed):
        return None
    if expected == actual or len(expected.events) != len(actual.events):
        return None
    pairs = zip(expected.events, actual.events, strict=True)
    same = all(_same_but_marks(before, now) for before, now in pairs)
    return actual if same and replace(actual, events=expected.events) == expected else None


def _same_but_marks(before: Event, now: Event) -> bool:
    if isinstance(before, Answer) and isinstance(now, Answer):
        alike = (before.error, before.signature) == (now.error, now.signature)
        return alike and _is_marked(before.body, now.body)
    if isinstance(before, Probe) and isinstance(now, Probe):
        return before.what == now.what and _is_marked(before.body, now.body)
    return before == now


def _is_marked(plain: object, marked: object) -> bool:
    """Tell whether values are the same but for marks; a name or a type before one is the same."""
    if isinstance(plain, list | tuple) and type(plain) is type(marked):
        assert isinstance(marked, list | tuple)
        named = isinstance(plain, tuple)
        alike = len(plain) == len(marked) and not (named and plain[:1] != marked[:1])
        return alike and all(map(_is_marked, plain[named:], marked[named:]))
    return plain in (marked, _unmark(marked))


def _unmark(value: object) -> object:
    if isinstance(value, str):
        return value.removeprefix(BYTE_ORDER_MARK)
    if isinstance(value, bytes) and value[4:6] == MARKED_TEXT:
        text = value[4:].decode("utf-16-be", "surrogatepass")
        if value == qstring(text):
            return qstring(text.removeprefix(BYTE_ORDER_MARK))
    return value


def reports_loss(expected: Exchange, _: Exchange, _known: Known) -> Exchange | None:
    """Expect an error where kwalletd5 refuses a handle that a restart ended."""
    call, refused = expected.said, expected.answer
    if not expected.lost or not isinstance(call, Call) or call.member in TELL_OF_HANDLE:
        return None
    if refused is None or refused.error or refused.body not in REFUSALS:
        return None
    # What is asked around the call is asked with the same handle.
    failed = "org.freedesktop.DBus.Error.Failed"
    told = _swap(expected, refused, Answer(failed, "", None))
    told = _swap(told, NO_ENTRY, replace(NO_ENTRY, body=(failed,) * len(NO_ENTRY.body)))
    return replace(told, events=tuple(event for event in told.events if event != NO_FOLDER))


def makes_nothing(expected: Exchange, _: Exchange, known: Known) -> Exchange | None:
    """Expect a question about a missing folder to leave it missing."""
    call = expected.said
    made = Probe("hasFolder", (True,))
    if not isinstance(call, Call) or call.member not in CREATING_LOOKUPS:
        return None
    if known.place is not Place.NONE or made not in expected.events:
        return None
    return _swap(expected, made, Probe("hasFolder", (False,)))


def refuses_types(expected: Exchange, _: Exchange, known: Known) -> Exchange | None:
    """Expect -1, no signal, and the entry and its folder as they were."""
    call = expected.said
    if not isinstance(call, Call) or not call.is_oddly_typed:
        return None
    before, *told, after = expected.events
    stored = Probe("entry", (call.args[4], call.args[3], True, True))
    updated = Notice("folderUpdated", "ss", [expected.wallet, call.folder])
    if told != [updated, Answer("", "i", [0])] or after != stored:
        return None
    return replace(expected, events=(before, REFUSED, before))


def opens_no_path(expected: Exchange, _: Exchange, _known: Known) -> Exchange | None:
    """Expect a refusal where kwalletd5 accepts, and refuses by a signal."""
    call = expected.said
    if not isinstance(call, Call) or call.member not in PATH_OPENS:
        return None
    accepted = 0 if call.member == "openPath" else PATH_TRANSACTION
    told = Notice("walletAsyncOpened", "ii", [PATH_TRANSACTION, -1])
    if expected.events != (Answer("", "i", [accepted]), told):
        return None
    return replace(expected, events=(REFUSED,))


def opens_nothing(expected: Exchange, _: Exchange, _known: Known) -> Exchange | None:
    """Expect the right key, too, to leave a closed wallet closed."""
    call = expected.said
    if not isinstance(call, Call) or call.member != "pamOpen" or call.args[1] != PAM_KEY:
        return None
    closed, answer = Probe("isOpen before", (False,)), Answer("", "", [])
    told = Notice("walletOpened", "s", [call.args[0]])
    shown, hidden = Probe("isOpen after", (True,)), Probe("isOpen after", (False,))
    if expected.events not in ((closed, told, answer, shown), (closed, answer, told, shown)):
        return None
    return replace(expected, events=(closed, answer, hidden))


def _swap(exchange: Exchange, old: Event, new: Event) -> Exchange:
    return replace(exchange, events=tuple(new if e == old else e for e in exchange.events))
