# SPDX-License-Identifier: GPL-3.0-or-later
"""One row of the table of faults, and how a fault is met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault.daemon_deeds import Deed
    from fault.daemon_world import World

FAILED = "reported failed"
EITHER = "answered rightly or reported failed"
RIGHT = "answered rightly"
AGAIN = "; nothing acknowledged is lost; served again within 1 s"
MANY = 40  # more calls than any deed makes


@dataclass(frozen=True, slots=True)
class Case:
    """One row. ``run`` makes the fault, fails when it is badly borne, and tells what was seen."""

    name: str
    fault: str
    expected: str
    run: Callable[[World], str]


def row(name: str, fault: str, expected: str, run: Callable[[World], str]) -> Case:
    """Make a row; what is expected of all is added."""
    return Case(name, fault, expected + AGAIN, run)


def meet(
    world: World,
    deed: Deed,
    arm: Callable[[World], None],
    *,
    expected: str,
    heal: Callable[[World], None] | None = None,
) -> str:
    """Do a deed while something fails, and judge all that a client can see of it.

    Without ``heal`` the provider is replaced afterwards.
    """
    before = world.begin()
    deed.prepare(world, arm)
    answer = deed.judge(deed.do(world))
    failed = answer != "the right answer"
    if expected != EITHER:
        assert failed == (expected == FAILED), f"{deed.member}: {answer}"
    if heal is not None:
        heal(world)
    world.serve_again(restart=heal is None)
    world.compare(before, deed.change(before), done=not failed)
    world.check_log()
    return answer
