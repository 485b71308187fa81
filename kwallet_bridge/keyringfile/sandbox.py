# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether we ourselves live in a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def is_sandboxed(environ: Mapping[str, str], root: Path) -> bool:
    """Tell whether we run in a Flatpak or Snap, as libsecret tells."""
    return (root / ".flatpak-info").exists() or bool(environ.get("SNAP_NAME"))
