# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import os
import platform
import resource
import subprocess
import sys

import pytest
from support.paths import ROOT

from kwallet_bridge.cli.main import COMMANDS, run

PROBE = """\
import mmap, subprocess, sys
from kwallet_bridge.hardening import harden
TRY = "import mmap\\ntry: mmap.mmap(-1, 4096, prot=7); print('may')\\nexcept OSError: print('may not')"
exec(TRY)
harden()
exec(TRY)
sys.stdout.flush()
subprocess.run([sys.executable, "-c", TRY], check=True)
"""
KERNEL = tuple(int(number) for number in platform.release().split(".")[:2])


def test_only_the_service_itself_can_make_no_code() -> None:
    """From Linux 6.6 on a hardened process cannot both write and execute memory; a child can."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    hardened = "may not" if KERNEL >= (6, 6) else "may"
    assert done.stdout.split("\n") == ["may", hardened, "may", ""]


COMMAND_LINES = {
    "daemon": [],
    "inspect": ["a.kwl"],
    "doctor": [],
    "status": [],
    "monitor": [],
    "migrate": [],
    "copy": ["--from", "file:/a", "--to", "file:/b"],
    "repair": [],
    "session": ["status"],
    "store": ["show"],
    "gui": ["assistant"],
}
HOLDS_NONE = {"status", "monitor", "session"}
LOOK = """\
import ctypes, os, resource, sys
from importlib import import_module
from kwallet_bridge.cli import main
def look(args):
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
    print(dumpable, *resource.getrlimit(resource.RLIMIT_CORE), oct(os.umask(0)))
    return 0
name = sys.argv[1]
(module,) = [command.module for command in main.COMMANDS if command.name == name]
import_module(f"kwallet_bridge.cli.{module}").execute = look
main.run(sys.argv[1:])
"""


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_that_can_hold_a_secret_is_closed(name: str) -> None:
    """Before a command does anything its process is closed, dumps no core, and writes for itself."""
    unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1]
    done = subprocess.run(
        [sys.executable, "-c", LOOK, name, *COMMAND_LINES[name]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        umask=0o022,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (unlimited, unlimited)),
    )
    if name in HOLDS_NONE:
        assert done.stdout == f"1 {unlimited} {unlimited} 0o22\n"
    else:
        assert done.stdout == "0 0 0 0o77\n"


GLANCE = """\
import ctypes
from kwallet_bridge.hardening import harden, visible
dumpable = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
with visible():
    print(dumpable())
print(dumpable())
harden()
one, other = visible(), visible()
one.__enter__()
other.__enter__()
one.__exit__(None, None, None)
print(dumpable())
other.__exit__(None, None, None)
print(dumpable())
try:
    with visible():
        raise ValueError
except ValueError:
    print(dumpable())
"""


def test_what_was_shown_for_a_moment_is_closed_again() -> None:
    """A hardened process is visible until the last of those who need it is done, errors or not."""
    done = subprocess.run(
        [sys.executable, "-c", GLANCE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1", "1", "0", "0"]


def test_a_command_run_by_a_test_leaves_the_tests_process_alone() -> None:
    """Its mask would make the folders of later tests private, and its limits end their children."""
    libc = ctypes.CDLL(None)
    mask = os.umask(0o022)
    try:
        before = libc.prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)
        run(["inspect", "/nonexistent/a.kwl"])
        assert (libc.prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)) == before
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)
