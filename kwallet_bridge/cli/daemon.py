# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge daemon``: serve the KWallet names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge import log
from kwallet_bridge.daemon.process import load_lean, return_memory
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    import argparse

    from kwallet_bridge.keyringfile.sources import KeyRequest
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.withdrawal import Withdrawal


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--store",
        default="auto",
        metavar="auto|secret-service|file[:PATH]|oo7-file:PATH",
        help="where entries are kept (default: the Secret Service, else an encrypted file)",
    )
    parser.add_argument(
        "--store-password-file",
        type=Path,
        metavar="F",
        help="read the encrypted file's password from F instead of asking; nobody else may be "
        "able to read F, and one line feed at its end is left out",
    )
    parser.add_argument(
        "--name",
        action="append",
        choices=BUS_NAMES,
        help="own only this name; may be repeated (default: all)",
    )
    parser.add_argument(
        "--access-dialog",
        metavar="PROGRAM",
        help="ask with this program what Prompt on Open asks (default: our own dialog)",
    )
    parser.add_argument(
        "--password-window",
        metavar="PROGRAM",
        help="ask for passwords with this program (default: our own window)",
    )
    parser.add_argument(
        "--secret-portal",
        action="store_true",
        help="be the backend of the Secret portal too, which gives sandboxed programs the secrets "
        "that KDE's daemon kept for them",
    )
    parser.add_argument(
        "--log-level",
        choices=log.LEVELS,
        default="warning",
        help="how much standard error is told (default: warning)",
    )


def execute(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    log.configure(args.log_level)
    load_lean()
    return_memory()
    return _serve(args)


def _serve(args: argparse.Namespace) -> int:
    # What these load must find what was loaded lean.
    from kwallet_bridge.daemon.app import Options, run  # noqa: PLC0415
    from kwallet_bridge.daemon.asker import OWN_DIALOG  # noqa: PLC0415
    from kwallet_bridge.daemon.passwords import OWN_WINDOW  # noqa: PLC0415
    from kwallet_bridge.daemon.stores import FileOptions  # noqa: PLC0415

    options = Options(
        store=args.store,
        names=tuple(args.name or BUS_NAMES),
        file=FileOptions(password_file=args.store_password_file, ask=_ask, can_ask=_can_ask),
        access_dialog=(args.access_dialog,) if args.access_dialog else OWN_DIALOG,
        password_window=(args.password_window,) if args.password_window else OWN_WINDOW,
        secret_portal=args.secret_portal,
    )
    run(options)
    return 0


def _can_ask() -> bool:
    from kwallet_bridge.cli.passwords import can_ask_person  # noqa: PLC0415  rare

    return can_ask_person()


def _ask(request: KeyRequest, withdrawal: Withdrawal) -> Secret:
    """Ask a person for a keyring file's password; for a new one, twice."""
    from kwallet_bridge.cli.passwords import (  # noqa: PLC0415  rare
        PasswordSource,
        Prompt,
        ask_new_password,
        ask_password,
    )

    person = PasswordSource(withdrawal=withdrawal)
    if request.new:
        return ask_new_password(request.label, source=person)
    wrong = "That did not open it. " if request.again else ""
    return ask_password(Prompt(f"{wrong}Password of wallet", request.label), source=person)
