# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/reference/kwallet-bridge.1; run it after changing a command's arguments."""

from __future__ import annotations

from pathlib import Path

from kwallet_bridge.cli.manpage import PAGE_NAME, render

PAGE = Path(__file__).parent.parent / "docs/reference" / PAGE_NAME

if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
