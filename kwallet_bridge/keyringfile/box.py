# SPDX-License-Identifier: GPL-3.0-or-later
"""One keyring file while we run: its version, its key, and the changes on their way to disk.

Key derivation, decryption of many items and everything that touches the disk run in worker
threads. Threads get immutable items and a copy of the list; only the event loop replaces what
readers see. Changes that arrive while a save is under way share the next one, and each is
acknowledged when it is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    BridgeError,
    StoreConflictError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StorePasswordError,
    StoreRefusedError,
)
from kwallet_bridge.keyringfile import file
from kwallet_bridge.keyringfile.changes import renumber
from kwallet_bridge.keyringfile.format import (
    Keyring,
    encode_keyring,
    fits,
    new_header,
    parse_keyring,
)
from kwallet_bridge.keyringfile.keys import LEAST_PASSWORD, CipherKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from kwallet_bridge.keyringfile.changes import Change
    from kwallet_bridge.keyringfile.file import Stamp
    from kwallet_bridge.secret import Secret

_ATTEMPTS = 5
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Saved:
    """What became of a batch."""

    keyring: Keyring
    stamp: Stamp
    touched: set[int] = field(default_factory=set)
    outcomes: list[int | BridgeError] = field(default_factory=list)


class KeyringBox:
    """One collection of a keyring file store.

    ``touched`` is called on the event loop with the numbers of items that changed on disk, by us
    or by others; ``relocked`` when the key stopped fitting because another program changed it.
    """

    def __init__(
        self,
        path: Path,
        *,
        touched: Callable[[Iterable[int]], None],
        relocked: Callable[[], None],
    ) -> None:
        """Know nothing of the file yet."""
        self.path = path
        self.key: CipherKey | None = None
        self.unreadable = 0
        self._keyring = Keyring(new_header())
        self._stamp: Stamp | None = None
        self._turn = asyncio.Lock()
        self._queue: list[tuple[Change, asyncio.Future[int]]] = []
        self._saver: asyncio.Task[None] | None = None
        self._touched = touched
        self._relocked = relocked

    # --- locks ----------------------------------------------------------------------------------

    async def create(self, password: Secret) -> None:
        """Make the file, empty, and unlock it.

        Raises:
            StoreRefusedError: The password is too short.
            StoreConflictError: The file has appeared meanwhile.
        """
        if len(password) < LEAST_PASSWORD:
            raise StoreRefusedError("the password of a new keyring needs four bytes or more")
        async with self._turn:
            self._keyring, self._stamp, self.key = await asyncio.to_thread(
                _create, self.path, password
            )

    async def unlock(self, password: Secret) -> None:
        """Derive the key and prove it.

        Raises:
            StorePasswordError: It opens no item.
            StoreError: The file cannot be read.
        """
        async with self._turn:
            keyring, stamp, key, unreadable = await asyncio.to_thread(_unlock, self.path, password)
            self._adopt(*renumber(self._keyring, keyring), stamp)
            self.key, self.unreadable = key, unreadable
        if unreadable:
            _LOG.warning("%d items of a keyring file cannot be read; they are kept", unreadable)

    async def lock(self) -> None:
        """Finish what was asked, then forget the key."""
        await self.settle()
        async with self._turn:
            self._forget_key()

    def _forget_key(self) -> None:
        if self.key is not None:
            self.key.wipe()
            self.key = None

    def require_key(self) -> CipherKey:
        """Give the key.

        Raises:
            StoreLockedError: There is none.
        """
        if self.key is None:
            raise StoreLockedError("the keyring file is locked")
        return self.key

    # --- reading --------------------------------------------------------------------------------

    async def refresh(self) -> Keyring:
        """Give the file's present content, read again if another program changed it."""
        if file.find_stamp(self.path) != self._stamp:
            async with self._turn:
                if file.find_stamp(self.path) != self._stamp:
                    await self._reread()
        return self._keyring

    async def _reread(self) -> None:
        keyring, touched, stamp, unreadable = await asyncio.to_thread(
            _read_again, self.path, self._keyring, self.key
        )
        if self.key is not None and unreadable is None:
            self._forget_key()
            self._adopt(keyring, touched, stamp)
            self._relocked()
            return
        self.unreadable = unreadable or 0
        self._adopt(keyring, touched, stamp)

    def _adopt(self, keyring: Keyring, touched: set[int], stamp: Stamp) -> None:
        self._keyring, self._stamp = keyring, stamp
        if touched:
            self._touched(touched)

    # --- writing --------------------------------------------------------------------------------

    async def change(self, change: Change) -> int:
        """Have a change done; returns when it is on disk. Cancelling the caller recalls nothing.

        Raises:
            StoreLockedError: The file is locked.
            StoreConflictError: Other programs kept changing the file, or deleted it.
            StoreError: It could not be written; nothing was changed.
        """
        self.require_key()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieve)
        self._queue.append((change, future))
        if self._saver is None:
            self._saver = asyncio.create_task(self._save_all())
        return await asyncio.shield(future)

    async def settle(self) -> None:
        """Wait until all that was asked is done."""
        while self._saver is not None:
            await asyncio.wait((self._saver,))

    async def _save_all(self) -> None:
        try:
            while self._queue:
                async with self._turn:
                    batch, self._queue = self._queue, []
                    await self._save(batch)
        finally:
            self._saver = None

    async def _save(self, batch: Sequence[tuple[Change, asyncio.Future[int]]]) -> None:
        try:
            changes = [change for change, _ in batch]
            saved = await asyncio.to_thread(
                _commit, self.path, self._keyring, self._stamp, self.require_key(), changes
            )
        except BaseException as error:
            cause = error if isinstance(error, Exception) else StoreError("the save was cut short")
            for _, future in batch:
                _settle(future, cause)
            if not isinstance(error, BridgeError):
                raise
            return
        self._adopt(saved.keyring, saved.touched, saved.stamp)
        for (_, future), outcome in zip(batch, saved.outcomes, strict=True):
            _settle(future, outcome)


def _settle(future: asyncio.Future[int], outcome: int | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _retrieve(future: asyncio.Future[int]) -> None:
    """Keep asyncio from logging an error whose caller has left."""
    if not future.cancelled():
        future.exception()


# --- in worker threads --------------------------------------------------------------------------


def _create(path: Path, password: Secret) -> tuple[Keyring, Stamp, CipherKey]:
    keyring = Keyring(new_header())
    with file.writer_lock(path):
        stamp = file.replace_file(path, encode_keyring(keyring), expected=None)
    return keyring, stamp, CipherKey.derive(password, keyring.header)


def _read(path: Path) -> tuple[Keyring, Stamp]:
    found = file.read_whole(path)
    if found is None:
        raise StoreConflictError("the keyring file is gone")
    try:
        return parse_keyring(found[0]), found[1]
    except StoreDamagedError as error:
        if not _has_backup(path):
            raise
        raise StoreDamagedError(
            f"{error}; what it held before the last change is beside it, "
            "in a file of its name with ~ at the end"
        ) from error


def _has_backup(path: Path) -> bool:
    try:
        found = file.read_whole(file.backup_path(path))
        return found is not None and bool(parse_keyring(found[0]))
    except StoreError:
        return False


def _unlock(path: Path, password: Secret) -> tuple[Keyring, Stamp, CipherKey, int]:
    keyring, stamp = _read(path)
    key = CipherKey.derive(password, keyring.header)
    unreadable = _count_unreadable(key, keyring)
    if unreadable is None:
        key.wipe()
        raise StorePasswordError("the password does not open the keyring file")
    return keyring, stamp, key, unreadable


def _count_unreadable(key: CipherKey, keyring: Keyring) -> int | None:
    """Count the items this key does not open; None if it opens none and so is a wrong one."""
    unreadable = sum(not fits(key, raw) for raw in keyring.items.values())
    return None if unreadable and unreadable == len(keyring.items) else unreadable


def _read_again(
    path: Path, known: Keyring, key: CipherKey | None
) -> tuple[Keyring, set[int], Stamp, int | None]:
    fresh, stamp = _read(path)
    keyring, touched = renumber(known, fresh)
    unreadable = None
    if key is not None and _same_derivation(known, keyring):
        unreadable = _count_unreadable(key, keyring)
    return keyring, touched, stamp, unreadable


def _same_derivation(one: Keyring, other: Keyring) -> bool:
    a, b = one.header, other.header
    return (a.salt, a.iterations) == (b.salt, b.iterations)


def _commit(
    path: Path, base: Keyring, stamp: Stamp | None, key: CipherKey, changes: Sequence[Change]
) -> _Saved:
    """Apply changes and save, beginning anew where another program was faster."""
    touched: set[int] = set()
    with file.writer_lock(path):
        for _ in range(_ATTEMPTS):
            if stamp is None or file.find_stamp(path) != stamp:
                base, more, stamp, unreadable = _read_again(path, base, key)
                touched |= more
                if unreadable is None:
                    raise StoreConflictError("another program changed the keyring's password")
            work = base.copy()
            outcomes = [_apply(change, work, key) for change in changes]
            done = {outcome for outcome in outcomes if isinstance(outcome, int)}
            if work.items == base.items:
                return _Saved(base, stamp, touched, outcomes)
            try:
                written = _write(path, work, stamp)
            except StoreConflictError:
                continue
            return _Saved(work, written, touched | done, outcomes)
    raise StoreConflictError("other programs keep changing the keyring file")


def _write(path: Path, work: Keyring, stamp: Stamp) -> Stamp:
    work.header = work.header.touched()
    return file.replace_file(path, encode_keyring(work), expected=stamp)


def _apply(change: Change, work: Keyring, key: CipherKey) -> int | BridgeError:
    try:
        return change(work, key)
    except BridgeError as error:
        return error
