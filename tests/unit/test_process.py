# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import platform
import subprocess
import sys

from support.paths import ROOT

PROBE = """\
import mmap, subprocess, sys
from kwallet_bridge.daemon.process import harden
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
