# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell a person, by one notification, that a wallet was moved; and take it back if asked."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Final

from kwallet_bridge.bus.notifications import Notification
from kwallet_bridge.cli.notification import notify
from kwallet_bridge.cli.offer import load_texts, start
from kwallet_bridge.errors import UsageError

UNDO: Final = "undo"
_RUN: Final = re.compile(r"[A-Za-z0-9:_-]{1,64}")


def tell_moved() -> int:
    """Read ``{"run": …, "entries": …}`` from standard input, and tell it.

    Raises:
        UsageError: Standard input holds something else.
        WindowError: PyQt6 is missing, or the desktop shows no notifications.
    """
    try:
        found = json.loads(sys.stdin.readline())
        run, entries = found["run"], int(found["entries"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("standard input: no run that was finished") from error
    if not isinstance(run, str) or not _RUN.fullmatch(run):
        raise UsageError("standard input: no run's name")
    texts = load_texts().moved_texts(entries)
    what = Notification(texts.summary, texts.body, [(UNDO, texts.accept)])
    if asyncio.run(notify(what)) == UNDO:
        start("migrate", "--undo", run)
    return 0
