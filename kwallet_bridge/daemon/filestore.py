# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyring file as the daemon's store; imported only where a file is used."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.daemon.screen import WindowUnavailableError
from kwallet_bridge.errors import PasswordNeededError
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.loginslot import LoginPassword
from kwallet_bridge.keyringfile.portal import PortalPassword
from kwallet_bridge.keyringfile.sandbox import is_sandboxed
from kwallet_bridge.keyringfile.sources import (
    AskedPassword,
    FilePassword,
    KeyRequest,
    KeySource,
    find_credential,
    in_own_thread,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kwallet_bridge.daemon.stores import FileOptions
    from kwallet_bridge.secret import Secret
    from kwallet_bridge.withdrawal import Withdrawal

PAM_SALT = ".local/share/kwalletd/kdewallet.salt"
"""Below the home directory, whatever XDG_DATA_HOME says: where pam_kwallet5 looks for it."""


async def open_file(
    path: Path,
    environ: Mapping[str, str],
    options: FileOptions,
    *,
    for_oo7: bool = False,
    served: bool = False,
) -> KeyringFileBackend:
    """Open the keyring file at ``path``, as ``resolve_path`` gave it.

    ``for_oo7`` as oo7 writes it; ``served`` if it is known to have been there.
    """
    keys = await asyncio.to_thread(key_source, environ, options)
    return KeyringFileBackend(
        path,
        keys,
        label=options.label,
        files_content_type=for_oo7,
        served=served,
        opened=keys.note_opened if isinstance(keys, LoginPassword) else None,
        # What a file gives need not be kept: whoever needs it reads that file.
        keeper=None if isinstance(keys, FilePassword) else options.keeper,
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
    asked = AskedPassword(_in_window_first(options), can_ask=partial(_can_ask, options))
    if options.login_key is None:
        return asked
    salt = Path(environ.get("HOME") or Path.home()) / PAM_SALT
    return LoginPassword(asked, options.login_key, salt)


def _skips_windows() -> bool:
    return os.environ.get("SSH_ASKPASS_REQUIRE") in {"force", "prefer"}


async def _can_ask(options: FileOptions) -> bool:
    """Tell whether a window can be shown, or else a person be asked as the command line does."""
    if options.window is not None and not _skips_windows() and await options.can_show():
        return True
    return options.can_ask is not None and await asyncio.to_thread(options.can_ask)


def _in_window_first(options: FileOptions) -> Callable[[KeyRequest], Awaitable[Secret | None]]:
    """Ask in a window where one can be shown, else as the command line does."""
    aside = in_own_thread(options.ask or _ask_nobody)
    window = options.window
    if window is None or _skips_windows():
        return aside

    async def ask(request: KeyRequest) -> Secret | None:
        try:
            return await window(request)
        except WindowUnavailableError:
            return await aside(request)

    return ask


def _ask_nobody(request: KeyRequest, withdrawal: Withdrawal) -> Secret | None:
    del request, withdrawal
    raise PasswordNeededError("the keyring file needs a password; use --store-password-file")
