# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend for the ``keyring`` package: the Secret Service, or a keyring file where there is none.

What it stores the package's own Secret Service backend finds, and the other way round. The file's
password comes from the file that ``KEYRING_PROPERTY_PASSWORD_FILE`` names, from systemd's
credential, or in a sandbox from the Secret portal.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from keyring.backend import KeyringBackend, SchemeSelectable
from keyring.compat import properties
from keyring.credentials import SimpleCredential
from keyring.errors import InitError, KeyringLocked, PasswordDeleteError, PasswordSetError

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import BridgeError
from kwallet_bridge.keyring import _opening as opening
from kwallet_bridge.keyring import blocking
from kwallet_bridge.keyring._keyring import KeyringOpening
from kwallet_bridge.keyring.errors import (
    AbsentError,
    DismissedError,
    KeyringError,
    LockedError,
)
from kwallet_bridge.keyringfile.sandbox import is_sandboxed
from kwallet_bridge.keyringfile.sources import FilePassword, find_credential
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.statefile import StoreKind, load, state_path

if TYPE_CHECKING:
    from kwallet_bridge.keyring._opening import Opened
    from kwallet_bridge.keyringfile.sources import KeySource

__all__ = ["BridgeKeyring"]

_PROPERTY = "KEYRING_PROPERTY_PASSWORD_FILE"
_OVER_SERVICE = 4.5
"""Below the package's own backends of a Secret Service, which have 4.8 and 5."""
_OVER_FILE = 4.0


class BridgeKeyring(SchemeSelectable, KeyringBackend):
    """The Secret Service, or an encrypted keyring file where there is no provider."""

    appid = "Python keyring library"
    password_file = ""
    """The file that holds the keyring file's password; ``KEYRING_PROPERTY_PASSWORD_FILE``."""

    def __init__(self) -> None:
        """Take properties from the environment, as every backend does."""
        super().__init__()  # type: ignore[no-untyped-call]

    @properties.classproperty
    def priority(self) -> float:
        """Return how much it is to be preferred.

        Raises:
            RuntimeError: There is neither a provider nor a file whose password can be had.
        """
        if _has_service():
            return _OVER_SERVICE
        if _is_sandboxed() or _find_password(os.environ.get(_PROPERTY, "")) is not None:
            return _OVER_FILE
        raise RuntimeError("no Secret Service provider, and no password for a keyring file")

    def get_password(self, service: str, username: str) -> str | None:
        """Return a password; None if there is none."""
        with self._open() as keyring:
            found = keyring.search_items(self._query(service, username))
            return _read(found[0]) if found else None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a password, in place of an earlier one."""
        attributes = self._query(service, username, application=self.appid)
        label = f"Password for '{username}' on '{service}'"
        with self._open() as keyring:
            try:
                keyring.create_item(label, attributes, password)
            except KeyringError as error:
                raise PasswordSetError(str(error)) from error

    def delete_password(self, service: str, username: str) -> None:
        """Delete a password."""
        with self._open() as keyring:
            found = keyring.search_items(self._query(service, username))
            if not found:
                raise PasswordDeleteError("No such password!")
            try:
                found[0].delete()
            except KeyringError as error:
                raise PasswordDeleteError(str(error)) from error

    def get_credential(self, service: str, username: str | None) -> SimpleCredential | None:
        """Return a user's credential, or without a name that of any user; None if there is none."""
        name = self.schemes[self.scheme]["username"]
        with self._open() as keyring:
            for item in keyring.search_items(self._query(service, username)):
                return SimpleCredential(item.attributes().get(name, ""), _read(item))
        return None

    def _open(self) -> _Session:
        return _Session(self.password_file)


class _Session:
    """An open and unlocked keyring for one call; its troubles in the package's words."""

    def __init__(self, password_file: str) -> None:
        self._password_file = password_file
        self._keyring: blocking.Keyring | None = None

    def __enter__(self) -> blocking.Keyring:
        try:
            self._keyring = blocking.Keyring._start(  # noqa: SLF001  of our own package
                KeyringOpening(self._choose)
            )
            if self._keyring.is_locked():
                self._keyring.unlock()
        except (LockedError, DismissedError) as error:
            self.__exit__()
            raise KeyringLocked(str(error)) from error
        except KeyringError as error:
            self.__exit__()
            raise InitError(str(error)) from error
        return self._keyring

    def __exit__(self, *_: object) -> None:
        if self._keyring is not None:
            self._keyring.close()

    async def _choose(self) -> Opened:
        if await opening.is_in_sandbox():
            return await opening.open_portal_file(None)
        if await _service_is_there():
            return await opening.open_service(None)
        if await asyncio.to_thread(_is_providers):
            raise AbsentError("the Secret Service provider that served before is not there")
        keys = await asyncio.to_thread(_find_password, self._password_file)
        if keys is None:
            raise AbsentError("no Secret Service provider, and no password for a keyring file")
        return await opening.open_file_by(keys)


def _read(item: blocking.Item) -> str:
    if item.is_locked():
        item.unlock()
    return item.secret_text()


def _find_password(password_file: str) -> KeySource | None:
    if password_file:
        return FilePassword(Path(password_file).expanduser())
    return find_credential(os.environ)


def _is_providers() -> bool:
    """Return whether a provider keeps this person's secrets, even if it is late just now.

    A file in its stead would call absent what the provider holds.
    """
    state = load(state_path(os.environ))
    if state.decision is not None:
        return state.decision.kind is StoreKind.PROVIDER
    return bool(state.provider_served)


def _is_sandboxed() -> bool:
    return is_sandboxed(os.environ, Path("/"))


def _has_service() -> bool:
    if _is_sandboxed():
        return False
    return asyncio.run(_service_is_there())


async def _service_is_there() -> bool:
    try:
        bus = await BusConnection.connect()
    except BridgeError:
        return False
    backend = SecretServiceBackend(bus)
    try:
        return await backend.is_reachable()
    except BridgeError:
        return False
    finally:
        await backend.close()
        bus.close()
