# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of a process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def status(pid: int, field: str) -> int:
    """Give a number of ``/proc/PID/status``: VmRSS in KiB, voluntary_ctxt_switches, ..."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise KeyError(field)


def rss(pid: int) -> int:
    """Give a process's resident memory in KiB."""
    return status(pid, "VmRSS")


def wakeups(pid: int) -> int:
    """Count how often any thread of a process went to sleep of itself so far."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    total = 0
    for thread in threads:
        for line in (thread / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def wait_until(condition: Callable[[], bool], *, timeout: float = 30.0) -> None:
    """Look again until a condition holds that nobody announces.

    Raises:
        TimeoutError: It does not.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not come about")
        time.sleep(0.01)
