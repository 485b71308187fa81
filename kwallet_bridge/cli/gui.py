# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge gui``: the windows. PyQt6 is imported when one is asked for, not before."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kwallet_bridge.errors import UsageError, WindowError
from kwallet_bridge.question import UNAVAILABLE, PasswordQuestion, Question, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

WINDOWS = {
    "status": "who answers, which wallets there are, who uses them (this is the default)",
    "assistant": "move wallet files to your password store",
    "offer": "offer the assistant once, by a notification, if there are wallets to move",
    "moved": "tell by a notification that a wallet was moved, as standard input says",
    "access": "ask a question read from standard input; for the service",
    "password": "ask for a password, as a line on standard input says; for the service",
}

_QUESTIONS: dict[str, type[Question | PasswordQuestion]] = {
    "access": Question,
    "password": PasswordQuestion,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    words = "; ".join(f"{name}: {summary}" for name, summary in WINDOWS.items())
    parser.add_argument("window", nargs="?", choices=WINDOWS, default="status", help=words)


def execute(args: argparse.Namespace) -> int:
    """Show the window, or tell why it cannot be shown."""
    if args.window == "offer":
        return int(import_module("kwallet_bridge.cli.offer").offer())
    if args.window == "moved":
        return int(import_module("kwallet_bridge.cli.moved").tell_moved())
    question = _read_question(args.window) if args.window in _QUESTIONS else None
    try:
        app = _load_windows(os.environ)
    except WindowError as error:
        if question is not None:
            sys.stdout.write(say(UNAVAILABLE, str(error)))
        raise
    if isinstance(question, Question):
        return int(app.run_access(question))
    if question is not None:
        return int(app.run_password(question))
    return int(app.run_window(args.window))


def _read_question(window: str) -> Question | PasswordQuestion:
    # Through the descriptor: the end of the question's pipe is watched by the window later, and
    # nothing may be left in a buffer of ours.
    line = bytearray()
    while not line.endswith(b"\n") and (piece := os.read(sys.stdin.fileno(), 1)):
        line += piece
    try:
        return _QUESTIONS[window].parse(line.decode())
    except ValueError as error:
        raise UsageError(f"standard input: {error}") from None


def _load_windows(environ: Mapping[str, str]) -> Any:
    if not any(environ.get(name) for name in ("WAYLAND_DISPLAY", "DISPLAY", "QT_QPA_PLATFORM")):
        raise WindowError("there is no display (neither WAYLAND_DISPLAY nor DISPLAY is set)")
    try:
        return import_module("kwallet_bridge.gui.app")
    except ImportError as error:
        if (error.name or "").startswith("kwallet_bridge"):
            raise
        raise WindowError(f"PyQt6 cannot be used: {error.msg}") from error
