# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to a daemon, and what it answers: values that can be compared and printed."""

from __future__ import annotations

from dataclasses import dataclass

WRITES = frozenset({"writeEntry", "writeMap", "writePassword"})
# The monolith makes the folder these ask about; see the row "lookups-create-no-folders".
CREATING_LOOKUPS = frozenset({"readEntryList", "readMapList", "readPasswordList", "renameEntry"})
OPENS = frozenset({"open", "openAsync"})
PATH_OPENS = frozenset({"openPath", "openPathAsync"})
ENTRY_TYPES = frozenset({1, 2, 3})
NOTHING = "nothing: "  # instead of an error's name: the daemon did not answer


def as_qt_reads(name: object) -> str:
    """Give a name as Qt's D-Bus reads it, without a byte order mark before it."""
    return str(name).removeprefix("\ufeff")


@dataclass(frozen=True, slots=True)
class OpenHandle:
    """The handle that opening ``wallet`` last gave."""

    wallet: str


@dataclass(frozen=True, slots=True)
class SeenHandle:
    """The n-th handle ever seen, counting back from the latest: mostly a stale one."""

    back: int


@dataclass(frozen=True, slots=True)
class Call:
    """One method call by one of the connections."""

    peer: int
    member: str
    signature: str
    args: tuple[object, ...] = ()
    path: str = ""
    interface: str | None = None

    @property
    def folder(self) -> str | None:
        """The folder spoken of, None where the call names none."""
        folder = self.args[1] if len(self.args) > 2 else None
        named = self.signature.startswith("is") and isinstance(folder, str)
        return as_qt_reads(folder) if named else None

    @property
    def is_oddly_typed(self) -> bool:
        """Tell whether it writes an entry of a type that KWallet has no name for."""
        return self.signature == "issayis" and self.args[4] not in ENTRY_TYPES


@dataclass(frozen=True, slots=True)
class Vanish:
    """A connection leaves the bus without a word; its next call makes it a new one."""

    peer: int


@dataclass(frozen=True, slots=True)
class Burst:
    """Calls of one connection, all sent before the first answer is read."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """What keeps the entries goes away and comes back, what it saved unlocked.

    kwalletd's own memory goes with itself; the nearest to a provider that ends is that all its
    wallets are closed, and to its return that PAM opens the first.
    Where the daemon itself keeps the entries it is restarted, and nobody is ``told``.
    """

    told: bool = True


Step = Call | Vanish | Burst | Restart


@dataclass(frozen=True, slots=True)
class Settings:
    """What kwalletrc says during a conversation."""

    leave_open: bool = True
    prompt: bool = False  # Prompt on Open, every application being listed


@dataclass(frozen=True, slots=True)
class Conversation:
    """Steps to be played on a fresh daemon."""

    seed: str
    settings: Settings
    steps: tuple[Step, ...]
    deletes_closed: bool = False  # else wallets are opened before: unlocking takes a person

    @property
    def calls(self) -> int:
        """How many calls it makes."""
        return sum(len(step.calls) if isinstance(step, Burst) else 1 for step in self.steps)


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply, handles and transaction ids replaced by the order in which they appeared."""

    error: str
    signature: str
    body: object


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found by asking around a call; compared with it."""

    what: str
    body: str | tuple[object, ...]  # an error's name, or what was found


@dataclass(frozen=True, slots=True)
class Notice:
    """One signal, normalised as an Answer is."""

    member: str
    signature: str
    body: object


Event = Answer | Notice | Probe


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call, or a leaving, with all it brought: answers and signals as they arrived."""

    said: Call | Vanish | Restart
    events: tuple[Event, ...]
    wallet: str = ""  # the wallet that the call's handle named, "" for none
    lost: bool = False  # a restart ended the call's handle, no client did

    @property
    def answer(self) -> Answer | None:
        """The reply, None for a leaving."""
        return next((e for e in reversed(self.events) if isinstance(e, Answer)), None)

    @property
    def is_unanswered(self) -> bool:
        """Tell whether the daemon left something out, which ended the conversation."""
        return self.answer is not None and self.answer.error.startswith(NOTHING)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The signals."""
        return tuple(event for event in self.events if isinstance(event, Notice))


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation as a daemon answered it."""

    exchanges: tuple[Exchange, ...]
    strays: tuple[Notice, ...] = ()  # signals that belong to no exchange
