# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

from support.paths import ROOT

from kwallet_bridge.cli.manpage import PAGE_NAME

COMMITTED = ROOT / "docs/reference" / PAGE_NAME


def test_groff_finds_no_fault() -> None:
    """Formatting the page brings no warning."""
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-K", "utf8", str(COMMITTED)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
