# SPDX-License-Identifier: GPL-3.0-or-later
"""What every run meant to do and did: one private file of JSON lines, appended and synced.

``docs/reference/journal.md`` describes the lines. What is meant is on disk before the first write
to the provider, so a run killed at any moment is known completely. The file holds names, which is
why only its owner may read it, and keyed digests of values; the digests' key is kept in the
provider, so the file alone cannot be used to try passwords.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.errors import JournalError
from kwallet_bridge.kwl.names import WALLET_SUFFIX, decode_stem
from kwallet_bridge.migrate.coverage import Coverage
from kwallet_bridge.migrate.model import Action, Kind, Outcome, Place
from kwallet_bridge.model import WalletName
from kwallet_bridge.saving import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kwallet_bridge.migrate.coverage import Covering

FILE_NAME = "migrations.jsonl"
VERSION = 2
RUNNING = "running"
UNDONE = "undone"
CONFIRMED = "confirmed"
"""The state of a run whose kept old values are gone."""
_NOT_DONE = frozenset({RUNNING, UNDONE})
_KEPT = frozenset({"run", "covered", "moved-away", "undoing", "end"})
"""Lines that stay when a run's names are forgotten."""
_SYNC_ROWS = 64
"""Outcomes are synced in batches: one that is lost is found again by looking at the provider."""


@dataclass(slots=True)
class Intent:
    """One write a run meant to do, and how it ended as far as is known."""

    number: int
    place: Place
    action: Action
    digest: str
    outcome: Outcome = Outcome.PENDING

    def __repr__(self) -> str:
        return f"Intent({self.number}, {self.action}, {self.outcome})"


@dataclass(slots=True)
class RunRecord:
    """One run as the journal tells it."""

    id: str
    started: int
    destination: str
    sources: tuple[str, ...]
    intents: dict[int, Intent] = field(default_factory=dict)
    collections: list[str] = field(default_factory=list)
    keyed: list[WalletName] = field(default_factory=list)
    """Wallets where its key was about to be put; what it meant to write there came after."""
    ended: int = 0
    state: str = RUNNING
    by_place: dict[Place, Intent] = field(default_factory=dict)
    version: int = VERSION
    """Of the program that began it: 1 noted nothing of what is covered."""
    store: str = ""
    """Which provider or kind of file the destination was; "" in the journals of version 1."""
    undoing: bool = False
    """Taking it back has begun; as long as ``state`` is another, something of it is left."""
    settled: set[WalletName] = field(default_factory=set)
    """Wallets in which nothing of it is left to be undone or confirmed."""
    taken_back: set[int] = field(default_factory=set)
    """Numbers of the rows that an undo which left others has dealt with."""

    @property
    def is_open(self) -> bool:
        """Tell whether the run was cut off before its end, so that it can go on."""
        return self.state == RUNNING and not self.undoing

    @property
    def is_undone_in_part(self) -> bool:
        """Tell whether an undo left something of it, and nothing has ended it since."""
        return self.undoing and self.state not in {UNDONE, CONFIRMED}

    @property
    def wallets(self) -> list[WalletName]:
        """The wallets it wrote to, or was about to."""
        return list(dict.fromkeys(intent.place.wallet for intent in self.intents.values()))

    def unfinished(self, action: Action) -> frozenset[Place]:
        """Give the places where a write of this kind may have been cut off."""
        return frozenset(
            intent.place
            for intent in self.intents.values()
            if intent.action is action and intent.outcome is Outcome.PENDING
        )

    def add(self, intent: Intent) -> None:
        """Add an intent, or one that supersedes an earlier one of the same row."""
        self.intents[intent.number] = intent
        self.by_place[intent.place] = intent


@dataclass(slots=True)
class Records:
    """All that a journal tells. ``coverage`` is what stands, the earliest first."""

    runs: dict[str, RunRecord] = field(default_factory=dict)
    coverage: list[Coverage] = field(default_factory=list)
    moved_away: set[tuple[str, WalletName]] = field(default_factory=set)
    """Destinations, and wallets that a person had moved from there and that never came back."""

    def move_away(self, destination: str, wallet: WalletName) -> None:
        """Count nothing of a wallet as covered by a store that its entries leave."""
        self.moved_away.add((destination, wallet))
        self.coverage = [
            one
            for one in self.coverage
            if (one.destination, one.file.wallet) != (destination, wallet)
        ]

    def take_back(self, run: RunRecord) -> None:
        """Count nothing of a destination as covered that a run brought and that goes now."""
        wallets = {one.file.wallet for one in self.coverage if one.run == run.id}
        wallets |= {_wallet_of(source) for source in run.sources}
        self.coverage = [
            one
            for one in self.coverage
            if one.destination != run.destination or one.file.wallet not in wallets
        ]


def _wallet_of(source: str) -> WalletName:
    kind, _, name = source.rpartition(":")
    return decode_stem(Path(name if kind else source).name.removesuffix(WALLET_SUFFIX))


class Journal:
    """The file, opened and locked against a second migration."""

    def __init__(self, descriptor: int, path: Path) -> None:
        """Take over an open, locked descriptor; use :func:`open_journal`."""
        self._descriptor = descriptor
        self._path = path
        self._size = os.fstat(descriptor).st_size
        self._unsynced = 0
        self.records = Records()

    @property
    def runs(self) -> dict[str, RunRecord]:
        """Every run by its name, the earliest first."""
        return self.records.runs

    # --- reading --------------------------------------------------------------------------------

    def load(self) -> None:
        """Read every run; a torn last line, left by a crash, is cut off.

        Raises:
            JournalError: A line is damaged.
        """
        data = _read_all(self._descriptor, self._size)
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            os.ftruncate(self._descriptor, whole)
            self._size = whole
        _read_lines(data[:whole], self._path, self.records)
        for run in self.runs.values():
            if run.state in {UNDONE, CONFIRMED} and run.intents:  # died before it forgot them
                self.forget_names(run)

    def list_open(self, destination: str, sources: Sequence[str]) -> list[RunRecord]:
        """List the interrupted runs of the same sources and destination, the last one first."""
        return [
            run
            for run in reversed(self.runs.values())
            if run.is_open and run.destination == destination and run.sources == tuple(sources)
        ]

    # --- writing --------------------------------------------------------------------------------

    def begin(self, destination: str, sources: Sequence[str], *, store: str = "") -> RunRecord:
        """Begin a run; on disk when this returns. ``store`` says which one it is for people."""
        now = int(time.time())
        name = time.strftime("%Y%m%d-%H%M%S", time.localtime(now)) + "-" + secrets.token_hex(2)
        line = {"type": "run", "version": VERSION, "run": name, "at": now}
        line |= {"to": destination, "from": list(sources), "store": store}
        self._append([line], sync=True)
        return self.runs[name]

    def note_collection(self, run: RunRecord, wallet: str) -> None:
        """Note that the run is about to make a collection."""
        self._append([{"type": "collection", "run": run.id, "wallet": wallet}], sync=True)

    def note_key(self, run: RunRecord, wallet: WalletName) -> None:
        """Note that the run's key is about to be put into a wallet."""
        if wallet not in run.keyed:
            self._append([{"type": "key", "run": run.id, "wallet": wallet}], sync=True)

    def intend(self, run: RunRecord, intents: Iterable[tuple[Place, Action, str]]) -> None:
        """Note what the run is about to write; on disk when this returns."""
        number = max(run.intents, default=0)
        lines = []
        for place, action, digest in intents:
            before = run.by_place.get(place)
            # What an earlier attempt replaced is kept already: a replacement stays one.
            chosen = Action.REPLACE if before and before.action is Action.REPLACE else action
            if before and before.digest == digest and before.action is chosen:
                continue
            if before is None:
                number += 1
            lines.append(
                {
                    "type": "intent",
                    "run": run.id,
                    "row": before.number if before else number,
                    "action": chosen,
                    "digest": digest,
                }
                | _place_fields(place)
            )
        self._append(lines, sync=True)

    def note(self, run: RunRecord, place: Place, outcome: Outcome) -> None:
        """Note how a row ended; synced now and then."""
        intent = run.by_place[place]
        line = {"type": "outcome", "run": run.id, "row": intent.number, "outcome": outcome}
        self._unsynced += 1
        self._append([line], sync=self._unsynced >= _SYNC_ROWS)

    def note_covered(
        self,
        destination: str,
        run: RunRecord | None,
        covered: Iterable[Covering],
    ) -> None:
        """Note which files are in a destination, by a run or without one, and what it lacks."""
        name, now = run.id if run else "", int(time.time())
        fresh = [Coverage(name, destination, file, now, gaps) for file, gaps in covered]
        known = {
            (one.destination, one.file, one.lacking)
            for one in self.records.coverage
            if run is None or one.run == name
        }
        lines = [
            one.to_line() for one in fresh if (destination, one.file, one.lacking) not in known
        ]
        self._append(lines, sync=True)

    def note_undoing(self, run: RunRecord) -> None:
        """Note that what a run wrote is about to be removed; on disk when this returns.

        Under a new file's name, so that whoever watches the folder is told.
        """
        self._append_aloud([{"type": "undoing", "run": run.id, "at": int(time.time())}])

    def note_moved_away(
        self, run: RunRecord | None, wallets: Iterable[tuple[str, WalletName]]
    ) -> None:
        """Note which wallets are about to be removed from which destinations, as of a move.

        On disk when this returns, and told to whoever watches as :meth:`note_undoing` does.
        """
        fields = {"type": "moved-away", "run": run.id if run else "", "at": int(time.time())}
        self._append_aloud([fields | {"to": to, "wallet": wallet} for to, wallet in wallets])

    def _append_aloud(self, lines: Sequence[Mapping[str, object]]) -> None:
        data = _read_all(self._descriptor, self._size)
        self._replace(data + _encode_lines(lines))
        for line in lines:
            _apply(self.records, line)

    def note_settled(self, run: RunRecord, wallet: WalletName) -> None:
        """Note that nothing of a run is left in a wallet; before its key there is removed."""
        self._append([{"type": "settled", "run": run.id, "wallet": wallet}], sync=True)

    def note_taken_back(self, run: RunRecord, rows: Iterable[int]) -> None:
        """Note which rows were taken back, where others were not."""
        self._append([{"type": "taken-back", "run": run.id, "rows": sorted(rows)}], sync=True)

    def end(self, run: RunRecord, state: str) -> None:
        """Note that a run is finished, undone or confirmed."""
        line = {"type": "end", "run": run.id, "state": state, "at": int(time.time())}
        self._append([line], sync=True)

    def forget_names(self, run: RunRecord) -> None:
        """Rewrite the file without the rows of a run that can no longer be undone."""
        data = _read_all(self._descriptor, self._size)
        kept = []
        for line in data.splitlines(keepends=True):
            fields = json.loads(line)
            if fields["run"] != run.id or fields["type"] in _KEPT:
                kept.append(line)
        self._replace(b"".join(kept))

    def close(self) -> None:
        """Sync what is not synced, and let go."""
        if self._descriptor < 0:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise JournalError("the migration journal could not be saved") from error
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, lines: Sequence[Mapping[str, object]], *, sync: bool) -> None:
        data = _encode_lines(lines)
        try:
            _write_all(self._descriptor, data)
            if sync:
                os.fsync(self._descriptor)
                self._unsynced = 0
        except OSError as error:
            self._cut_back()
            raise JournalError(
                f"the migration journal cannot be written ({error.strerror}); nothing further was"
                " written"
            ) from error
        self._size += len(data)
        for line in lines:
            _apply(self.records, line)

    def _cut_back(self) -> None:
        """Drop half a line that a full disk left."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._size)

    def _replace(self, data: bytes) -> None:
        fresh = self._path.with_suffix(".new")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(fresh, flags, 0o600)
        except OSError as error:
            raise JournalError("the migration journal cannot be rewritten") from error
        try:
            # Locked before it has the name: who opens the name from then on finds it locked.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(descriptor, data)
            os.fsync(descriptor)
            fresh.rename(self._path)
        except OSError as error:
            os.close(descriptor)
            raise JournalError("the migration journal cannot be rewritten") from error
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(data)
        try:
            sync_folder(self._path.parent)
        except OSError as error:
            raise JournalError("the migration journal could not be saved") from error


def peek_runs(path: Path) -> dict[str, RunRecord]:
    """Read the runs, as :func:`peek_records` does."""
    return peek_records(path).runs


def peek_records(path: Path) -> Records:
    """Read everything, also while a migration is at work, and change nothing; absent is empty.

    Raises:
        JournalError: It cannot be read, or a line is damaged.
    """
    records = Records()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return records
    except OSError as error:
        raise JournalError(f"the migration journal cannot be read: {error.strerror}") from error
    _read_lines(data[: data.rfind(b"\n") + 1], path, records)
    return records


def last_moves(runs: Mapping[str, RunRecord]) -> dict[str, RunRecord]:
    """Give for each source the last run that moved it and was not taken back, nor partly so."""
    done = (run for run in runs.values() if run.state not in _NOT_DONE and not run.undoing)
    return {source: run for run in done for source in run.sources}


def journal_path(state_home: Path | None = None) -> Path:
    """Give where the journal lies."""
    if state_home is None:
        chosen = os.environ.get("XDG_STATE_HOME", "")
        state_home = Path(chosen) if chosen.startswith("/") else Path.home() / ".local/state"
    return state_home / "kwallet-bridge" / FILE_NAME


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open the journal for this migration alone, made if absent.

    Raises:
        JournalError: It cannot be opened or read, or another migration is at work.
    """
    descriptor = _open_locked(path)
    journal = Journal(descriptor, path)
    try:
        journal.load()
        yield journal
    finally:
        journal.close()


def _open_locked(path: Path) -> int:
    """Open and lock the file that has the name; a rewriting may have renamed another over it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        while True:
            descriptor = os.open(path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _has_name(descriptor, path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    except BlockingIOError as error:
        raise JournalError("another migration is at work") from error
    except OSError as error:
        raise JournalError(f"the migration journal cannot be opened: {error.strerror}") from error


def _has_name(descriptor: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def _encode_lines(lines: Iterable[Mapping[str, object]]) -> bytes:
    return b"".join(
        json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        for line in lines
    )


def _read_lines(data: bytes, path: Path, records: Records) -> None:
    for number, line in enumerate(data.splitlines(), 1):
        try:
            _apply(records, json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"line {number} of the migration journal is damaged; move {path} away to"
                " begin a new one, which knows no earlier run to take back"
            ) from error


def _apply(records: Records, line: Mapping[str, object]) -> None:
    match line:
        case {"type": "run", "version": int(version)} if version > VERSION:
            raise JournalError("the migration journal is of a newer program")
        case {"type": "run", "run": str(name), "at": int(at), "to": str(to), "from": [*origin]}:
            version = int(str(line.get("version", 1)))
            sources, store = tuple(str(text) for text in origin), str(line.get("store", ""))
            records.runs[name] = RunRecord(name, at, to, sources, version=version, store=store)
        case {"type": "covered"}:
            covered = Coverage.from_line(line)
            records.coverage.append(covered)
            records.moved_away.discard((covered.destination, covered.file.wallet))
        case {"type": "moved-away", "to": str(to), "wallet": str(wallet)}:
            records.move_away(to, WalletName(wallet))
        case {"type": "end", "run": str(name), "state": str(state), "at": int(at)}:
            records.runs[name].state, records.runs[name].ended = state, at
            if state == UNDONE:
                records.take_back(records.runs[name])
        case {"type": "undoing", "run": str(name)}:
            records.take_back(records.runs[name])
            records.runs[name].undoing = True
        case {"run": str(name)}:
            _apply_to_run(records.runs[name], line)
        case _:
            raise ValueError("no such line")


def _apply_to_run(run: RunRecord, line: Mapping[str, object]) -> None:
    match line:
        case {"type": "collection", "wallet": str(wallet)}:
            run.collections.append(wallet)
        case {"type": "key", "wallet": str(wallet)}:
            run.keyed.append(WalletName(wallet))
        case {"type": "intent", "row": int(row), "digest": str(digest)}:
            run.add(Intent(row, _read_place(line), Action(str(line["action"])), digest))
        case {"type": "outcome", "row": int(row), "outcome": str(outcome)}:
            run.intents[row].outcome = Outcome(outcome)
        case {"type": "settled", "wallet": str(wallet)}:
            run.settled.add(WalletName(wallet))
        case {"type": "taken-back", "rows": [*rows]}:
            run.taken_back.update(int(str(row)) for row in rows)
        case _:
            raise ValueError("no such line")


def _read_all(descriptor: int, size: int) -> bytes:
    parts = []
    offset = 0
    while offset < size:
        part = os.pread(descriptor, size - offset, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _place_fields(place: Place) -> dict[str, object]:
    fields: dict[str, object] = {"wallet": place.wallet, "kind": place.kind}
    if place.kind is Kind.ITEM:
        fields |= {"label": place.label, "attributes": dict(place.attributes), "key": place.key}
    elif place.kind is Kind.ENTRY:
        fields |= {"folder": place.folder, "key": place.key}
    else:
        fields["folder"] = place.folder
    return fields


def _read_place(line: Mapping[str, object]) -> Place:
    attributes = line.get("attributes", {})
    if not isinstance(attributes, dict):
        raise TypeError("attributes are no object")
    return Place(
        WalletName(str(line["wallet"])),
        Kind(str(line["kind"])),
        str(line.get("folder", "")),
        str(line.get("key", "")),
        str(line.get("label", "")),
        tuple(sorted((str(name), str(value)) for name, value in attributes.items())),
    )
