# SPDX-License-Identifier: GPL-3.0-or-later
"""A keyring file's password under the login's key, so that the file opens when a person logs in.

``FILE.login`` beside the file, readable by its owner: a JSON object with ``version``, ``salt`` (32
random bytes, hex), ``wallet_salt`` (SHA-256 of ``kdewallet.salt`` as it was, hex) and ``sealed``
(base64 of nonce and AES-256-GCM ciphertext). The key of the seal is HKDF-SHA256 of the 56 bytes that
``pam_kwallet5.so`` derives at login, over ``salt``. The keyring file itself knows nothing of it: it
stays one that libsecret and oo7 open by its password, and who deletes the slot loses only the
convenience.

A changed login password gives another key, and the slot stays shut: the person is asked once, for
the file's password or the former login password, and the slot is written anew. A changed
``kdewallet.salt`` gives another key too; then a former login password says nothing any more.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.ciphers import derive_hkdf_sha256, seal, unseal
from kwallet_bridge.kwl.kdf import USUAL_SALT_SIZE, derive_pbkdf2_key
from kwallet_bridge.regular import read_regular
from kwallet_bridge.saving import replace_file
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from kwallet_bridge.keyringfile.sources import KeyRequest, KeySource

SUFFIX = ".login"
_VERSION = 1
_SALT_SIZE = 32
_MOST_BYTES = 1 << 17
_INFO = b"kwallet-bridge login slot 1"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoginSlot:
    """The slot of one keyring file. Blocking: run its methods in a worker thread."""

    file: Path
    wallet_salt: Path
    """``kdewallet.salt``, over which PAM derives the login's key."""

    @property
    def path(self) -> Path:
        """Where the slot lies."""
        return self.file.with_name(self.file.name + SUFFIX)

    def read(self, login_key: Secret) -> Secret | None:
        """Return the file's password; None if this login's key does not open the slot."""
        found = self._load()
        if found is None:
            return None
        salt, sealed, _ = found
        password = unseal(_slot_key(login_key, salt), sealed, context=_INFO)
        return None if password is None else Secret(password)

    def read_by_former_password(self, typed: Secret) -> Secret | None:
        """Return the file's password, where ``typed`` was the login password when it was sealed."""
        salt = self._read_wallet_salt()
        found = self._load()
        if salt is None or found is None or found[2] != sha256(salt).hexdigest():
            return None
        return self.read(derive_login_key(typed, salt))

    def write(self, login_key: Secret, password: Secret) -> bool:
        """Seal the file's password under a login's key; return whether it could be read back.

        Raises:
            OSError: It cannot be written; the former slot stands.
        """
        wallet_salt = self._read_wallet_salt()
        if wallet_salt is None:
            return False
        salt = os.urandom(_SALT_SIZE)
        sealed = seal(_slot_key(login_key, salt), password.reveal(), context=_INFO)
        content = {
            "version": _VERSION,
            "salt": salt.hex(),
            "wallet_salt": sha256(wallet_salt).hexdigest(),
            "sealed": base64.b64encode(sealed).decode(),
        }
        replace_file(self.path, json.dumps(content).encode(), mode=0o600)
        return self.read(login_key) == password

    def salt_changed(self) -> bool:
        """Return whether ``kdewallet.salt`` is another one than when the slot was written."""
        salt, found = self._read_wallet_salt(), self._load()
        return found is not None and (salt is None or found[2] != sha256(salt).hexdigest())

    def _load(self) -> tuple[bytes, bytes, str] | None:
        """Return salt, sealed password and the digest; None for no slot and for one of no use."""
        try:
            data, status = read_regular(self.path, _MOST_BYTES, follow=False)
            if status.st_uid != os.geteuid():
                return None
            content = json.loads(data)
            if content["version"] != _VERSION:
                return None
            salt = bytes.fromhex(content["salt"])
            return salt, base64.b64decode(content["sealed"]), str(content["wallet_salt"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _read_wallet_salt(self) -> bytes | None:
        try:
            return read_regular(self.wallet_salt, _MOST_BYTES)[0]
        except OSError:
            return None


class LoginKeySource(Protocol):
    """Has the login's key, if there is one."""

    async def read(self) -> Secret | None:
        """Return it."""


class LoginPassword:
    """A keyring file's password out of its slot, else as another source gives it."""

    asks_person = True
    answers_alone = False

    def __init__(self, asked: KeySource, login_key: LoginKeySource, wallet_salt: Path) -> None:
        """Ask ``asked`` where the login's key opens no slot."""
        self._asked = asked
        self._login_key = login_key
        self._wallet_salt = wallet_salt
        self._spent: set[Path] = set()

    async def is_ready(self, request: KeyRequest) -> bool:
        """Return whether a password may be had, without asking anybody for it."""
        if await self._asked.is_ready(request):
            return True
        if request.path is None or request.new:
            return False
        return await self._open_slot(LoginSlot(request.path, self._wallet_salt)) is not None

    async def _open_slot(self, slot: LoginSlot) -> Secret | None:
        key = await self._login_key.read()
        return None if key is None else await asyncio.to_thread(slot.read, key)

    async def read_password(self, request: KeyRequest) -> Secret | None:
        """Return the password that the login's key opens, or the one that a person gives.

        Where the login password was changed, the former one does as well as the file's own.
        """
        if request.path is None or request.new:
            return await self._asked.read_password(request)
        slot = LoginSlot(request.path, self._wallet_salt)
        if not request.again:
            self._spent.discard(request.path)
            found = await self._open_slot(slot)
            if found is not None:
                self._spent.add(request.path)
                return found
        # A slot whose password was changed meanwhile is no slip of a person's.
        again = request.again and request.path not in self._spent
        self._spent.discard(request.path)
        typed = await self._asked.read_password(replace(request, again=again))
        if typed is None:
            return None
        return await asyncio.to_thread(slot.read_by_former_password, typed) or typed

    async def note_opened(self, path: Path, password: Secret) -> None:
        """Keep a password that was right under this login's key."""
        key = await self._login_key.read()
        if key is None:
            return
        slot = LoginSlot(path, self._wallet_salt)
        try:
            if await asyncio.to_thread(slot.read, key) != password:
                await asyncio.to_thread(slot.write, key, password)
        except OSError as error:
            _log.warning("a keyring file will not open at login: %s", error.strerror)


def derive_login_key(password: Secret, wallet_salt: bytes) -> Secret:
    """Return the key that ``pam_kwallet5.so`` derives: that of a wallet under the login password.

    The module uses the first 56 bytes of the salt, whatever follows.
    """
    return derive_pbkdf2_key(password, wallet_salt[:USUAL_SALT_SIZE])


def _slot_key(login_key: Secret, salt: bytes) -> bytes:
    return derive_hkdf_sha256(login_key.reveal(), length=32, salt=salt, info=_INFO)
