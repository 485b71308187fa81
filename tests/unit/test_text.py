# SPDX-License-Identifier: GPL-3.0-or-later
"""What others chose steers no terminal, wherever it is shown."""

from __future__ import annotations

import ast
import io
import logging
from typing import TYPE_CHECKING

from support.paths import ROOT

from kwallet_bridge import log
from kwallet_bridge.cli.text import say
from kwallet_bridge.session.census import Owner
from kwallet_bridge.session.findings import Finding, Status
from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

HOSTILE = "\x1b]0;x\x07\x1b[2J\r\n\u202egnp.\u200b\ud800\x9b1m"
HARMLESS = "\\x1b]0;x\\x07\\x1b[2J\\r\\n\\u202egnp.\\u200b\\ud800\\x9b1m"


def test_it_is_one_line_of_letters() -> None:
    """Controls, line ends, what turns or hides letters and broken text are written as escapes."""
    assert printable(HOSTILE) == printable(printable(HOSTILE)) == HARMLESS
    assert printable("ein Schlüsselbund, 鍵") == "ein Schlüsselbund, 鍵"


def test_a_line_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """However hostile, each line stays one, on both streams."""
    say("a", HOSTILE)
    say(HOSTILE, error=True)
    say()
    assert tuple(capsys.readouterr()) == (f"a\n{HARMLESS}\n", f"{HARMLESS}\n")


def test_owners_and_findings_are_harmless() -> None:
    """A program that calls itself by escapes is shown, and told of in findings, without them."""
    owner = Owner(":1.1", 7, (f"/usr/bin/{HOSTILE}",), HOSTILE)
    assert str(owner) == f"{HARMLESS} (pid 7, {HARMLESS})"
    finding = Finding("names", Status.PROBLEM, (HOSTILE, f"x {HOSTILE}"), f"run {HOSTILE}")
    assert finding.format().split("\n") == [
        f"problem  names: {HARMLESS}",
        f"         x {HARMLESS}",
        f"         -> run {HARMLESS}",
    ]


def test_a_log_line_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a log line quotes begins no other line and steers nothing; tracebacks stay readable."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    before = root.level
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    try:
        log.configure("warning")
        logging.getLogger("x").warning("from %s", HOSTILE)
    finally:
        root.setLevel(before)
    assert stream.getvalue() == f"WARNING x: from {HARMLESS}\n"


def prints() -> Iterator[tuple[str, ast.Call]]:
    """Find every call of print, by file."""
    for path in sorted((ROOT / "kwallet_bridge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if named and node.func.id == "print":  # type: ignore[attr-defined]
                yield path.name, node  # type: ignore[misc]


def test_nothing_is_printed_but_by_say_and_as_json() -> None:
    """Every print is of JSON, which escapes by itself, or the one in ``say``."""
    others = [name for name, call in prints() if "json.dumps(" not in ast.unparse(call)]
    assert others == ["text.py"]
