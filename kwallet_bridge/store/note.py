# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept about the collection a wallet was served from: its mark, and digests of names. Pure.

A note may be older than what it tells of, never newer: what was removed since may still be noted,
and what was made in the last seconds not yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from kwallet_bridge.model import FolderName, Key, WalletName
    from kwallet_bridge.statefile import State

    Places = Mapping[str, AbstractSet[str]]
    """Digests of keys by the digest of their folder."""

_DEFAULT: Final = "\0default wallet"
"""No wallet's name: under it is kept which wallet was the default one, since programs follow it."""
_NOTED_AS: Final = "noted_as"
_DIGITS: Final = 32
"""Of a digest's 64: two of a million names share one once in 10^26."""
_MARK, _PLACES, _SINCE = "mark", "places", "undecided_since"


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What is known of one folder's keys; of a complete one, those present are all there are."""

    present: AbstractSet[Key]
    absent: AbstractSet[Key] = frozenset()
    complete: bool = False

    def __repr__(self) -> str:
        return f"KnownKeys({len(self.present)}, complete={self.complete})"


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What is known of one collection's names at one moment."""

    folders: Mapping[FolderName, KnownKeys]
    complete: bool = False
    """Folders that are not named here do not exist."""

    def __repr__(self) -> str:
        return f"KnownNames({len(self.folders)}, complete={self.complete})"


@dataclass(frozen=True, slots=True)
class Note:
    """One wallet's. Folders without a key are in nobody's note: nothing is lost with them."""

    mark: str = ""
    """The identity of the collection; "" while it has no mark."""
    places: Places = field(default_factory=dict, repr=False)
    undecided_since: int = 0
    """When another collection was found in its place, in seconds since 1970; 0 while none is."""
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What other parts of the program keep about the wallet."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be missed."""
        return not self.places

    def holds(self, folder: str, key: str | None = None) -> bool:
        """Tell whether a folder (``key`` None) or an entry is noted, by their digests."""
        keys = self.places.get(folder)
        return keys is not None and (key is None or key in keys)

    def missing(self, there: Mapping[str, AbstractSet[str]]) -> dict[str, AbstractSet[str]]:
        """Return the noted places that are not in ``there``."""
        lacking = {folder: keys - there.get(folder, set()) for folder, keys in self.places.items()}
        return {folder: keys for folder, keys in lacking.items() if keys}

    def learn(self, names: KnownNames, digest: Callable[[str], str]) -> dict[str, AbstractSet[str]]:
        """Return the places as they are by what is known now."""
        places: dict[str, AbstractSet[str]] = {} if names.complete else dict(self.places)
        for folder, keys in names.folders.items():
            name = digest(folder)
            present = frozenset(digest(key) for key in keys.present)
            if not keys.complete:
                before = self.places.get(name, frozenset())
                present |= before - {digest(key) for key in keys.absent}
            if present:
                places[name] = present
            else:
                places.pop(name, None)
        return places


def parse_note(kept: Mapping[str, object] | None) -> Note:
    """Read a wallet's note; an empty one where nothing is kept.

    Raises:
        ValueError: It is not one of ours.
    """
    rest = dict(kept or {})
    mark, places, since = rest.pop(_MARK, ""), rest.pop(_PLACES, {}), rest.pop(_SINCE, 0)
    if not isinstance(mark, str) or not isinstance(places, dict) or not isinstance(since, int):
        raise ValueError("a wallet's note is malformed")  # noqa: TRY004  a file's content
    for keys in places.values():
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ValueError("a wallet's note is malformed")
    return Note(mark, {name: frozenset(keys) for name, keys in places.items()}, since, rest)


def dump_note(note: Note) -> dict[str, object] | None:
    """Write a wallet's note; None where there is nothing to keep."""
    kept: dict[str, object] = dict(note.extra)
    if note.mark or note.places:
        places = {name: sorted(keys) for name, keys in sorted(note.places.items())}
        kept |= {_MARK: note.mark, _PLACES: places}
    if note.undecided_since:
        kept[_SINCE] = note.undecided_since
    return kept or None


# --- notes in the state file --------------------------------------------------------------------


def digest_name(state: State, name: str) -> str:
    """Return the digest under which a folder or key is noted."""
    return state.digest("name", name)[:_DIGITS]


def join_places(places: Iterable[Places]) -> Places:
    """Return all places of several notes."""
    joined: dict[str, AbstractSet[str]] = {}
    for each in places:
        for folder, keys in each.items():
            joined[folder] = joined.get(folder, frozenset()) | keys
    return joined


def own_note(state: State, wallet: WalletName) -> Note:
    """Return what is kept under a wallet's own name.

    Raises:
        StateError: The state file cannot be used.
    """
    return _read(state.find_wallet(wallet))


def read_notes(state: State, wallet: WalletName, *, is_default: bool) -> list[Note]:
    """Return a wallet's own note, and for the default one that of the wallet that was it before.

    Raises:
        StateError: The state file cannot be used.
    """
    notes = [own_note(state, wallet)]
    if is_default and state.key:
        before = (state.find_wallet(_DEFAULT) or {}).get(_NOTED_AS)
        if isinstance(before, str) and before != state.digest(wallet):
            notes.append(_read(state.wallets.get(before)))
    return notes


def put_note(state: State, wallet: WalletName, note: Note, *, is_default: bool = False) -> State:
    """Return a state with a wallet's note, and, of the default one, that it is that."""
    state = state.with_wallet(wallet, dump_note(note))
    if is_default and not note.is_empty:
        state = state.with_wallet(_DEFAULT, {_NOTED_AS: state.digest(wallet)})
    return state


def count_undecided(state: State) -> int:
    """Return how many wallets wait for a person, because another collection is in their place.

    Raises:
        StateError: The state file cannot be used.
    """
    return sum(bool(_read(kept).undecided_since) for kept in state.wallets.values())


def forget_wallet(state: State, wallet: WalletName, *, is_default: bool) -> State:
    """Return a state that expects nothing of a wallet: it was deleted, or is to start anew."""
    state = put_note(state, wallet, Note(extra=own_note(state, wallet).extra))
    return state.with_wallet(_DEFAULT, None) if is_default else state


def _read(kept: Mapping[str, object] | None) -> Note:
    try:
        return parse_note(kept)
    except ValueError as error:
        raise StateError(f"the state file cannot be used: {error}") from error
