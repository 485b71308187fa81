# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/reference/calls.md from the table of calls; run it after changing wire/calls.py."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.wire.calls import CALLS, ERROR, INTERFACE, SIGNALS
from kwallet_bridge.wire.generations import GENERATIONS

if TYPE_CHECKING:
    from kwallet_bridge.wire.calls import Call

PAGE = Path(__file__).parent.parent / "docs/reference/calls.md"
# REUSE-IgnoreStart: the page's own licence line


def render() -> str:
    """Give the page."""
    lines = [
        "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->",
        "<!-- Made by scripts/calls_page.py from kwallet_bridge/wire/calls.py: change that, and run it. -->",
        f"# The calls and signals of `{INTERFACE}`",
        "",
        "Every name answers on every path; every signal is sent on every path.",
        "",
        "| name | path |",
        "| --- | --- |",
        *(f"| `{each.bus_name}` | `{each.path}` |" for each in GENERATIONS),
        "",
        "*Refused* is the answer to a bad handle or a denied application.",
        (
            "A handle that ended without any client's doing is neither: it is an error from all "
            "but `isOpen` and `close`, until the program opens the wallet again."
        ),
        "*Failed* is the answer when the store cannot be asked: locked, gone, refusing, too slow.",
        (
            "What exists elsewhere, such as in a wallet file that was not moved yet, is an error whatever "
            "the column says (docs/explanation/never-less.md)."
        ),
        "`error` is a D-Bus error, never a value that could be taken for an answer.",
        "",
        "| call | gives | refused | failed | what it does |",
        "| --- | --- | --- | --- | --- |",
        *(_row(call) for call in CALLS),
        "",
        "| signal | carries |",
        "| --- | --- |",
        *(f"| `{row.member}` | `{row.carries or '-'}` |" for row in SIGNALS),
    ]
    return "\n".join(lines) + "\n"


# REUSE-IgnoreEnd


def _row(call: Call) -> str:
    words = (inspect.getdoc(call.handler) or "").partition("\n")[0]
    takes = f"`{call.member}({call.takes})`"
    return (
        f"| {takes} | `{call.result or '-'}` | {_answer(call.refused)} | {_answer(call.failed)} "
        f"| {words} |"
    )


def _answer(value: object) -> str:
    if value is ERROR:
        return "error"
    return "-" if value is None else f"`{value!r}`"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
