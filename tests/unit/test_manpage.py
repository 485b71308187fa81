# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from support.paths import ROOT

from kwallet_bridge.cli.main import run
from kwallet_bridge.cli.manpage import PAGE_NAME, render

if TYPE_CHECKING:
    from pathlib import Path

COMMITTED = ROOT / "docs/reference" / PAGE_NAME


def test_the_manual_is_what_the_commands_declare() -> None:
    """The page in the source tree is the rendering of today's commands."""
    assert COMMITTED.read_text("utf-8") == render()


def test_every_argument_is_explained() -> None:
    """No option or argument stands in the manual without a word about it."""
    lines = render().split("\n")
    terms = [number for number, line in enumerate(lines) if line == ".TP"]
    assert terms
    assert [lines[at + 1] for at in terms if lines[at + 2] in {"", ".", ".TP"}] == []


def test_a_package_gets_the_manual(tmp_path: Path) -> None:
    """``session install --system`` places the page, and ``uninstall --system`` removes it."""
    words = ["--system", "--prefix", "/usr", "--destdir", str(tmp_path)]
    page = tmp_path / "usr/share/man/man1" / PAGE_NAME
    assert run(["session", "install", *words]) == 0
    assert page.read_text("utf-8") == render()
    assert run(["session", "uninstall", *words]) == 0
    assert not page.exists()
