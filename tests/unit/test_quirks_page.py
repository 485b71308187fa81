# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

from support.paths import ROOT

from kwallet_bridge.secretservice.quirks import NAMES, PROGRAMS, ROWS
from kwallet_bridge.store.port import Quirks

PAGE = ROOT / "docs/reference/quirks.md"
COLUMNS = ("gnome-keyring", "keepassxc", "ksecretd", "kwalletd6", "oo7", "")


def test_the_page_says_what_the_rows_say() -> None:
    """The reference page lists every field with every provider's value."""
    lines = [line.split("|")[1:-1] for line in PAGE.read_text("utf-8").splitlines()]
    shown = {
        cells[0].strip(" `"): [cell.strip() == "yes" for cell in cells[1:7]]
        for cells in lines
        if len(cells) == 8 and cells[1].strip() in {"yes", "no"}
    }
    assert shown == {
        field.name: [getattr(ROWS[column], field.name) for column in COLUMNS]
        for field in dataclasses.fields(Quirks)
    }


def test_whoever_is_recognised_has_a_row() -> None:
    """Names and programs lead to rows, and every named row can be reached."""
    assert {*NAMES, *PROGRAMS.values(), ""} == set(ROWS)
