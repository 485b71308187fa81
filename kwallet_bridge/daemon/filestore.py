# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyring file as the daemon's store; imported only where a file is used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.daemon.sandbox import is_sandboxed
from kwallet_bridge.errors import PasswordNeededError
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.portal import PortalPassword
from kwallet_bridge.keyringfile.sources import (
    AskedPassword,
    FilePassword,
    KeyRequest,
    KeySource,
    find_credential,
    in_own_thread,
)
from kwallet_bridge.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kwallet_bridge.daemon.stores import FileOptions
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.withdrawal import Withdrawal


async def open_file(
    path: Path,
    environ: Mapping[str, str],
    options: FileOptions,
    *,
    for_oo7: bool = False,
    served: bool = False,
) -> EntryStore:
    """Open the keyring file at ``path``, as ``resolve_path`` gave it.

    ``for_oo7`` as oo7 writes it; ``served`` if it is known to have been there.
    """
    keys = await asyncio.to_thread(key_source, environ, options)
    return EntryStore(
        KeyringFileBackend(
            path,
            keys,
            label=options.label,
            files_content_type=for_oo7,
            served=served,
        )
    )


def key_source(environ: Mapping[str, str], options: FileOptions) -> KeySource:
    """Choose where the file's password comes from.

    A password file named on the command line, else systemd's credential, else in a sandbox the
    portal, else a person.
    """
    if options.password_file is not None:
        return FilePassword(options.password_file)
    credential = find_credential(environ)
    if credential is not None:
        return credential
    if is_sandboxed(environ, options.root):
        return PortalPassword(lambda: BusConnection.connect(options.bus_address, unix_fds=True))
    return AskedPassword(in_own_thread(options.ask or _ask_nobody))


def _ask_nobody(request: KeyRequest, withdrawal: Withdrawal) -> Secret | None:
    del request, withdrawal
    raise PasswordNeededError("the keyring file needs a password; use --store-password-file")
