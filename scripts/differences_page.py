# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/reference/differences.md; run it after changing tests/conformance/differences.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/reference/differences.md"

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from conformance.differences import render

if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
