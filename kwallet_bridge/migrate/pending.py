# SPDX-License-Identifier: GPL-3.0-or-later
"""Wallet files of today's daemons whose entries a store may not have. Reads files, changes nothing.

What is pending follows from the files, the journal and the state file alone, so a crash at any
point, or a decision made by another process, is seen by whoever looks next. Blocking.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import TYPE_CHECKING

from kwallet_bridge.errors import FileUnreadableError, JournalError, KwlError, StateError
from kwallet_bridge.kwl.folders import list_wallet_folders
from kwallet_bridge.kwl.formats import MAX_SIZE
from kwallet_bridge.kwl.header import digest_name, read_header
from kwallet_bridge.kwl.names import WALLET_SUFFIX, decode_stem
from kwallet_bridge.migrate.coverage import digest_content
from kwallet_bridge.migrate.journal import RUNNING, UNDONE, Records, last_moves, peek_records
from kwallet_bridge.migrate.model import Action
from kwallet_bridge.regular import read_regular
from kwallet_bridge.secretservice.quirks import KEEP_WALLET_FILES
from kwallet_bridge.statefile import Declined, State, load
from kwallet_bridge.store.expected import HiddenNames, NameDigests

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from kwallet_bridge.migrate.coverage import Coverage, Gap
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.expected import Expectation

Names = Mapping[bytes, set[bytes]]
"""Digests of each folder's keys by the digest of its name."""

_FILE_PREFIXES = ("file:", "oo7-file:")
_WAYS_OUT = (
    "move it with kwallet-bridge migrate, or decide with kwallet-bridge migrate --start-without to"
    " do without it"
)


class Why(Enum):
    """Why a wallet file is pending; each value says it to the program that asks."""

    NOT_MOVED = f"a wallet file of KDE's holds this and was not moved yet; {_WAYS_OUT}"
    LEFT_OUT = (
        "this store could not keep what a wallet file of KDE's holds here; kwallet-bridge migrate"
        " tells why, and kwallet-bridge migrate --start-without decides to do without it"
    )
    GPG = (
        "a wallet file of KDE's that GnuPG encrypts was not moved yet, and only GnuPG can tell what"
        f" it holds; {_WAYS_OUT}"
    )
    UNREADABLE = (
        "a wallet file of KDE's cannot be read, so nobody can tell what it holds; kwallet-bridge"
        " inspect shows what is wrong with it, and kwallet-bridge migrate --start-without decides"
        " to do without it"
    )


@dataclass(frozen=True, slots=True, eq=False)
class PendingWallet:
    """A wallet file with entries that are not known to be in the store."""

    path: Path
    wallet: WalletName
    size: int
    modified_ns: int
    why: Why
    expectation: Expectation
    undone: bool
    """Whether a person had its entries taken back, or moved to another store, and so wanted that."""
    identity: tuple[object, ...]
    """Equal for equal content and an equal state of its migration."""

    @property
    def hides_names(self) -> bool:
        """Tell whether nobody knows what it holds."""
        return self.why in {Why.GPG, Why.UNREADABLE}

    def declined(self) -> Declined:
        """Give what is to be kept of the decision to do without it."""
        return Declined(self.size, self.modified_ns, int(time.time()))

    def __repr__(self) -> str:
        return f"PendingWallet({self.why.name})"


@dataclass(frozen=True, slots=True)
class Found:
    """What is pending, and whether the state file was asked about anything."""

    pending: tuple[PendingWallet, ...] = ()
    asked_state: bool = False


def pending_folder() -> Path:
    """Give the folder whose wallets count: that of today's daemons, there or not."""
    return list_wallet_folders()[0]


def same_store(destination: str, served: str, *, bus_address: str = "") -> bool:
    """Tell whether a run's destination is the store ``served``, written as ``--to`` takes it.

    ``bus_address`` is that of the bus whose Secret Service is meant where none is named.
    """
    return _plain_destination(destination, bus_address) == _plain_destination(served, bus_address)


def _plain_destination(spec: str, bus_address: str) -> str:
    for prefix in _FILE_PREFIXES:
        if spec.startswith(prefix):
            path = Path(spec.removeprefix(prefix)).expanduser()
            return f"file:{path.resolve()}" if path.is_absolute() else spec
    service, _, address = spec.partition("@")
    return service if address and address == bus_address else spec


@dataclass(frozen=True, slots=True)
class ServedStore:
    """The store that wallet files are pending for, or not."""

    destination: str | None = None
    """As ``--to`` takes it; None for any: what was moved somewhere is not pending."""
    provider: str = ""
    """Which kind of provider it is; "" for a file, and where nobody knows."""
    bus_address: str = field(default="", repr=False)
    """Of the bus whose Secret Service is meant where none is named."""

    @property
    def keeps_wallet_files(self) -> bool:
        """Whether KDE's wallet files are the very place where this store keeps its entries."""
        return self.provider in KEEP_WALLET_FILES

    def is_named(self, destination: str) -> bool:
        """Tell whether a run's destination is this store."""
        return self.destination is None or same_store(
            destination, self.destination, bus_address=self.bus_address
        )

    def known_as(self, destination: str) -> ServedStore:
        """Give the store ``destination``, with what is known of it where that is this one."""
        is_this = self.destination is not None and self.is_named(destination)
        return self if is_this else ServedStore(destination)


def find_pending(*, journal: Path, state: Path, store: ServedStore) -> Found:
    """List what is pending for a store; nothing where the files are the store's own.

    Without a journal that can be read no wallet counts as moved, and without a state file none as
    declined.

    Raises:
        FileUnreadableError: The wallets' folder cannot be listed.
    """
    if store.keeps_wallet_files:
        return Found()
    files = list_wallet_files(pending_folder())
    if not files:
        return Found()
    known = _Knowledge(_read_records(journal), lambda: _read_state(state), store.is_named)
    found = [known.look(path) for path in files]
    return Found(tuple(one for one in found if one is not None), known.asked_state)


def list_wallet_files(folder: Path) -> list[Path]:
    """List the wallet files of a folder; none if it is not there.

    Raises:
        FileUnreadableError: It cannot be listed.
    """
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        # A link that leads nowhere is a disk that is not mounted.
        if isinstance(error, FileNotFoundError) and not folder.is_symlink():
            return []
        raise FileUnreadableError(f"cannot list {folder}: {error.strerror}") from error
    return [path for path in found if path.name.endswith(WALLET_SUFFIX)]


def _read_records(path: Path) -> Records:
    try:
        return peek_records(path)
    except JournalError:
        return Records()


def _read_state(path: Path) -> State:
    try:
        return load(path)
    except StateError:
        return State()


class _Knowledge:
    """What journal and state file say about wallet files."""

    def __init__(
        self, records: Records, read_state: Callable[[], State], is_served: Callable[[str], bool]
    ) -> None:
        runs = {name: run for name, run in records.runs.items() if is_served(run.destination)}
        self._read_state = read_state
        self._state: State | None = None
        taken_back = {name for name, run in runs.items() if run.undoing or run.state == UNDONE}
        self._moves = last_moves({name: runs[name] for name in runs.keys() - taken_back})
        self._undone = {source for name in taken_back for source in runs[name].sources}
        self._moved_away = {wallet for to, wallet in records.moved_away if is_served(to)}
        self._covered: dict[WalletName, list[Coverage]] = {}
        for one in records.coverage:
            if is_served(one.destination):
                self._covered.setdefault(one.file.wallet, []).append(one)
        self._begun: dict[str, set[tuple[str, str]]] = {}
        for run in runs.values():
            if run.state == RUNNING:
                for place in run.unfinished(Action.CREATE):
                    begun = self._begun.setdefault(place.wallet, set())
                    begun.add((place.folder, place.key))

    @property
    def asked_state(self) -> bool:
        """Whether the state file was read."""
        return self._state is not None

    def look(self, path: Path) -> PendingWallet | None:
        """Look at one file; None if nothing is pending."""
        wallet = decode_stem(path.name.removesuffix(WALLET_SUFFIX))
        if not wallet:
            return None  # no program can ask for it
        size = modified = 0
        expected: Names | None = None
        why = Why.NOT_MOVED
        try:
            data, status = read_regular(path, MAX_SIZE)
            size, modified = status.st_size, status.st_mtime_ns
            why, expected = self._expect(path, wallet, data, modified)
        except OSError:
            seen = _look_at(path)
            if seen is None or not (S_ISREG(seen.st_mode) or S_ISLNK(seen.st_mode)):
                return None
            size, modified, why = seen.st_size, seen.st_mtime_ns, Why.UNREADABLE
        except KwlError:
            why = Why.UNREADABLE
        if expected is not None and not any(expected.values()) and why is not Why.LEFT_OUT:
            return None
        if expected == {} or self._is_declined(path, size, modified):
            return None
        undone = str(path.absolute()) in self._undone or wallet in self._moved_away
        begun = self._begun.get(wallet, set())
        if expected is None:
            expectation: Expectation = HiddenNames(why.value, begun=begun)
        else:
            expectation = NameDigests(digest_name, expected, why.value, begun=begun)
        identity = (path, size, modified, why, repr(expected), frozenset(begun), undone)
        return PendingWallet(path, wallet, size, modified, why, expectation, undone, identity)

    def _expect(
        self, path: Path, wallet: WalletName, data: bytes, modified_ns: int
    ) -> tuple[Why, Names | None]:
        """Tell what of a file the store may lack; None for names that nobody knows.

        Of a file that KDE saved since it was moved that is what came to it: what the store had and
        has no more was removed there.

        Raises:
            KwlError: It cannot be read.
        """
        known = self._covered.get(wallet, [])
        content = digest_content(data)
        for one in reversed(known):
            if one.file.sha256 == content:
                return Why.LEFT_OUT, _digest_gaps(one.lacking)
        if self._was_moved_by_the_first_programs(path, wallet, modified_ns):
            return Why.LEFT_OUT, {}
        table = read_header(data).table
        if table is None:
            return Why.GPG, None
        expected = table.names()
        for one in known:
            expected = _without(expected, one.file.names(), _digest_gaps(one.lacking))
        return Why.NOT_MOVED, expected

    def _was_moved_by_the_first_programs(
        self, path: Path, wallet: WalletName, modified_ns: int
    ) -> bool:
        """Tell it from a journal that knew a file by its path only, and a run when it began."""
        runs = (self._moves.get(source) for source in (str(path.absolute()), f"running:{wallet}"))
        return any(
            run is not None and run.version == 1 and modified_ns <= run.started * 10**9
            for run in runs
        )

    def _is_declined(self, path: Path, size: int, modified_ns: int) -> bool:
        if self._state is None:
            self._state = self._read_state()
        return _is_declined(self._state, path, size, modified_ns)


def _is_declined(state: State, path: Path, size: int, modified_ns: int) -> bool:
    kept = state.find_declined(str(path.absolute()))
    return kept is not None and (kept.size, kept.modified_ns) == (size, modified_ns)


def list_declined(state: Path) -> set[WalletName]:
    """List the wallets that a person does without, as their files are now.

    Raises:
        StateError: The state file cannot be used.
        FileUnreadableError: The wallets' folder cannot be listed.
    """
    kept = load(state)
    found = set()
    for path in list_wallet_files(pending_folder()):
        seen = _look_at(path)
        if seen is not None and _is_declined(kept, path, seen.st_size, seen.st_mtime_ns):
            found.add(decode_stem(path.name.removesuffix(WALLET_SUFFIX)))
    return found


def _digest_gaps(gaps: Iterable[Gap]) -> Names:
    found: dict[bytes, set[bytes]] = {}
    for folder, *key in gaps:
        found.setdefault(digest_name(folder), set()).update(map(digest_name, key))
    return found


def _without(names: Names, covered: Names, gaps: Names) -> Names:
    """Take out what is covered and no gap; a folder goes with its last key."""
    left: dict[bytes, set[bytes]] = {}
    for folder, keys in names.items():
        rest = keys - (covered.get(folder, set()) - gaps.get(folder, set()))
        if rest or folder in gaps or folder not in covered:
            left[folder] = rest
    return left


def holds_entries(path: Path) -> bool:
    """Tell whether a wallet file may hold anything; one that cannot be read may."""
    try:
        table = read_header(read_regular(path, MAX_SIZE)[0]).table
    except (OSError, KwlError):
        return True
    return table is None or table.entry_count > 0


def decline(path: Path) -> Declined:
    """Note a wallet file as it is now, as one that a person does without.

    Raises:
        FileUnreadableError: It is not there.
    """
    seen = _look_at(path)
    if seen is None:
        raise FileUnreadableError(f"there is no wallet file {path}")
    return Declined(seen.st_size, seen.st_mtime_ns, int(time.time()))


def _look_at(path: Path) -> os.stat_result | None:
    """Look at a file, or at the link in its place if that leads nowhere; None if it is gone."""
    for look in (path.stat, path.lstat):
        with suppress(OSError):
            return look()
    return None
