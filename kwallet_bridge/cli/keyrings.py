# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions about a wallet in whose place another keyring is, and moving to another store."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from kwallet_bridge.cli import copy
from kwallet_bridge.cli.passwords import PasswordSource
from kwallet_bridge.cli.stores import SECRET_SERVICE, StoreOpener
from kwallet_bridge.cli.text import say
from kwallet_bridge.config import read_settings
from kwallet_bridge.errors import UsageError
from kwallet_bridge.migrate.model import Policy
from kwallet_bridge.model import WalletName
from kwallet_bridge.statefile import StoreKind, load, state_path, update
from kwallet_bridge.store.mark import identity_query
from kwallet_bridge.store.note import forget_wallet, read_notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kwallet_bridge.statefile import Decision, State
    from kwallet_bridge.store.note import Note


def add_transfer_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what taking entries along can be told."""
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop")
    parser.add_argument(
        "--on-conflict",
        choices=[policy.value for policy in Policy],
        default=Policy.SKIP.value,
        help="what becomes of an entry whose place holds another value (default: skip)",
    )
    parser.add_argument(
        "--from-password-file", metavar="F|-|fd:N", help="the password of the source's file"
    )
    parser.add_argument(
        "--to-password-file", metavar="F|-|fd:N", help="the password of the destination's file"
    )


def spec_of(decision: Decision) -> str:
    """Return how ``--to`` and ``--from`` name the store of a decision."""
    if decision.kind is StoreKind.PROVIDER:
        return SECRET_SERVICE
    kind = "oo7-file" if decision.extra.get("for_oo7") else "file"
    return f"{kind}:{decision.path}"


def accept(environ: Mapping[str, str], wallet: str | None) -> None:
    """Go on without what the keyring in a wallet's place lacks.

    Raises:
        UsageError: Nothing waits for that decision.
        StateError: The state file cannot be used.
    """
    name, is_default = _named(environ, wallet)

    def change(state: State) -> State:
        _require_undecided(read_notes(state, name, is_default=is_default))
        return forget_wallet(state, name, is_default=is_default)

    update(state_path(environ), change)
    say("decided: the wallet starts anew with what the present keyring holds")
    say("what the former one held stays in it, wherever it is")


def take_along(environ: Mapping[str, str], args: argparse.Namespace, serving: str) -> int:
    """Copy what the former keyring held into the one that is in its place now.

    Raises:
        UsageError: Nothing waits for that decision, or the former keyring is not found.
        StateError: The state file cannot be used.
    """
    name, is_default = _named(environ, args.wallet)
    notes = read_notes(load(state_path(environ)), name, is_default=is_default)
    _require_undecided(notes)
    origin = args.origin or _other_spelling(environ, serving)
    opener = StoreOpener(origin, PasswordSource(args.from_password_file))
    opener.require()
    label = asyncio.run(_find_former(opener, notes, name))
    return _copy(args, [label, "--entries-only", "--collection", name], origin, serving)


def move(args: argparse.Namespace, origin: str, target: str) -> int:
    """Copy everything from the store that serves into another one; return the exit code."""
    if origin == target:
        raise UsageError("this store serves already")
    code = _copy(args, [], origin, target)
    if code:
        say("not everything has arrived: the store that served goes on serving", error=True)
    return code


def _named(environ: Mapping[str, str], wallet: str | None) -> tuple[WalletName, bool]:
    default = read_settings(environ).default_wallet
    return WalletName(wallet or default), (wallet or default) == default


def _require_undecided(notes: Sequence[Note]) -> None:
    if not any(note.undecided_since for note in notes):
        raise UsageError("nothing waits for a decision about this wallet")


def _other_spelling(environ: Mapping[str, str], serving: str) -> str:
    """Name the provider that serves as a source: the former keyring may be another one of its."""
    address = environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    if serving != SECRET_SERVICE or not address:
        raise UsageError("--from is needed: the store in which the former keyring is")
    return f"{SECRET_SERVICE}@{address}"


async def _find_former(opener: StoreOpener, notes: Sequence[Note], name: WalletName) -> str:
    """Give the label of the collection with the wallet's mark, or else of the only likely one."""
    opened = await opener.open()
    try:
        boxes = await opened.backend.collections()
        marks = [note.mark for note in notes if note.mark]
        for box in boxes:
            if box.locked:
                await opened.backend.unlock(box.id)
            for mark in marks:
                if await opened.backend.search(box.id, identity_query(mark)):
                    return box.label
        labels = [box.label for box in boxes]
        if not opener.spec.startswith(SECRET_SERVICE) and len(labels) == 1:
            return labels[0]
        if not opener.spec.startswith(f"{SECRET_SERVICE}@") and name in labels:
            return name
    finally:
        await opened.close()
    raise UsageError(
        "the wallet's former keyring is not in this store; name the store with --from, or use"
        " kwallet-bridge copy for one without the wallet's mark"
    )


def _copy(args: argparse.Namespace, more: Sequence[str], origin: str, target: str) -> int:
    parser = argparse.ArgumentParser(prog="kwallet-bridge copy")
    copy.configure(parser)
    words = [*more, "--from", origin, "--to", target, "--on-conflict", args.on_conflict]
    if args.dry_run:
        words.append("--dry-run")
    for option in ("from_password_file", "to_password_file"):
        value = getattr(args, option)
        if value is not None:
            words += [f"--{option.replace('_', '-')}", value]
    return copy.execute(parser.parse_args(words))
