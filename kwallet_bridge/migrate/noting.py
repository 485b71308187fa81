# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep in the state file what was moved, so that the daemon misses it if it is not there.

A wallet that was moved and never opened since is known to the journal alone, which names a kind of
store and no collection. With what was moved in the wallet's note, another keyring that is in its
place at the first open is told from the one that holds it. Blocking.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.errors import StateError
from kwallet_bridge.migrate.model import Kind, Outcome
from kwallet_bridge.migrate.undo import Undone
from kwallet_bridge.statefile import FILE_NAME, StoreKind, update
from kwallet_bridge.store.note import digest_name, join_places, own_note, put_note

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from kwallet_bridge.migrate.model import Place
    from kwallet_bridge.migrate.run import Job
    from kwallet_bridge.migrate.undo import UndoResult
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.statefile import Decision, State

_THERE = frozenset({Outcome.CREATED, Outcome.REPLACED, Outcome.SAME})
_GONE = frozenset({Undone.REMOVED, Undone.ABSENT})
_PROVIDER = "secret-service"


def note_moved(
    journal: Path, destination: str, jobs: Iterable[Job], *, default_wallet: str
) -> None:
    """Note the entries that were verified, if the destination is the store that serves, or may.

    A state file that cannot be used keeps every open of that store from succeeding anyway.
    """
    places = [
        (result.step.place, result.verified and result.outcome in _THERE)
        for job in jobs
        for result in job.results
    ]
    there = [place for place, is_there in places if is_there and place.kind is Kind.ENTRY]
    if not there:
        return

    def change(state: State) -> State:
        if not _serves(state.decision, destination):
            return state
        for wallet in dict.fromkeys(place.wallet for place in there):
            note = own_note(state, wallet)
            moved = _digests(state, wallet, there)
            note = replace(note, places=join_places([note.places, moved]))
            state = put_note(state, wallet, note, is_default=wallet == default_wallet)
        return state

    with suppress(StateError):
        update(journal.with_name(FILE_NAME), change)


def forget_undone(journal: Path, results: Iterable[UndoResult]) -> None:
    """Note no more what an undo removed: nobody is to miss it there."""
    gone = [one.place for one in results if one.outcome in _GONE and one.place.kind is Kind.ENTRY]
    if not gone or not journal.with_name(FILE_NAME).exists():
        return

    def change(state: State) -> State:
        for wallet in dict.fromkeys(place.wallet for place in gone):
            note = own_note(state, wallet)
            undone = _digests(state, wallet, gone)
            left = {
                folder: keys - undone.get(folder, frozenset())
                for folder, keys in note.places.items()
            }
            places = {folder: keys for folder, keys in left.items() if keys}
            state = put_note(state, wallet, replace(note, places=places))
        return state

    with suppress(StateError):
        update(journal.with_name(FILE_NAME), change)


def _serves(decision: Decision | None, destination: str) -> bool:
    """Return whether a destination is the store that was decided for; none may yet be the provider."""
    if destination.startswith(_PROVIDER):
        return decision is None or decision.kind is StoreKind.PROVIDER
    path = destination.partition(":")[2]
    return decision is not None and decision.kind is StoreKind.FILE and decision.path == path


def _digests(
    state: State, wallet: WalletName, places: Iterable[Place]
) -> dict[str, AbstractSet[str]]:
    found: dict[str, set[str]] = {}
    for place in places:
        if place.wallet == wallet:
            folder = digest_name(state, place.folder)
            found.setdefault(folder, set()).add(digest_name(state, place.key))
    return {folder: frozenset(keys) for folder, keys in found.items()}
