# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a daemon that a test starts watch itself for blocking calls; see ``support.blocking``."""

import os
import sys
from pathlib import Path

# A command that the daemon starts has a loop of its own, in which nobody else waits.
if (report := os.environ.get("KWB_BLOCKING_REPORT")) and "daemon" in sys.orig_argv:
    sys.path.append(str(Path(__file__).parents[2]))
    from support.blocking import activate, is_available

    if is_available():
        activate(Path(report))
