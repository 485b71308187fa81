# SPDX-License-Identifier: GPL-3.0-or-later
"""Notice calls that block while the event loop runs, in this process or in a daemon of a test.

The library patches the functions; a call of one from our package while a loop runs raises. Our
code may catch that, so each is also put down, and tests look at what was put down.
"""

from __future__ import annotations

import os
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

REPORT_VARIABLE: Final = "KWB_BLOCKING_REPORT"
"""Names the file where a daemon puts down what it did; it watches itself where this is set."""
WATCHED: Final = Path(__file__).parent / "watched"
"""A folder for PYTHONPATH: it makes a Python program watch itself."""
BLOCKING: Final = (
    "builtins.open",
    "fcntl.flock",
    "fcntl.lockf",
    "io.open",
    "os.access",
    "os.fsync",
    "os.link",
    "os.listdir",
    "os.lstat",
    "os.mkdir",
    "os.open",
    "os.readlink",
    "os.remove",
    "os.rename",
    "os.replace",
    "os.rmdir",
    "os.scandir",
    "os.stat",
    "os.statvfs",
    "os.symlink",
    "os.unlink",
    "time.sleep",
)
UNLESS_NON_BLOCKING: Final = ("os.read", "os.write")
"""These block only on descriptors that were not made not to."""
SERVING: Final = ("bus", "daemon", "keyringfile", "secretservice", "store", "wallet", "wire")
"""What runs in the daemon's loop. The commands have loops of their own, where nobody else waits."""
ALLOWED: Final[tuple[tuple[str, tuple[str, ...], str], ...]] = (
    (
        "/logging/__init__.py",
        ("handle", "formatException"),
        "a log line goes to standard error at once, and its traceback quotes source files",
    ),
    ("/traceback.py", ("format_stack", "extract_stack", "extract"), "quotes source files"),
    ("/linecache.py", ("updatecache", "checkcache"), "quotes source files"),
    (
        "asyncio/base_events.py",
        ("subprocess_exec",),
        "asyncio starts a child from the loop: a fork and a pipe that its exec closes",
    ),
    (
        "kwallet_bridge/cli/stores.py",
        ("__init__",),
        "a command's own loop, in which nobody else waits",
    ),
    (
        "kwallet_bridge/wire/program.py",
        ("glance",),
        "the kernel's own /proc, which answers out of memory, for the log's line of a new peer",
    ),
    (
        "kwallet_bridge/daemon/app.py",
        ("serve",),
        "before the names are owned nobody waits for an answer",
    ),
)
"""Where a call may block: the end of a file's name, functions on the stack there, and why."""

_found: list[str] = []
_reports: list[Path | None] = []


def is_available() -> bool:
    """Return whether the library is installed."""
    return find_spec("blockbuster") is not None


def is_active() -> bool:
    """Return whether this process watches itself, and so those that it starts should."""
    return bool(_reports)


def activate(report: Path | None = None) -> None:
    """Watch this process from now on; put down what is found in ``report`` too."""
    blockbuster = import_module("blockbuster.blockbuster")

    class RecordedError(Exception):
        """A blocking call that is put down."""

        def __init__(self, name: str) -> None:
            super().__init__(f"blocking call of {name} in the event loop")
            line = f"{name} from {_describe_stack()}"
            _found.append(line)
            if report is not None:
                with report.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")

    _reports.append(report)
    vars(blockbuster)["BlockingError"] = RecordedError
    for name in BLOCKING:
        _watch(blockbuster, name)
    for name in UNLESS_NON_BLOCKING:
        _watch(blockbuster, name, can_block_predicate=_never_blocks)


def _watch(library: Any, name: str, **how: Any) -> None:
    allowed = [(file, functions) for file, functions, _ in ALLOWED]
    scanned = []
    for folder in SERVING:
        package = ModuleType(folder)  # not imported: a daemon loads only what it needs
        package.__path__ = [str(ROOT / "kwallet_bridge" / folder)]
        scanned.append(package)
    library.BlockBusterFunction(
        None, name, scanned_modules=scanned, can_block_functions=allowed, **how
    ).activate()


def _never_blocks(descriptor: int, *_: object) -> bool:
    return not os.get_blocking(descriptor)


def take_found() -> list[str]:
    """Return what was found in this process since the last time."""
    found = list(_found)
    _found.clear()
    return found


def _describe_stack() -> str:
    frames: Iterable[traceback.FrameSummary] = traceback.extract_stack(limit=40)
    ours = [
        f"{frame.filename.rpartition('kwallet_bridge/')[2]}:{frame.lineno} {frame.name}"
        for frame in frames
        if "kwallet_bridge/" in frame.filename
    ]
    return " < ".join(reversed(ours[-6:]))
