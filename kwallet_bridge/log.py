# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging that can be pasted into a bug report.

No secret and no private name is ever logged; where two lines must be seen to be about one wallet or
entry, :func:`mask` gives a word that is the same within one run and means nothing after it.
"""

from __future__ import annotations

import logging
import os
import sys

from kwallet_bridge.text import printable

LEVELS = ("error", "warning", "info", "debug")
_KEY = os.urandom(32)


def configure(level: str) -> None:
    """Log to standard error, where systemd's journal or a terminal takes it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_escape)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The engine's messages print bodies; its debug output is not for us.
    logging.getLogger("dbus_fast").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _escape(record: logging.LogRecord) -> bool:
    """Let every record through, as one line that steers no terminal."""
    record.msg, record.args = printable(record.getMessage()), None
    return True


def mask(*names: str) -> str:
    """Give a word that stands for these names in this run's log."""
    import hashlib  # noqa: PLC0415  loads OpenSSL

    digest = hashlib.blake2b(key=_KEY, digest_size=4)
    for name in names:
        raw = name.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()
