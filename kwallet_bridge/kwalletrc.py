# SPDX-License-Identifier: GPL-3.0-or-later
"""Write to kwalletrc: one appid into, or out of, Auto Allow or Auto Deny; a wallet out of both.

Nothing else is ever written there. The edit changes lines of that wallet and keeps every other
byte, comments included; KConfig, were it to write the file itself, would drop those.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.config import AUTO_ALLOW, AUTO_DENY, NAMELESS_APPID, RC_NAME
from kwallet_bridge.errors import SettingsError
from kwallet_bridge.kconfig import ConfigFiles, KConfig
from kwallet_bridge.kconfigtext import (
    WHITESPACE,
    escape_key,
    escape_value,
    join_group,
    join_list,
    split_header,
    split_key,
    unescape,
)
from kwallet_bridge.regular import open_regular
from kwallet_bridge.saving import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LOCK_PATIENCE = 5.0
LOCK_POLL = 0.02
_MOST_BYTES = 4096


class AccessList(Enum):
    """The two lists a decision may be kept in."""

    ALLOW = AUTO_ALLOW
    DENY = AUTO_DENY


def remember(
    environ: Mapping[str, str], where: AccessList, *, wallet: str, appid: str, listed: bool = True
) -> bool:
    """Put an application on a wallet's list, or take it off; tells whether the file changed.

    Raises:
        SettingsError: The administrator made the list immutable, or the file cannot be written.
    """
    name = appid or NAMELESS_APPID

    def edit(data: bytes) -> bytes:
        config = KConfig.load(RC_NAME, environ)
        old = config.read_list(where.value, wallet)
        if (name in old) == listed:
            return data
        if config.is_immutable(where.value, wallet):
            raise SettingsError("kwalletrc does not allow this list to be changed")
        new = [each for each in old if each != name] + [name] * listed
        return set_entry(data, where.value, wallet, join_list(new))

    return _edit(environ, edit)


def forget_wallet(environ: Mapping[str, str], wallet: str) -> bool:
    """Take a wallet that was deleted out of both lists, as KDE's daemon does.

    Lists the administrator made immutable stay; tells whether the file changed.

    Raises:
        SettingsError: The file cannot be written.
    """

    def edit(data: bytes) -> bytes:
        config = KConfig.load(RC_NAME, environ)
        below = KConfig.load(RC_NAME, environ, users_own=False)
        for where in AccessList:
            if not config.is_immutable(where.value, wallet):
                shines_through = below.read_bytes(where.value, wallet) is not None
                data = drop_entry(data, where.value, wallet, deleted=shines_through)
        return data

    return _edit(environ, edit)


def _edit(environ: Mapping[str, str], edit: Callable[[bytes], bytes]) -> bool:
    """Change the user's file under its lock, unless ``edit`` gives what it got."""
    path = ConfigFiles.find(RC_NAME, environ).user.resolve()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path):
            before = path.read_bytes() if path.exists() else b""
            after = edit(before)
            if after != before:
                mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
                replace_file(path, after, mode=mode)
    except OSError as error:
        raise SettingsError(f"kwalletrc cannot be written: {error.strerror}") from error
    return after != before


def set_entry(data: bytes, group: Sequence[str], key: str, value: str) -> bytes:
    """Give the file's content with one entry set; every other line stays as it was."""
    return _put_line(data, group, key, escape_key(key) + b"=" + escape_value(value))


def drop_entry(data: bytes, group: Sequence[str], key: str, *, deleted: bool) -> bytes:
    """Give the file's content without an entry; every other line stays as it was.

    With ``deleted`` a line says so, for what less specific files say of it.
    """
    lines = _split_lines(data)
    own = set(_find_entries(lines, join_group(group), key.encode()))
    rest = b"".join(line for number, line in enumerate(lines) if number not in own)
    return _put_line(rest, group, key, escape_key(key) + b"[$d]") if deleted else rest


def _put_line(data: bytes, group: Sequence[str], key: str, line: bytes) -> bytes:
    lines = _split_lines(data)
    newline = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    entry = line + newline
    place = _find_place(lines, join_group(group), key.encode())
    if place is None:
        header = b"".join(b"[" + _escape_group(name) + b"]" for name in group)
        addition = ([newline] if data.strip() else []) + [header + newline, entry]
        return b"".join([*_ended(lines, newline), *addition])
    at, replaces = place
    if replaces:
        return b"".join([*lines[:at], entry, *lines[at + 1 :]])
    return b"".join([*_ended(lines[:at], newline), entry, *lines[at:]])


def _split_lines(data: bytes) -> list[bytes]:
    pieces = data.split(b"\n")
    lines = [piece + b"\n" for piece in pieces[:-1]]
    return lines + ([pieces[-1]] if pieces[-1] else [])


def _ended(lines: list[bytes], newline: bytes) -> list[bytes]:
    """Make sure that the last line has an end."""
    if lines and not lines[-1].endswith(b"\n"):
        return [*lines[:-1], lines[-1] + newline]
    return lines


def _find_place(lines: Sequence[bytes], group: bytes, key: bytes) -> tuple[int, bool] | None:
    """Find the line to replace (True), or the one to insert before (False)."""
    found = list(_find_entries(lines, group, key))
    if found:
        return found[-1], True
    inside = [number for number, line in _lines_of(lines, group) if line]
    return (inside[-1] + 1, False) if inside else None


def _find_entries(lines: Sequence[bytes], group: bytes, key: bytes) -> Iterator[int]:
    """Find the lines that set or delete an entry, in whatever order; the last counts."""
    for number, line in _lines_of(lines, group):
        if line and not line.startswith((b"#", b"[")) and _names(line, key):
            yield number


def _lines_of(lines: Sequence[bytes], group: bytes) -> Iterator[tuple[int, bytes]]:
    """Go through a group's lines, its header among them."""
    inside = False
    for number, raw in enumerate(lines):
        line = raw.strip(WHITESPACE)
        header = split_header(line) if line.startswith(b"[") else None
        if header is not None:
            inside = header.group == group
        if inside:
            yield number, line


def _names(line: bytes, key: bytes) -> bool:
    text, equals, _ = line.partition(b"=")
    entry = split_key(text.strip(WHITESPACE))
    if entry is None or entry.locale is not None or not (equals or entry.deleted):
        return False
    return unescape(unescape(entry.name)) == key


def _escape_group(name: str) -> bytes:
    return escape_key(name).replace(b"\\x3d", b"=")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file KConfig holds when it writes; what its dead owner left is removed.

    As Qt does, who has made the file holds a lock on it too, and so does who removes one.
    """
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + LOCK_PATIENCE
    while (held := _take(lock)) is None:
        if _remove_dead(lock):
            continue
        if time.monotonic() > deadline:
            raise SettingsError("kwalletrc is locked by another program")
        time.sleep(LOCK_POLL)
    try:
        yield
    finally:
        if _has_name(held, lock):
            lock.unlink(missing_ok=True)
        os.close(held)


def _take(lock: Path) -> int | None:
    """Make the lock file; gives its descriptor, locked, or None if there is one."""
    try:
        held = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        program = Path("/proc/self/exe").readlink().name
        os.write(held, f"{os.getpid()}\n{program}\n{socket.gethostname()}\n".encode())
    except BaseException:
        lock.unlink(missing_ok=True)
        os.close(held)
        raise
    return held


def _remove_dead(lock: Path) -> bool:
    """Remove a lock file whose owner is gone; False if it is alive, or that is not known.

    Of two who find it dead one removes it; the other must not remove what the first has made since.
    """
    with suppress(OSError):
        found, _ = open_regular(lock, follow=False)
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _has_name(found, lock) and _owner_is_dead(os.read(found, _MOST_BYTES)):
                lock.unlink(missing_ok=True)
                return True
        finally:
            os.close(found)
    return False


def _has_name(descriptor: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def _owner_is_dead(text: bytes) -> bool:
    """Tell whether the process named in a lock file is gone; False if that is not known."""
    with suppress(ValueError, IndexError):
        words = text.decode("utf-8", "replace").split("\n")
        pid = int(words[0])
        return words[2] == socket.gethostname() and pid > 0 and not Path(f"/proc/{pid}").exists()
    return False
