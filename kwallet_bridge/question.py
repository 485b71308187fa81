# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon and the access dialog say to each other: one JSON object a line.

The daemon writes one question on the dialog's standard input and leaves it open; its end tells the
dialog to go away. The dialog answers on standard output: that it is seen, then what was decided, or
why nothing can be shown. ``docs/reference/access-dialog.md`` describes every field.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Final


class Decision(Enum):
    """What a person decided about one application and one wallet."""

    ONCE = "allow-once"
    ALWAYS = "allow-always"
    DENY = "deny"
    NEVER = "deny-always"

    @property
    def allows(self) -> bool:
        """Whether the open may go on."""
        return self in {Decision.ONCE, Decision.ALWAYS}

    @property
    def is_kept(self) -> bool:
        """Whether it holds for later opens too."""
        return self in {Decision.ALWAYS, Decision.NEVER}


UNKNOWN_SANDBOX: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants which wallet: the name claimed, and the program the kernel tells of."""

    wallet: str
    appid: str
    pid: int
    executable: str
    """Path of the program; "" where it is not certain."""
    flatpak: str
    """Flatpak application it runs in; "" outside of any, ``unknown`` if nobody vouches for it."""
    may_allow_always: bool = True
    """Whether kwalletrc lets the decision be kept."""
    may_deny_always: bool = True

    def to_line(self) -> str:
        """Write as one line."""
        return json.dumps({"type": "access"} | asdict(self)) + "\n"

    @classmethod
    def parse(cls, line: str) -> Question:
        """Read from one line.

        Raises:
            ValueError: It is no question.
        """
        found = json.loads(line)
        if not isinstance(found, dict) or found.pop("type", None) != "access":
            raise ValueError("not a question about access")
        try:
            question = cls(**found)
        except TypeError as error:
            raise ValueError("the question has other fields than it should") from error
        if any(type(getattr(question, name)) is not kind for name, kind in _KINDS):
            raise ValueError("a field of the question has another type than it should")
        return question

    def __repr__(self) -> str:
        return f"Question(pid={self.pid})"


_KINDS: Final = (
    ("wallet", str),
    ("appid", str),
    ("pid", int),
    ("executable", str),
    ("flatpak", str),
    ("may_allow_always", bool),
    ("may_deny_always", bool),
)


SHOWN: Final = "shown"
UNAVAILABLE: Final = "unavailable"
DECISION: Final = "decision"


def say(key: str, value: object) -> str:
    """Write one line of the dialog's answer."""
    return json.dumps({key: value}) + "\n"


def parse_answer(line: bytes) -> dict[str, Any]:
    """Read one line of the dialog's answer; {} for anything else, which the end is too."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Purpose(Enum):
    """What a password is asked for."""

    UNLOCK = "unlock"
    """To open the keyring file that wallets are kept in."""
    CREATE = "create"
    """For a keyring file that is to be made: chosen, and typed twice."""
    MOVE = "move"
    """To open one of KDE's wallet files, whose entries are to be moved."""


@dataclass(frozen=True, slots=True)
class WaitingProgram:
    """A program that waits for an answer: what it claims, and what is known of it."""

    appid: str
    """What it calls itself."""
    executable: str = ""
    """Path of the program that calls; "" where it is not certain."""
    flatpak: str = ""
    """Flatpak application it runs in; "" outside of any, ``unknown`` if nobody vouches for it."""
    application: str = ""
    """The application in whose name the desktop portal asks, which vouches for it; "" for none."""

    @classmethod
    def parse(cls, found: object) -> WaitingProgram:
        """Return the program that a question names.

        Raises:
            ValueError: It is none.
        """
        if not isinstance(found, dict) or any(type(each) is not str for each in found.values()):
            raise ValueError("a program of the question has another form than it should")
        try:
            return cls(**found)
        except TypeError as error:
            raise ValueError("a program of the question has other fields than it should") from error

    def __repr__(self) -> str:
        return "WaitingProgram(...)"


@dataclass(frozen=True, slots=True)
class PasswordQuestion:
    """Which password is wanted, why, and who waits for it."""

    purpose: Purpose
    wallet: str
    waiting: tuple[WaitingProgram, ...] = ()
    """Programs that wait for the answer, the first to ask first; none where a person began it."""
    more: int = 0
    """How many wait besides."""
    again: bool = False
    """Whether the last answer was wrong."""
    least: int = 0
    """How many bytes a chosen password needs."""
    may_start_without: bool = False
    """Whether the person may decide to go on without what the wallet file holds."""

    def to_line(self) -> str:
        """Return the question as one line."""
        return (
            json.dumps({"type": "password"} | asdict(self) | {"purpose": self.purpose.value}) + "\n"
        )

    @classmethod
    def parse(cls, line: str) -> PasswordQuestion:
        """Return the question of one line.

        Raises:
            ValueError: It is none.
        """
        found = json.loads(line)
        if not isinstance(found, dict) or found.pop("type", None) != "password":
            raise ValueError("not a question about a password")
        purpose, programs = Purpose(found.get("purpose")), found.get("waiting", ())
        try:
            waiting = tuple(WaitingProgram.parse(each) for each in programs)
            question = cls(**(found | {"purpose": purpose, "waiting": waiting}))
        except TypeError as error:
            raise ValueError("the question has other fields than it should") from error
        if any(type(getattr(question, name)) is not kind for name, kind in _PASSWORD_KINDS):
            raise ValueError("a field of the question has another type than it should")
        return question

    def __repr__(self) -> str:
        return f"PasswordQuestion({self.purpose}, again={self.again})"


_PASSWORD_KINDS: Final = (
    ("wallet", str),
    ("more", int),
    ("again", bool),
    ("least", int),
    ("may_start_without", bool),
)

PASSWORD: Final = "password"  # noqa: S105  a field
START_WITHOUT: Final = "start-without"
LATER: Final = "later"
