# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store serves, by the word of ``--store``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.config import Settings
from kwallet_bridge.daemon.sandbox import is_sandboxed
from kwallet_bridge.errors import UsageError
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.secretservice.names import BUS_NAME, BUS_NAME_VARIABLE
from kwallet_bridge.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.keyringfile.sources import KeyRequest
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.store.wallets import Store

AUTO = "auto"
SECRET_SERVICE = "secret-service"  # noqa: S105  a word on the command line
FILE = "file"
OO7_FILE = "oo7-file"
_DAEMON = "org.freedesktop.DBus"
_DAEMON_PATH = "/org/freedesktop/DBus"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What a keyring file needs to know besides its path.

    ``ask`` gets a password from a person, blocking; it gives None for "no".
    """

    password_file: Path | None = None
    ask: Callable[[KeyRequest], Secret | None] | None = None
    label: str = field(default_factory=lambda: Settings().default_wallet)
    bus_address: str | None = None
    root: Path = Path("/")


async def open_store(
    spec: str, *, bus: Bus, environ: Mapping[str, str], options: FileOptions | None = None
) -> Store:
    """Open the store that ``spec`` names.

    ``auto``, ``secret-service``, ``file``, ``file:PATH``, or ``oo7-file:PATH`` for a file that
    oo7-daemon shall go on with. ``auto`` is the Secret Service if one runs or can be started, and else, or in a sandbox, the
    file.

    Raises:
        UsageError: There is no such kind of store.
    """
    options = options or FileOptions()
    kind, colon, path = spec.partition(":")
    if kind == FILE and (path or not colon):
        return await _open_file(path, environ, options)
    if kind == OO7_FILE and path:
        return await _open_file(path, environ, options, for_oo7=True)
    if spec not in {AUTO, SECRET_SERVICE}:
        raise UsageError("--store takes auto, secret-service, file, file:PATH or oo7-file:PATH")
    if spec == AUTO and not await _serves_secrets(bus, environ, options):
        return await _open_file("", environ, options)
    return EntryStore(SecretServiceBackend(bus))


async def _serves_secrets(bus: Bus, environ: Mapping[str, str], options: FileOptions) -> bool:
    if is_sandboxed(environ, options.root):
        return False
    name = environ.get(BUS_NAME_VARIABLE) or BUS_NAME
    for member in ("ListNames", "ListActivatableNames"):
        (names,) = await bus.call(_DAEMON, _DAEMON_PATH, _DAEMON, member)
        if isinstance(names, list) and name in names:
            return True
    return False


async def _open_file(
    path: str, environ: Mapping[str, str], options: FileOptions, *, for_oo7: bool = False
) -> Store:
    # Most daemons never need it: 1.5 MB and a tenth of the start.
    from kwallet_bridge.daemon.filestore import open_file  # noqa: PLC0415

    return await open_file(path, environ, options, for_oo7=for_oo7)
