# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon over a provider that fails: every row of the table of faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fault.daemon_table import CASES
from fault.daemon_world import world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fault.daemon_case import Case
    from fault.daemon_world import World


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    """One daemon for all faults: each must leave it able to bear the next."""
    with world() as made:
        yield made


@pytest.fixture
def well(running: World) -> World:
    """The world, mended if the test before broke it."""
    if not running.is_well():
        running.heal()
    return running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_loses_nothing(well: World, case: Case) -> None:
    """What was acknowledged is there, what was not is reported failed, and the daemon serves on."""
    case.run(well)
