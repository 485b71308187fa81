# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/reference/errors.md from the error tree; run it after changing errors.py."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge import errors
from kwallet_bridge.cli.main import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent.parent / "docs/reference/errors.md"
HEAD = """\
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Made by scripts/errors_page.py from kwallet_bridge/errors.py: change that, and run it. -->
# Exit codes and errors

Every command ends with 0 only if everything it was asked for is done.
Any other code is that of an error of this table; the error's name is what `--json` gives as `error`, and its message goes to standard error.
`inspect --json` gives the word of the last column instead, which is the same for every release.
Errors with one code call for the same reaction.
`docs/reference/report-schema.md` says which of them `migrate`, `copy` and `repair` choose when several things went wrong.

| code | error | meaning | `inspect` |
| --- | --- | --- | --- |
"""
OTHERS = (
    (0, "", "Everything is done, and nothing was left out."),
    (EXIT_INTERRUPTED, "", "Interrupted at the keyboard."),
    (EXIT_BROKEN_PIPE, "", "Nobody reads the output any more."),
)


def list_errors() -> Iterator[type[errors.BridgeError]]:
    """List every error class in the order of its definition."""
    for one in vars(errors).values():
        if inspect.isclass(one) and issubclass(one, errors.BridgeError):
            yield one


def _first_sentences(text: str) -> str:
    """Take a docstring's first paragraph, as Markdown."""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split()).replace("``", "`")


def render() -> str:
    """Give the page's text."""
    rows = [(code, name, meaning, "") for code, name, meaning in OTHERS]
    for one in list_errors():
        kind = one.kind if issubclass(one, errors.KwlError) else ""
        meaning = inspect.getdoc(one) or ""
        rows.append((one.exit_code, one.__name__, _first_sentences(meaning), kind))
    rows.sort(key=lambda row: row[0])
    lines = [
        f"| {code} | {f'`{name}`' if name else ''} | {meaning} | {f'`{kind}`' if kind else ''} |\n"
        for code, name, meaning, kind in rows
    ]
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
