# SPDX-License-Identifier: GPL-3.0-or-later
"""Meet every fault and write docs/reference/faults.md; run it after changing the faults."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fault.__main__ import meet
from fault.daemon_page import PAGE, render

if __name__ == "__main__":
    PAGE.write_text(render(meet()), encoding="utf-8")
