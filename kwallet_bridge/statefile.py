# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept between two lives of the daemon: which store serves, and what was seen in it.

One private file, ``docs/reference/state-file.md``. It holds keyed digests of names, never a name:
who steals it without its key learns nothing, and its key lies in it only because whoever can read
the one can read the wallets' names too. Blocking: callers with an event loop run :func:`load` and
:func:`update` in a worker thread.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from _blake2 import blake2b  # hashlib would load OpenSSL
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kwallet_bridge.errors import StateError
from kwallet_bridge.saving import replace_file, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FILE_NAME = "store.json"
VERSION = 1
MOST_BYTES = 32 << 20
"""A wallet of 100,000 entries takes a quarter of it."""
KEY_BYTES = 32
_DIGEST_BYTES = 32
LOCK_PATIENCE = 10.0
_LOCK_PAUSE = 0.005

E = TypeVar("E", bound=Enum)


class StoreKind(Enum):
    """Who keeps the entries."""

    PROVIDER = "provider"
    """Whoever owns the Secret Service name."""
    FILE = "file"
    """An encrypted keyring file of our own."""


class MadeBy(Enum):
    """Where a decision comes from."""

    INSTALL = "install"
    WINDOW = "window"
    COMMAND_LINE = "command line"
    ADMINISTRATOR = "administrator"
    """A password file or a systemd credential was given to the daemon."""
    FIRST_OPEN = "first open"


@dataclass(frozen=True, slots=True)
class Decision:
    """Which store serves.

    ``path`` is the keyring file's, "" for a provider and for the standard file; ``provider`` is the
    kind of program that served, "" where it is not known; ``made_at`` counts seconds since 1970, and
    so does ``served_at``, when it served first; 0 if it never did.
    """

    kind: StoreKind
    made_by: MadeBy
    made_at: int
    path: str = field(default="", repr=False)
    provider: str = ""
    served_at: int = 0
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What a newer program wrote beside it; kept."""


@dataclass(frozen=True, slots=True)
class Declined:
    """A wallet file that a person chose to start without, as it was then."""

    size: int
    modified_ns: int
    declined_at: int = 0
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """The file's content. One that was not made yet has no key, and so no digests."""

    key: bytes = field(default=b"", repr=False)
    decision: Decision | None = None
    provider_served: int = 0
    """When a provider served first, in seconds since 1970; 0 if none ever did."""
    wallets: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    """JSON objects by the digest of a wallet's name."""
    declined: Mapping[str, Declined] = field(default_factory=dict, repr=False)
    """By the digest of a wallet file's path."""
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)

    def digest(self, *texts: str) -> str:
        """Return the keyed BLAKE2b of one or more texts under the file's own key, in hex.

        Two lists of texts that differ have different digests. Take digests that shall be kept of the
        state that :func:`update` hands out: it has a key always.

        Raises:
            ValueError: The file was not made yet. Nothing can be known under any digest then.
        """
        if not self.key:
            raise ValueError("the state file has no key yet")
        parts = []
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            parts.append(len(raw).to_bytes(8, "big") + raw)
        return blake2b(b"".join(parts), key=self.key, digest_size=_DIGEST_BYTES).hexdigest()

    def find_wallet(self, name: str) -> Mapping[str, object] | None:
        """Return what is kept about a wallet; None if there is nothing."""
        return self.wallets.get(self.digest(name)) if self.key else None

    def find_declined(self, path: str) -> Declined | None:
        """Return the decision to start without a wallet file; None if there is none."""
        return self.declined.get(self.digest(path)) if self.key else None

    def with_wallet(self, name: str, kept: Mapping[str, object] | None) -> State:
        """Return a state that keeps this about a wallet, or nothing for None."""
        return replace(self, wallets=_put(self.wallets, self.digest(name), kept))

    def with_declined(self, path: str, kept: Declined | None) -> State:
        """Return a state that keeps this about a wallet file, or nothing for None."""
        return replace(self, declined=_put(self.declined, self.digest(path), kept))


T = TypeVar("T")


def _put(kept: Mapping[str, T], key: str, value: T | None) -> Mapping[str, T]:
    rest = {each: old for each, old in kept.items() if each != key}
    return rest if value is None else rest | {key: value}


def state_path(environ: Mapping[str, str]) -> Path:
    """Return where the file lies for the user of this environment."""
    chosen = environ.get("XDG_STATE_HOME", "")
    if chosen.startswith("/"):
        home = Path(chosen)
    else:
        home = Path(environ.get("HOME") or Path.home()) / ".local/state"
    return home / "kwallet-bridge" / FILE_NAME


def load(path: Path) -> State:
    """Read the file; the empty state if there is none. Writes nothing.

    Raises:
        StateError: It cannot be read, is damaged, or is a newer program's.
    """
    data = _read(path)
    return State() if data is None else _parse(data, path)


def update(path: Path, change: Callable[[State], State]) -> State:
    """Replace the file's content by what ``change`` makes of it; return what it holds now.

    No other program of ours reads or writes between the two. ``change`` is given a state with a key,
    and may raise to leave everything as it was. Durable when this returns.

    Raises:
        StateError: The file cannot be read or written; what it held stands.
    """
    try:
        _make_folder(path.parent)
        with _locked(path):
            data = _read(path)
            before = State() if data is None else _parse(data, path)
            after = change(before if before.key else replace(before, key=_new_key()))
            if after != before:
                _write(path, _format(after))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown error"
        raise StateError(f"{path} cannot be written: {reason}") from error
    return after


def _new_key() -> bytes:
    return os.urandom(KEY_BYTES)


# --- the file -----------------------------------------------------------------------------------


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        folder.chmod(0o700)


def _read(path: Path) -> bytes | None:
    """Read a file of our own: no link, no pipe that waits, no device without an end."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, os.strerror(error.errno or 0)) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(path, "it is no regular file")
        if status.st_uid != os.geteuid():
            raise _unreadable(path, "it belongs to another user")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, os.strerror(error.errno or 0)) from error
    finally:
        os.close(descriptor)
    if len(data) > MOST_BYTES:
        raise _unreadable(path, "it is too large")
    return data


def _write(path: Path, data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise StateError(f"{path} would grow too large")
    with suppress(OSError):  # the lock says that they are nobody's work in progress
        for leftover in path.parent.glob(f".{path.name}.*"):
            if leftover != _lock_path(path):
                leftover.unlink()
    replace_file(path, data, mode=0o600)
    sync_folder(path.parent)


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _take_lock(_lock_path(path), time.monotonic() + LOCK_PATIENCE)
    try:
        yield
    finally:
        os.close(descriptor)


def _take_lock(lock: Path, deadline: float) -> int:
    """Lock the file that is at the path; one that was replaced while we waited excludes nobody."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        descriptor = os.open(lock, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), lock.stat(follow_symlinks=False)):
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise StateError(
                "another program keeps the lock of the state file; nothing was written"
            )
        time.sleep(_LOCK_PAUSE)


# --- its text -----------------------------------------------------------------------------------


def _format(state: State) -> bytes:
    content: dict[str, object] = dict(state.extra) | {"version": VERSION, "key": state.key.hex()}
    if state.decision is not None:
        content["store"] = dict(state.decision.extra) | {
            "kind": state.decision.kind.value,
            "path": state.decision.path,
            "provider": state.decision.provider,
            "made_by": state.decision.made_by.value,
            "made_at": state.decision.made_at,
            "served_at": state.decision.served_at,
        }
    content["provider_served"] = state.provider_served
    content["wallets"] = {name: dict(kept) for name, kept in state.wallets.items()}
    content["declined"] = {
        name: dict(kept.extra)
        | {"size": kept.size, "modified_ns": kept.modified_ns, "declined_at": kept.declined_at}
        for name, kept in state.declined.items()
    }
    return json.dumps(content, ensure_ascii=True, indent=1, allow_nan=False).encode() + b"\n"


def _parse(data: bytes, path: Path) -> State:
    try:
        content = _Fields(json.loads(data.decode("utf-8")))
        version = content.take("version", int)
        if version > VERSION:
            raise StateError(
                f"{path} was written by a newer kwallet-bridge; install that one, or move the file"
                " away and decide anew with kwallet-bridge store use"
            )
        return _parse_state(content)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, "it is damaged") from error


def _parse_state(content: _Fields) -> State:
    key = bytes.fromhex(content.take("key", str))
    if len(key) != KEY_BYTES:
        raise ValueError("the key has another length")
    store = content.take("store", dict, default={})
    wallets = content.take("wallets", dict, default={})
    declined = content.take("declined", dict, default={})
    return State(
        key=key,
        decision=_parse_decision(_Fields(store)) if store else None,
        provider_served=content.take("provider_served", int, default=0),
        wallets={name: _object(each) for name, each in wallets.items()},
        declined={name: _parse_declined(_Fields(each)) for name, each in declined.items()},
        extra=content.rest,
    )


def _parse_decision(fields: _Fields) -> Decision:
    return Decision(
        kind=StoreKind(fields.take("kind", str)),
        made_by=MadeBy(fields.take("made_by", str)),
        made_at=fields.take("made_at", int),
        path=fields.take("path", str, default=""),
        provider=fields.take("provider", str, default=""),
        served_at=fields.take("served_at", int, default=0),
        extra=fields.rest,
    )


def _parse_declined(fields: _Fields) -> Declined:
    return Declined(
        size=fields.take("size", int),
        modified_ns=fields.take("modified_ns", int),
        declined_at=fields.take("declined_at", int, default=0),
        extra=fields.rest,
    )


_REQUIRED = object()


class _Fields:
    """A JSON object whose fields are taken one by one; ``rest`` is what nobody took."""

    def __init__(self, content: object) -> None:
        """Take from ``content``."""
        self.rest: dict[str, object] = _object(content)

    def take(self, name: str, kind: type[T], *, default: object = _REQUIRED) -> T:
        """Give a field of the right type, or the default where it is missing."""
        found = self.rest.pop(name, default)
        if found is default and default is not _REQUIRED:
            return found  # type: ignore[return-value]
        if isinstance(found, kind) and not isinstance(found, bool):
            return found
        raise ValueError(f"{name} is missing or of another type")


def _object(content: object) -> dict[str, object]:
    if isinstance(content, dict):
        return dict(content)
    raise ValueError("no object")


def _unreadable(path: Path, reason: str) -> StateError:
    return StateError(
        f"{path} says which store serves and cannot be used: {reason}; restore it from a backup, or"
        " move it away and decide anew with kwallet-bridge store use"
    )
