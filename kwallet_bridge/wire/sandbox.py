# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sandbox a process lives in."""

from __future__ import annotations

from pathlib import Path

INFO = ".flatpak-info"


def flatpak_id(pid: int, *, proc: Path = Path("/proc")) -> str:
    """Give the Flatpak application of a process; "" for one outside of any sandbox.

    Raises:
        OSError: The process is gone, or the kernel does not let us look.
    """
    root = proc / str(pid) / "root"
    root.stat()
    try:
        text = (root / INFO).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    import configparser  # noqa: PLC0415  few callers live in a sandbox

    info = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        info.read_string(text)
    except configparser.Error:
        return "unknown"
    return info.get("Application", "name", fallback="unknown")
