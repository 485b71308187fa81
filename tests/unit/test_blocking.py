# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch for calls that block the event loop works, here and in the daemons that tests start."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import blocking
from support.paths import ROOT

from kwallet_bridge.keyringfile import file

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS = """
import asyncio, pathlib
from kwallet_bridge.keyringfile import file
async def main():
    file.find_stamp(pathlib.Path("/nowhere"))
asyncio.run(main())
"""


async def test_a_blocking_call_is_noticed(tmp_path: Path) -> None:
    """The library is installed, the hooks are in place, and catching the error hides nothing."""
    assert blocking.is_available(), "run ./dev setup: blockbuster is missing"
    with pytest.raises(Exception, match=r"os\.lstat|os\.stat"):
        file.find_stamp(tmp_path)
    (found,) = blocking.take_found()
    assert "keyringfile/file.py" in found


def test_a_call_outside_of_the_loop_is_none(tmp_path: Path) -> None:
    """Commands and worker threads may wait for the disk."""
    assert file.find_stamp(tmp_path) is not None
    assert not blocking.take_found()


def test_a_daemon_watches_itself(tmp_path: Path) -> None:
    """A process started as daemons of tests are puts down what it did; a command does not."""
    report = tmp_path / "report"
    path = f"{ROOT}:{blocking.WATCHED}"
    env = {"PYTHONPATH": path, blocking.REPORT_VARIABLE: str(report)}
    for word, code in (("migrate", 0), ("daemon", 1)):
        command = [sys.executable, "-c", BLOCKS, word]
        assert not report.exists()
        assert subprocess.run(command, env=env, check=False, capture_output=True).returncode == code
    assert "keyringfile/file.py" in report.read_text()


def test_what_is_allowed_says_why() -> None:
    """Each exception has a reason, and names a file of ours or the standard library."""
    for file_name, functions, why in blocking.ALLOWED:
        assert functions
        assert len(why.split()) > 2
        if file_name.startswith("kwallet_bridge/"):
            text = (ROOT / file_name).read_text(encoding="utf-8")
            assert all(f"def {function}(" in text for function in functions)
