# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie in the tree."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
EXPORTS = ROOT / "tests" / "exports"
