# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference page of all faults, made from the table and from what one run saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fault.daemon_case import AGAIN
from fault.daemon_table import CASES
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fault.daemon_case import Case

PAGE = ROOT / "docs/reference/faults.md"
HEAD = """\
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Made by scripts/faults_page.py from tests/fault/daemon_table.py: change that, and run it. -->
# Faults, and what becomes of them

Each row was made to happen to a daemon process on a bus of its own, over a stand-in provider that misbehaves on demand or over gnome-keyring, and is a test (`tests/fault/test_daemon_faults.py`).
The third column is what the client that called was told, as seen in the run that wrote this page.

In every row, whatever the client was told: each value acknowledged before is read back byte for byte, a call that was answered rightly had its effect, a call that was reported failed left the old or the new value and nothing else, an open handle is still good or was announced closed, the daemon serves again within one second of the provider's return, its log at level `debug` holds no secret and no traceback.

"Reported failed" is what KWallet's clients take for failure: -1, false, or a D-Bus error where an empty answer could be taken for "there is no such secret".

"""


def columns(case: Case) -> tuple[str, str]:
    """Give what a row says besides what was seen."""
    return case.fault, case.expected.removesuffix(AGAIN)


def render(seen: Mapping[str, str]) -> str:
    """Write the page."""
    rows = ["| Fault | Expected | Seen |", "| --- | --- | --- |"]
    rows += [f"| {' | '.join((*columns(case), seen[case.name]))} |" for case in CASES]
    count = f"{len(CASES)} faults.\n\n"
    return HEAD + count + "\n".join(rows) + "\n"


def parse(text: str) -> Iterable[tuple[str, str]]:
    """Give the page's rows, without what was seen."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[2] not in {"Seen", "---"}:
            yield cells[0], cells[1]
