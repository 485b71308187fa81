# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a daemon that a test starts watch itself for blocking calls; see ``support.blocking``."""

import os
import sys
from pathlib import Path

if report := os.environ.get("KWB_BLOCKING_REPORT"):
    sys.path.append(str(Path(__file__).parents[2]))
    from support.blocking import activate, is_available

    if is_available():
        activate(Path(report))
