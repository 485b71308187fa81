# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge session``: switch over, switch back, show who answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BusLostError, SessionError, UsageError
from kwallet_bridge.session.census import KSECRETD, find_owner
from kwallet_bridge.session.decision import WORDS, ask_daemon, keep, read_kept, read_word
from kwallet_bridge.session.files import Places, PlannedFile, plan_files
from kwallet_bridge.session.kde_provider import require_ways_out
from kwallet_bridge.session.login_handover import check_login_handover
from kwallet_bridge.session.manifest import (
    forget,
    is_in_place,
    load_manifest,
    manifest_path,
    recover,
    restore,
)
from kwallet_bridge.session.packaging import install_package, uninstall_package
from kwallet_bridge.session.takeover import Takeover
from kwallet_bridge.statefile import MadeBy
from kwallet_bridge.wire.generations import BUS_NAMES

_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""Controls, and what stands for bytes that are no UTF-8."""

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from kwallet_bridge.statefile import Decision


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    install = actions.add_parser("install", help="answer the KWallet names from now on")
    install.add_argument("--dry-run", action="store_true", help="only show what would be done")
    install.add_argument(
        "--store",
        metavar=WORDS,
        help="which store serves (default: the provider that serves first is kept to)",
    )
    uninstall = actions.add_parser("uninstall", help="leave files and bus as they were found")
    status = actions.add_parser("status", help="show what is installed and who answers")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    actions.add_parser("start", help="have the bus start the service if it does not run")
    for action in (install, uninstall):
        action.add_argument("--system", action="store_true", help="write a package's files only")
        action.add_argument("--prefix", default="/usr", help="where the package lives (/usr)")
        action.add_argument("--destdir", default="/", help="put the files below this directory")
    for action in (install, uninstall, status):  # uninstall: with --system
        action.add_argument("--program", help="path of kwallet-bridge to be started")


def execute(args: argparse.Namespace) -> int:
    """Do what was asked."""
    if getattr(args, "system", False):
        return _package(args)
    try:
        if args.action == "uninstall" and not _reaches_bus():
            return _remove_files(os.environ)
        return asyncio.run(_act(args, os.environ))
    except OSError as error:
        raise SessionError(f"{error.filename or 'a file'}: {error.strerror}") from error


def _reaches_bus() -> bool:
    async def reach() -> bool:
        try:
            bus = await BusConnection.connect()
        except BusLostError:
            return False
        bus.close()
        return True

    return asyncio.run(reach())


def _remove_files(environ: Mapping[str, str]) -> int:
    """Put the files back where there is no session: nothing runs that would have to end."""
    record = manifest_path(environ)
    manifest = recover(record)
    if manifest is None:
        raise SessionError("nothing is installed for this user")
    left = restore(manifest)
    forget(record)
    count = len(manifest.before) - len(left)
    say(f"restored {count} paths; no session bus was there to be told")
    say(*(f"{path} holds what another program put there, and stays" for path in left))
    return 0


def _package(args: argparse.Namespace) -> int:
    prefix, destdir = Path(args.prefix), Path(args.destdir).absolute()
    if not prefix.is_absolute():
        raise UsageError("--prefix must be an absolute path")
    program = args.program or str(prefix / "bin/kwallet-bridge")
    planned = plan_files(Places.of_system(prefix), [program])
    page = import_module("kwallet_bridge.cli.manpage")  # it knows every command, this one too
    manual = prefix / "share/man/man1" / page.PAGE_NAME
    planned.append(PlannedFile(manual, page.render()))
    if args.action == "install" and args.dry_run:
        _show_plan(planned)
        return 0
    work = install_package if args.action == "install" else uninstall_package
    for path in work(planned, destdir):
        say(str(path))
    if args.action == "install" and destdir == Path("/"):
        _note_login()
    return 0


async def _act(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    record = manifest_path(environ)
    planned: list[PlannedFile] = []
    program = ""
    if args.action in {"install", "status"}:
        manifest = load_manifest(record) if args.action == "status" else None
        # Status is told of a program that is gone too.
        recorded = manifest.program if manifest and not args.program else ""
        program = recorded or find_program(args.program, sys.argv[0])
        planned = plan_files(Places.of_user(environ), [program])
    if args.action == "install" and args.dry_run:
        _show_plan(planned)
        return 0
    bus = await BusConnection.connect()
    try:
        if args.action == "status":
            return await _show_status(bus, planned, record, as_json=args.json)
        takeover = Takeover(bus, program=program, planned=planned, record=record, say=say)
        if args.action == "install":
            await _install(bus, takeover, args.store, environ)
            await _note_ksecretd(bus)
            await _note_store(bus)
            await asyncio.to_thread(_note_login)
        else:
            await {"uninstall": takeover.uninstall, "start": takeover.start}[args.action]()
    finally:
        bus.close()
    return 0


async def _install(
    bus: BusConnection, takeover: Takeover, word: str | None, environ: Mapping[str, str]
) -> None:
    """Install, and keep which store shall serve before the daemon starts."""
    chosen = read_word(word, environ, MadeBy.INSTALL) if word is not None else None
    kept = await asyncio.to_thread(read_kept, environ)
    offered = None
    # `session start`, which runs at every login, has no use for these and all that they load.
    from kwallet_bridge.cli.arriving import move_open_wallets, take_back  # noqa: PLC0415

    if chosen is None and kept is None:
        from kwallet_bridge.cli.ownfile import offer_file  # noqa: PLC0415

        offered = await offer_file(bus, environ)
    chosen = chosen or offered
    await require_ways_out(bus, chosen or kept, say=say)
    # While KDE's daemon still answers: what it has open needs no password.
    arrived = await move_open_wallets(chosen or kept)
    if arrived is not None:
        say(str(arrived))
    if chosen is not None:
        await asyncio.to_thread(_keep_surely, environ, chosen)
    try:
        await takeover.install()
    except BaseException:
        # KDE's daemon goes on, and what it changes from now on would be missing in the store.
        if arrived is not None and not await take_back(arrived):
            say(f"take back what was moved with kwallet-bridge migrate --undo {arrived.run}")
        if chosen is not None:
            await asyncio.to_thread(keep, environ, kept)
        if offered is not None:
            say(f"the encrypted file {offered.path} stays, with the password you gave")
        raise


def _keep_surely(environ: Mapping[str, str], decision: Decision) -> None:
    """Keep a decision, and read it back: what is taken over without it could serve elsewhere."""
    keep(environ, decision)
    kept = read_kept(environ)
    if kept is None or (kept.kind, kept.path) != (decision.kind, decision.path):
        raise SessionError("the decision for a store is not what was written; nothing was changed")


async def _note_store(bus: BusConnection) -> None:
    """Tell from which store the daemon that was just started serves."""
    status = await ask_daemon(bus, await find_owner(bus, BUS_NAMES[0]))
    if status is not None:
        say(f"store: {status.describe()}")
        if status.problem and status.kind:
            say(status.problem)


def _note_login() -> None:
    """Tell whether a login's key reaches us, and how it would; PAM's files stay the administrator's."""
    finding = check_login_handover()
    say(*(f"login: {line}" for line in finding.seen))
    if finding.next:
        say(finding.next)


def find_program(given: str | None, invoked: str) -> str:
    """Give the absolute path of the program the files shall start.

    Raises:
        UsageError: There is none that would run outside of this shell.
    """
    candidates = [given] if given else [invoked, "kwallet-bridge"]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found and not found.endswith("__main__.py"):
            path = str(Path(found).absolute())
            if _UNWRITABLE.search(path):
                raise UsageError("the path of kwallet-bridge has letters no unit file can hold")
            return path
    raise UsageError("kwallet-bridge is not installed as a program; give its path with --program")


def _show_plan(planned: list[PlannedFile]) -> None:
    for file in planned:
        state = "is there" if is_in_place(file) else "would be written"
        say(f"{file.path}: {state}")


async def _note_ksecretd(bus: BusConnection) -> None:
    owner = await find_owner(bus, KSECRETD)
    if owner is not None:
        say(f"{owner} was started at login and keeps running: it is a Secret Service provider")


@dataclass(frozen=True, slots=True)
class _Status:
    installed: bool
    files: dict[str, bool]
    owners: dict[str, str]


async def _show_status(
    bus: BusConnection, planned: list[PlannedFile], record: Path, *, as_json: bool
) -> int:
    owners = {name: await find_owner(bus, name) for name in BUS_NAMES}
    status = _Status(
        installed=(manifest := load_manifest(record)) is not None and manifest.done,
        files={str(file.path): is_in_place(file) for file in planned},
        owners={name: str(owner or "nobody") for name, owner in owners.items()},
    )
    if as_json:
        shown: dict[str, Any] = {name: getattr(status, name) for name in status.__slots__}
        print(json.dumps(shown, indent=1))
    else:
        say("installed for this user" if status.installed else "not installed for this user")
        for path, there in status.files.items():
            say(f"{'in place' if there else 'absent or changed'}: {path}")
        for name, owner in status.owners.items():
            say(f"{name}: {owner}")
    return 0
