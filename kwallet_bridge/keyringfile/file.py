# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is replaced whole, durably, and never over somebody else's change.

At every moment, power loss included, the path holds the old content or the new one. The old
content stays as ``<file>~``, as libsecret keeps it. Writers of ours exclude each other with a lock
on a file beside it; other programs lock nothing, so before the rename the file is compared with
what was read. Blocking: callers run this in a worker thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    StoreConflictError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.keyringfile.notes import note_path
from kwallet_bridge.regular import open_regular, read_regular
from kwallet_bridge.saving import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK_PATIENCE = 10.0
_LOCK_PAUSE = 0.005
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP}
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which version of a file was seen."""

    inode: int
    modified_ns: int
    size: int


def behind_links(path: Path) -> Path:
    """Return the path of what a path leads to, there or not; that is what is read and replaced."""
    return Path(os.path.realpath(path))


def find_stamp(path: Path) -> Stamp | None:
    """Tell which version a path holds now; None if there is no file."""
    try:
        return _stamp(path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise translate(error, "read") from error


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_ino, status.st_mtime_ns, status.st_size)


def read_whole(path: Path) -> tuple[bytes, Stamp] | None:
    """Read a file and its version; None if there is none.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        # The status is from before: a writer that rewrites in place shows as a changed stamp later.
        data, status = read_regular(path, _MOST_BYTES, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise StoreRefusedError("the keyring file is larger than 1 GiB") from None
        raise translate(error, "read") from error
    return data, _stamp(status)


def read_start(path: Path, size: int) -> bytes:
    """Read a file's first bytes; nothing if it cannot be read."""
    with suppress(OSError):
        return read_head(path, size)
    return b""


def read_head(path: Path, size: int) -> bytes:
    """Read a file's first bytes, through a link too.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    descriptor, _ = open_regular(path)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def backup_path(path: Path) -> Path:
    """Name the copy of the last good content."""
    return path.with_name(path.name + "~")


@contextmanager
def writer_lock(path: Path, *, patience: float = _LOCK_PATIENCE) -> Iterator[int]:
    """Exclude other writers of ours from ``path``; makes its folder if need be.

    Gives the descriptor of the locked file, which holds the note about ``path``.

    Raises:
        StoreConflictError: Another writer kept the lock for too long.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _lock(path, time.monotonic() + patience)
    except OSError as error:
        raise translate(error, "lock") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(path: Path, deadline: float) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        descriptor = os.open(note_path(path), flags, 0o600)
        try:
            _wait_for_lock(descriptor, deadline)
            if _is_in_place(descriptor, path):
                return os.dup(descriptor)
        finally:
            os.close(descriptor)


def _is_in_place(descriptor: int, path: Path) -> bool:
    """Tell whether the file locked is still the one others would lock: somebody may remove it."""
    try:
        return os.path.samestat(os.fstat(descriptor), note_path(path).lstat())
    except FileNotFoundError:
        return False


def _wait_for_lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreConflictError(
                    "another program keeps the keyring file's lock; nothing was written"
                ) from None
            time.sleep(_LOCK_PAUSE)
        else:
            return


def replace_file(
    path: Path, data: bytes, *, expected: Stamp | None, keeps_backup: bool = False
) -> Stamp:
    """Replace a file's content durably; the writer's lock must be held.

    Args:
        path: The file; its folder exists.
        data: The new content.
        expected: The version that ``data`` is made from; None if there was no file.
        keeps_backup: Leave the copy of the former content as it is, if there is one: what is
            replaced holds less than it could.

    Raises:
        StoreConflictError: The file is another version; nothing was changed.
        StoreFullError: No room; nothing was changed.
        StoreUnavailableError: The new content is in place, but may not survive a power loss.
        StoreError: It could not be written; nothing was changed.
    """
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        stamp = _write_temporary(temporary, data)
        if find_stamp(path) != expected:
            raise StoreConflictError("another program changed the keyring file")
        if expected is not None and not (keeps_backup and os.path.lexists(backup_path(path))):
            _keep_backup(path)
        _put_in_place(temporary, path, fresh=expected is None)
    except OSError as error:
        raise translate(error, "write") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(path)
    return stamp


def _write_temporary(temporary: Path, data: bytes) -> Stamp:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
        return _stamp(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _keep_backup(path: Path) -> None:
    """Give the present content a second name; a link costs nothing and cannot be half done."""
    link = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with suppress(OSError):  # a file system without links: no backup, but no failure either
        os.link(path, link)
        link.replace(backup_path(path))
        # After a kill the backup may be this very file, and a rename onto itself does nothing.
        link.unlink(missing_ok=True)


def _put_in_place(temporary: Path, path: Path, *, fresh: bool) -> None:
    if not fresh:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, this fails where a file has appeared
    except FileExistsError:
        raise StoreConflictError("another program made the keyring file") from None
    except OSError:
        temporary.replace(path)


def _sync_folder(path: Path) -> None:
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise StoreUnavailableError("the folder could not be synced to disk") from error


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed writer left; the lock says that it is nobody's work in progress.

    The names are compared whole: ``.a.keyring.`` begins those of wallet ``a.keyring.b`` too.
    """
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}\.tmp")
    with suppress(OSError):
        for leftover in path.parent.iterdir():
            if ours.fullmatch(leftover.name):
                leftover.unlink()


def delete_file(path: Path, *, backup: bool = True) -> None:
    """Delete a file, and its backup if told so, durably; the writer's lock must be held.

    Raises:
        StoreError: It could not be deleted.
    """
    try:
        if backup:
            backup_path(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise translate(error, "delete") from error
    _remove_leftovers(path)
    _sync_folder(path)


def translate(error: OSError, action: str) -> StoreError:
    """Say in our words why a file operation failed; paths stay out of it."""
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    text = f"cannot {action} the keyring file: {reason}"
    if error.errno in _NO_ROOM:
        return StoreFullError(text)
    if error.errno == errno.EINVAL:
        text = f"cannot {action} the keyring file: it is no regular file"
    if error.errno in _REFUSED:
        return StoreRefusedError(text)
    return StoreError(text)
