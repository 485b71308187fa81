# SPDX-License-Identifier: GPL-3.0-or-later
"""Offer the migration assistant by one desktop notification, once in a user's life."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from kwallet_bridge.bus.notifications import Notification
from kwallet_bridge.cli.notification import DEFAULT, notify
from kwallet_bridge.errors import WindowError
from kwallet_bridge.migrate.journal import journal_path
from kwallet_bridge.migrate.wallets import count_unmoved
from kwallet_bridge.session.decision import ask_running, served_store

if TYPE_CHECKING:
    from pathlib import Path

ACCEPT: Final = "assistant"
DECLINE: Final = "decline"


def offer() -> int:
    """Offer it if there is something to move and it was not offered before.

    Raises:
        WindowError: PyQt6 is missing, and with it the assistant.
    """
    record = journal_path().with_name("offered")
    if record.exists():
        return 0
    number = count_unmoved(os.environ, served_store(asyncio.run(ask_running()), os.environ))
    if not number:
        return 0
    texts = load_texts().offer_texts(number)
    actions = [(DEFAULT, texts.accept), (ACCEPT, texts.accept), (DECLINE, texts.decline)]
    what = Notification(texts.summary, texts.body, actions)
    if asyncio.run(notify(what, shown=lambda: _remember(record))) in {ACCEPT, DEFAULT}:
        start("gui", "assistant")
    return 0


def load_texts() -> Any:
    """Return the module of a notification's words.

    Raises:
        WindowError: PyQt6, which translates them, is missing.
    """
    try:
        return import_module("kwallet_bridge.gui.offer")
    except ImportError as error:
        raise WindowError(f"PyQt6 cannot be used: {error.msg}") from error


def start(*words: str) -> None:
    """Start a command of ours that nobody waits for."""
    command = [sys.executable, "-P", "-m", "kwallet_bridge", *words]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603


def _remember(record: Path) -> None:
    record.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    record.touch(mode=0o600)
