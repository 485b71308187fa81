# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of faults: what happens, what must be seen, and how it is made to happen."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from fault import daemon_ends, daemon_special
from fault.daemon_case import EITHER, FAILED, MANY, Case, meet, row
from fault.daemon_deeds import DEEDS, Deed
from support.fake_provider import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fault.daemon_world import World

WORDS = {
    "before": "the provider dies before it acts on {0}",
    "during": "the provider dies when it has acted on {0} and not answered",
    "after": "the provider dies when it has answered {0}",
    "error": "the provider answers {0} with an unknown error",
    "type": "the provider answers {0} with a value of a wrong type",
}


def _arm(member: str, how: str) -> Callable[[World], None]:
    faults = {
        "before": [Fault(die="before")],
        "during": [Fault(die="during")],
        "after": [Fault(die="after")],
        "error": [Fault(error="org.example.Odd")] * MANY,
        "type": [Fault(reply=("i", [5]), act=False)] * MANY,
    }[how]
    return lambda world: world.fake.fail(member, *faults)


def _expected(deed: Deed, member: str, how: str) -> str:
    if how == "after":
        return EITHER
    if (deed.name, member) in UNNEEDED:
        return EITHER
    return FAILED


# What a deed can do without: its failure need not be the deed's.
UNNEEDED = {
    ("create a wallet", "CreateItem"),
    ("close a wallet for good", "Lock"),
}


def _crosses() -> Iterator[Case]:
    for deed in DEEDS:
        for member in deed.asks:
            for how in ("before", "during", "after", "error", "type"):
                if member == "Prompt" and how in {"during", "after", "type"}:
                    continue  # the answer to Prompt says nothing; the prompts' own rows do
                expected = _expected(deed, member, how)
                yield row(
                    f"{deed.name}, {member}, {how}",
                    f"{deed.name}: {WORDS[how].format(member)}",
                    expected,
                    functools.partial(meet, deed=deed, arm=_arm(member, how), expected=expected),
                )


CASES = (*_crosses(), *daemon_special.CASES, *daemon_ends.CASES)
