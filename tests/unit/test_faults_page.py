# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from fault.daemon_page import PAGE, columns, parse
from fault.daemon_table import CASES


def test_the_page_lists_the_faults_that_are_tested() -> None:
    """The reference page has a row for each fault of the table, in its order, and no other."""
    assert list(parse(PAGE.read_text("utf-8"))) == [columns(case) for case in CASES]


def test_faults_have_names_of_their_own() -> None:
    """No two faults share a name, and there are at least sixty."""
    assert len({case.name for case in CASES}) == len(CASES) >= 60
