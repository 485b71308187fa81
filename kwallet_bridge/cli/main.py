# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the command, run it, turn our errors into exit codes.

Each command is a module of this package with ``configure(parser)``, which declares its arguments,
and ``execute(args)``, which does the work and returns the exit code. Modules are imported when
their command is asked for, so that the daemon starts without the migrator's code.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from kwallet_bridge import __version__
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BridgeError
from kwallet_bridge.hardening import harden

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Command:
    """A word on the command line, the module behind it, and its line in the help."""

    name: str
    module: str
    summary: str
    may_hold_secrets: bool = True
    """Then its process is hardened before it does anything."""
    shows_windows: bool = False


COMMANDS = (
    Command("daemon", "daemon", "serve the KWallet names on the session bus"),
    Command("inspect", "inspect", "show what a .kwl wallet file holds"),
    Command("doctor", "doctor", "look for what keeps programs from their wallets"),
    Command(
        "status",
        "status",
        "show wallets, who uses them, and who was refused",
        may_hold_secrets=False,
    ),
    Command(
        "monitor",
        "monitor",
        "show live which programs call, and how it ends",
        may_hold_secrets=False,
    ),
    Command("migrate", "migrate", "move wallets into your provider or a keyring file"),
    Command("copy", "copy", "copy or move everything from one store to another"),
    Command(
        "repair", "repair", "make entries left by other migrations readable for KDE's programs"
    ),
    Command(
        "session",
        "session",
        "switch this session over to the bridge, or back",
        may_hold_secrets=False,
    ),
    Command("store", "store", "show which store serves, or decide for another one"),
    Command("gui", "gui", "show a window: status, or the migration assistant", shows_windows=True),
)
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
ABOUT = "Keep what KDE programs store in KWallet in your Secret Service provider."


def _build_parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kwallet-bridge", description=ABOUT)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.summary, description=command.summary)
        if command.name == chosen:
            import_module(f"kwallet_bridge.cli.{command.module}").configure(sub)
    return parser


def make_parser(command: Command) -> argparse.ArgumentParser:
    """Make the parser of one command alone."""
    parser = argparse.ArgumentParser(prog=f"kwallet-bridge {command.name}")
    import_module(f"kwallet_bridge.cli.{command.module}").configure(parser)
    return parser


def run(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code, having told errors on standard error."""
    chosen = next((word for word in argv if not word.startswith("-")), None)
    args = _build_parser(chosen).parse_args(argv)
    command = next(command for command in COMMANDS if command.name == args.command)
    if command.may_hold_secrets:
        harden(may_compile=command.shows_windows)
    try:
        code = int(import_module(f"kwallet_bridge.cli.{command.module}").execute(args))
        sys.stdout.flush()
        return code
    except BridgeError as error:
        say(f"kwallet-bridge {command.name}: {error}", error=True)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
