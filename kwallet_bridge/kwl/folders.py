# SPDX-License-Identifier: GPL-3.0-or-later
"""Where KDE's daemons keep wallet files."""

from __future__ import annotations

import os
from pathlib import Path


def list_wallet_folders() -> list[Path]:
    """Name the folders where KDE's daemons of today keep wallets, there or not."""
    default = Path.home() / ".local" / "share"
    data_home = Path(os.environ.get("XDG_DATA_HOME") or default)
    bases = [data_home if data_home.is_absolute() else default, default]
    return [base / "kwalletd" for base in dict.fromkeys(bases)]
