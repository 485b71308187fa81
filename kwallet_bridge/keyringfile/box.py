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
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    BridgeError,
    StoreConflictError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StoreMissingError,
    StoreOutdatedError,
    StorePasswordError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.keyringfile import file
from kwallet_bridge.keyringfile.changes import renumber
from kwallet_bridge.keyringfile.folder import was_lost
from kwallet_bridge.keyringfile.format import (
    Keyring,
    encode_keyring,
    find_items,
    fits,
    new_header,
    parse_keyring,
)
from kwallet_bridge.keyringfile.keys import LEAST_PASSWORD, CipherKey
from kwallet_bridge.keyringfile.loginslot import SUFFIX as LOGIN_SUFFIX
from kwallet_bridge.keyringfile.notes import note_of, read_note, write_note
from kwallet_bridge.keyringfile.vetting import find_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from kwallet_bridge.keyringfile.changes import Change
    from kwallet_bridge.keyringfile.file import Stamp
    from kwallet_bridge.keyringfile.vetting import Hidden
    from kwallet_bridge.secret import Secret

_ATTEMPTS = 5
_CUT_SHORT = "the save was cut short"
_TRUST = 1.0
"""Seconds in which the kernel's silence is taken for "nothing has changed"."""
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
    or by others; ``relocked`` when the key stopped fitting because another program changed it;
    ``forgot`` whenever it is forgotten.
    ``watched`` tells whether the kernel would have told :meth:`doubt` of any change in the
    file's folder.
    """

    def __init__(  # noqa: PLR0913  what it is told, and whom it tells
        self,
        path: Path,
        *,
        touched: Callable[[Iterable[int]], None],
        relocked: Callable[[], None],
        forgot: Callable[[], None] = lambda: None,
        watched: Callable[[], bool] = lambda: False,
        takes_notes: bool = True,
    ) -> None:
        """Know nothing of the file yet; ``takes_notes`` about what is seen, not only written."""
        self.path = path
        self.key: CipherKey | None = None
        self._keyring = Keyring(new_header())
        self._stamp: Stamp | None = None
        self._tried: tuple[Stamp, Secret, bool] | None = None
        self._watched = watched
        self._takes_notes = takes_notes
        self._trusted_until = 0.0
        self._doubts = 0
        self._turn = asyncio.Lock()
        self._queue: list[tuple[Change, asyncio.Future[int]]] = []
        self._saver: asyncio.Task[None] | None = None
        self._touched = touched
        self._relocked = relocked
        self._forgot = forgot

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

    async def require_readable(self) -> None:
        """See that there is a file to unlock.

        Raises:
            StoreDamagedError: It is damaged.
            StoreMissingError: It is gone.
            StoreOutdatedError: It is older than what was seen here before.
            StoreError: It cannot be read.
        """
        await asyncio.to_thread(_require_readable, self.path)

    async def unlock(self, password: Secret) -> None:
        """Derive the key and prove it.

        Raises:
            StorePasswordError: It opens no item.
            StoreError: The file cannot be read.
        """
        async with self._turn:
            seen, key = await asyncio.to_thread(
                _unlock, self.path, password, self._keyring, notes=self._takes_notes
            )
            self._adopt(seen.keyring, seen.touched, seen.stamp)
            self.key = key
        if self.unreadable:
            _LOG.warning(
                "%d items of a keyring file cannot be read; they are kept", self.unreadable
            )

    async def is_opened_by(self, password: Secret) -> bool:
        """Return whether a password opens the file as it is now; the file stays locked.

        Raises:
            StoreError: The file cannot be read.
        """
        async with self._turn:
            self._tried = await asyncio.to_thread(_try, self.path, password, self._tried)
            return self._tried[2]

    async def lock(self) -> None:
        """Finish what was asked, then forget the key."""
        await self.settle()
        async with self._turn:
            self._forget_key()

    def _forget_key(self) -> None:
        if self.key is not None:
            self.key.wipe()
            self.key = None
            self._forgot()

    def require_key(self) -> CipherKey:
        """Give the key.

        Raises:
            StoreLockedError: There is none.
        """
        if self.key is None:
            raise StoreLockedError("the keyring file is locked")
        return self.key

    # --- reading --------------------------------------------------------------------------------

    @property
    def unreadable(self) -> int:
        """How many items the key does not open."""
        return self._keyring.unreadable

    def doubt(self) -> None:
        """Look at the file again before the next answer, as the kernel told of a change."""
        self._trusted_until = 0.0
        self._doubts += 1

    async def refresh(self) -> Keyring:
        """Give the file's present content, read again if another program changed it."""
        if not self._is_trusted():
            async with self._turn:
                await self._look()
        return self._keyring

    def _is_trusted(self) -> bool:
        # The kernel does not tell of what another machine does on a shared disk.
        return self._watched() and asyncio.get_running_loop().time() < self._trusted_until

    async def _look(self) -> None:
        if self._is_trusted():
            return
        doubts, begun = self._doubts, asyncio.get_running_loop().time()
        seen = await asyncio.to_thread(
            _look, self.path, self._keyring, self._stamp, self.key, notes=self._takes_notes
        )
        if doubts == self._doubts:
            self._trusted_until = begun + _TRUST
        if seen is None:
            return
        if self.key is not None and not seen.fits:
            self._forget_key()
            self._adopt(seen.keyring, seen.touched, seen.stamp)
            self._relocked()
            return
        self._adopt(seen.keyring, seen.touched, seen.stamp)

    def _adopt(self, keyring: Keyring, touched: set[int], stamp: Stamp) -> None:
        self._keyring, self._stamp = keyring, stamp
        if touched:
            self._touched(touched)

    async def find(self, attributes: Mapping[str, str]) -> tuple[list[int], list[Hidden]]:
        """Return the items with at least these attributes, and what may be more of them.

        The second are items that are damaged or belong to another password.

        Raises:
            StoreLockedError: The file is locked.
            StoreError: The file cannot be read.
        """
        self.require_key()
        keyring = await self.refresh()
        key = self.require_key()
        hidden = keyring.hidden
        found = find_items(key, keyring, attributes) if attributes else list(keyring.items)
        if not hidden:
            return found, []
        found = [n for n in found if n not in hidden or hidden[n].readable]
        rest = hidden.keys() - set(found)
        return found, [hidden[n] for n in rest if hidden[n].may_match(key, attributes)]

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

    async def delete(self) -> None:
        """Delete the file and its copy, and forget the key.

        Raises:
            StoreLockedError: The file is locked.
            StoreRefusedError: It holds items that this key does not open.
            StoreError: It could not be deleted.
        """
        await self.settle()
        async with self._turn:
            await asyncio.to_thread(_delete, self.path, self.require_key())
            self._forget_key()

    async def _save_all(self) -> None:
        try:
            while self._queue:
                async with self._turn:
                    batch, self._queue = self._queue, []
                    await self._save(batch)
        finally:
            self._saver = None
            # Only when the loop ends in the middle of it; who waits must not wait for ever.
            for _, future in self._queue:
                _settle(future, StoreError(_CUT_SHORT))
            self._queue.clear()

    async def _save(self, batch: Sequence[tuple[Change, asyncio.Future[int]]]) -> None:
        """Save a batch; what goes wrong is its callers' to know and no reason to save no more."""
        outcomes: Sequence[int | Exception] = [StoreError(_CUT_SHORT)] * len(batch)
        try:
            changes = [change for change, _ in batch]
            saved = await asyncio.to_thread(
                _commit, self.path, self._keyring, self._stamp, self.require_key(), changes
            )
            outcomes = saved.outcomes
            self._adopt(saved.keyring, saved.touched, saved.stamp)
        except BridgeError as error:
            outcomes = [error] * len(batch)
        except Exception as error:  # noqa: BLE001  a fault of ours must not keep others waiting
            failure = _unexpected(error)
            outcomes = [failure if isinstance(o, StoreError) else o for o in outcomes]
        finally:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
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


def _unexpected(error: Exception) -> StoreError:
    """Make an error that is not ours one of the store's; its text may be private."""
    _LOG.error("a change of a keyring file failed unexpectedly: %s", type(error).__name__)
    return StoreError("the change failed for a reason nobody foresaw; nothing was written")


# --- in worker threads --------------------------------------------------------------------------


@dataclass(slots=True)
class _Seen:
    """A version of the file; ``fits`` tells whether the key is still the one of its items."""

    keyring: Keyring
    touched: set[int]
    stamp: Stamp
    fits: bool


def _create(given: Path, password: Secret) -> tuple[Keyring, Stamp, CipherKey]:
    path = file.behind_links(given)
    keyring = Keyring(new_header())
    with file.writer_lock(path) as lock:
        if was_lost(path):
            raise _missing(path)
        stamp = file.replace_file(path, encode_keyring(keyring), expected=None)
        write_note(lock, keyring.header)
    return keyring, stamp, CipherKey.derive(password, keyring.header)


def _missing(path: Path) -> StoreError:
    if not path.parent.is_dir():
        return StoreUnavailableError(
            "the folder of the keyring file is gone; is its disk mounted? Nothing was made anew"
        )
    copy = ""
    if _has_backup(path):
        copy = "rename the copy beside it, whose name ends in ~, to its name, or "
    return StoreMissingError(
        f"the keyring file is gone. Put it back: {copy}take it from a backup; then remove the "
        "note about it, the hidden file of its name that ends in .lock. "
        "To begin anew, remove the copy and the note, and decide with kwallet-bridge store use"
    )


def _read(path: Path) -> tuple[Keyring, Stamp]:
    found = file.read_whole(path)
    if found is None:
        raise _missing(path)
    try:
        keyring = parse_keyring(found[0])
    except StoreDamagedError as error:
        advice = "restore it from a backup"
        if _has_backup(path):
            advice = (
                "what it held before the last change is beside it, in a file of its name with ~ "
                "at the end: put that in its place, and remove the note about it, the hidden file "
                "of its name that ends in .lock"
            )
        raise StoreDamagedError(f"{error}; {advice}") from error
    note = read_note(path)
    if note is not None and note.is_older(keyring.header):
        raise StoreOutdatedError(
            "the keyring file is older than the one last seen here, so entries may be missing. "
            "Put the newer one back; if this one is right, remove the note about the newer one, "
            "the hidden file of its name that ends in .lock"
        )
    return keyring, found[1]


def _require_readable(given: Path) -> None:
    _read(file.behind_links(given))


def _has_backup(path: Path) -> bool:
    try:
        found = file.read_whole(file.backup_path(path))
        return found is not None and bool(parse_keyring(found[0]))
    except StoreError:
        return False


def _unlock(
    given: Path, password: Secret, known: Keyring, *, notes: bool
) -> tuple[_Seen, CipherKey]:
    path = file.behind_links(given)
    fresh, stamp = _read(path)
    keyring, touched = renumber(known, fresh)
    key = CipherKey.derive(password, keyring.header)
    keyring.hidden = find_hidden(key, keyring)
    if _opens_nothing(keyring):
        key.wipe()
        raise StorePasswordError("the password does not open the keyring file")
    if notes:
        _note_seen(path, keyring)
    return _Seen(keyring, touched, stamp, fits=True), key


def _try(
    given: Path, password: Secret, before: tuple[Stamp, Secret, bool] | None
) -> tuple[Stamp, Secret, bool]:
    """Tell whether a password opens the file; the same one is not tried on the same file twice."""
    keyring, stamp = _read(file.behind_links(given))
    if before is not None and before[0] == stamp and before[1] == password:
        return before
    key = CipherKey.derive(password, keyring.header)
    keyring.hidden = find_hidden(key, keyring)
    key.wipe()
    return stamp, password, not _opens_nothing(keyring)


def _opens_nothing(keyring: Keyring) -> bool:
    return bool(keyring.items) and keyring.unreadable == len(keyring.items)


def _note_seen(path: Path, keyring: Keyring) -> None:
    """Note the version that was read, so that an older one is known as that from now on."""
    note = read_note(path)
    if note is not None and note == note_of(keyring.header):
        return
    # Where nothing can be written, or somebody is just writing, there is no new note.
    with suppress(StoreError), file.writer_lock(path, patience=0) as lock:
        note = read_note(path)
        if note is None or not note.is_older(keyring.header):
            write_note(lock, keyring.header)


def _look(
    given: Path, known: Keyring, stamp: Stamp | None, key: CipherKey | None, *, notes: bool
) -> _Seen | None:
    """Read the file again if it is another version than the one known by ``stamp``."""
    path = file.behind_links(given)
    if stamp is not None and file.find_stamp(path) == stamp:
        return None
    seen = _read_again(path, known, key)
    if seen.fits and notes:
        _note_seen(path, seen.keyring)
    return seen


def _read_again(path: Path, known: Keyring, key: CipherKey | None) -> _Seen:
    fresh, stamp = _read(path)
    keyring, touched = renumber(known, fresh)
    fits = False
    if key is not None and _same_derivation(known, keyring):
        keyring.hidden = find_hidden(key, keyring, known)
        fits = not _opens_nothing(keyring)
    return _Seen(keyring, touched, stamp, fits)


def _same_derivation(one: Keyring, other: Keyring) -> bool:
    a, b = one.header, other.header
    return (a.salt, a.iterations) == (b.salt, b.iterations)


def _commit(
    given: Path, base: Keyring, stamp: Stamp | None, key: CipherKey, changes: Sequence[Change]
) -> _Saved:
    """Apply changes and save, beginning anew where another program was faster."""
    path = file.behind_links(given)
    touched: set[int] = set()
    with file.writer_lock(path) as lock:
        for _ in range(_ATTEMPTS):
            if stamp is None or file.find_stamp(path) != stamp:
                seen = _read_again(path, base, key)
                base, stamp = seen.keyring, seen.stamp
                touched |= seen.touched
                if not seen.fits:
                    raise StoreConflictError("another program changed the keyring's password")
            work = base.copy()
            outcomes = [_apply(change, work, key) for change in changes]
            done = {outcome for outcome in outcomes if isinstance(outcome, int)}
            if work.items == base.items:
                return _Saved(base, stamp, touched, outcomes)
            try:
                written = _write(path, work, stamp, keeps_backup=base.unreadable > 0)
            except StoreConflictError:
                continue
            write_note(lock, work.header)
            return _Saved(work, written, touched | done, outcomes)
    raise StoreConflictError("other programs keep changing the keyring file")


def _write(path: Path, work: Keyring, stamp: Stamp, *, keeps_backup: bool) -> Stamp:
    work.header = work.header.touched()
    data = encode_keyring(work)
    return file.replace_file(path, data, expected=stamp, keeps_backup=keeps_backup)


def _apply(change: Change, work: Keyring, key: CipherKey) -> int | BridgeError:
    try:
        return change(work, key)
    except BridgeError as error:
        return error
    except Exception as error:  # noqa: BLE001  one change's fault is not the others'
        return _unexpected(error)


def _delete(given: Path, key: CipherKey) -> None:
    """Delete a file that this key opens wholly, and its copy if that is so of it too."""
    path = file.behind_links(given)
    with file.writer_lock(path) as lock:
        keyring, _ = _read(path)
        if not _is_all_under(key, keyring):
            raise StoreRefusedError(
                "the keyring file also holds items that its password does not open; "
                "it was not deleted"
            )
        file.delete_file(path, backup=_is_backup_under(key, path))
        write_note(lock, None)
        for each in {given, path}:
            each.with_name(each.name + LOGIN_SUFFIX).unlink(missing_ok=True)
        if given != path:
            _unlink(given)


def _unlink(link: Path) -> None:
    with suppress(OSError):
        link.unlink()


def _is_all_under(key: CipherKey, keyring: Keyring) -> bool:
    return all(fits(key, raw) for raw in keyring.items.values())


def _is_backup_under(key: CipherKey, path: Path) -> bool:
    try:
        found = file.read_whole(file.backup_path(path))
        return found is None or _is_all_under(key, parse_keyring(found[0]))
    except StoreError:
        return False
