# SPDX-License-Identifier: GPL-3.0-or-later
"""A wallet is the collection it was served from: known by its mark, or by all that is noted of it.

Before a collection is served under a wallet's name it is proven to be that wallet's. One that has
no such mark and lacks something noted is another one: what it lacks is expected of it from then on,
so the name gate tells nobody "absent", until a person decides or it is there.
What is noted follows the index, some seconds behind, in a worker thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import BridgeError, ElsewhereError, StateError, StoreLockedError
from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.shared import SharedRun, join_or_start
from kwallet_bridge.statefile import load, update
from kwallet_bridge.store.expected import NameDigests
from kwallet_bridge.store.mark import (
    MARK_QUERY,
    draw_identity,
    identity_of,
    identity_query,
    mark_item,
)
from kwallet_bridge.store.note import (
    KnownNames,
    Note,
    digest_name,
    forget_wallet,
    join_places,
    own_note,
    put_note,
    read_notes,
)
from kwallet_bridge.store.walletitems import wallet_item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from kwallet_bridge.statefile import State
    from kwallet_bridge.store.expected import Expectation, Removal
    from kwallet_bridge.store.note import Places
    from kwallet_bridge.store.port import CollectionId, ItemBackend
    from kwallet_bridge.store.site import Finder, Site

    _Names = dict[FolderName, set[Key]]

DELAY: Final = 2.0
"""Seconds by which the note is behind what is served."""
_PORTION: Final = 64
"""Items that are read for the note at once, so that programs' questions come in between."""
_DEFAULT: Final = "default wallet: "
"""Before the name of the default wallet in what a collection was proven to be."""

LACKS: Final = (
    "another keyring is in this wallet's place and lacks what the wallet held; bring the former one"
    " back, or run kwallet-bridge store copy or kwallet-bridge store accept"
)
GONE: Final = (
    "the keyring that this wallet was kept in is not there; bring it back, or run kwallet-bridge"
    " store accept to start anew"
)

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Watched:
    """One proven collection, and how far its note is behind."""

    site: Site
    wallet: WalletName
    mark: str = ""
    markable: bool = True
    whole: bool = False
    """Whether everything in it was looked at once, not only what programs asked about."""
    noted: KnownNames | None = None
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class _Alarm:
    """A collection that lacks what is noted, or that is not there (``site`` None)."""

    expectation: Expectation
    site: Site | None = field(repr=False)


class Identity:
    """Proves collections, notes what they hold, and expects what another one lacks."""

    def __init__(self, path: Path, *, tell: Callable[[WalletName], None] = lambda _: None) -> None:
        """Keep notes in the state file at ``path``; ``tell`` explains to a person, once a wallet."""
        self._path = path
        self._tell = tell
        self._told: set[WalletName] = set()
        self._watched: dict[int, _Watched] = {}
        self._alarms: dict[WalletName, _Alarm] = {}
        self._proving: dict[str, SharedRun[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self._later: asyncio.TimerHandle | None = None
        self._problem: str | None = None
        """Why the state file cannot be used, "" if it can; None before it was read."""
        self._finder: Finder
        self._backend: ItemBackend
        self.default_wallet = WalletName("")

    def attach(self, backend: ItemBackend, finder: Finder) -> None:
        """Work on the collections of one backend."""
        self._backend = backend
        self._finder = finder

    def _role_of(self, wallet: WalletName) -> str:
        """Name what a collection is proven to be: a wallet, or also the default one."""
        return _DEFAULT + wallet if wallet == self.default_wallet else wallet

    def _notes(self, state: State, wallet: WalletName) -> list[Note]:
        return read_notes(state, wallet, is_default=wallet == self.default_wallet)

    # --- proof ----------------------------------------------------------------------------------

    def is_settled(self, site: Site, wallet: WalletName) -> bool:
        """Tell whether a collection was proven to be a wallet's, or to be another one."""
        return self._role_of(wallet) in site.proven

    async def prove(self, site: Site, wallet: WalletName) -> None:
        """Prove that an unlocked collection is the wallet's, or expect what it lacks.

        Raises:
            ElsewhereError: It was just found to lack something.
        """
        if self.is_settled(site, wallet):
            return
        role = self._role_of(wallet)
        work = partial(self._prove, site, wallet, role)
        await join_or_start(self._proving, f"{id(site)} {role}", work)

    async def _prove(self, site: Site, wallet: WalletName, role: str) -> None:
        state = await self._load()
        mark, missing = await self._compare(site, self._notes(state, wallet), state)
        site.check()
        site.proven.add(role)
        if missing:
            await self._raise_alarm(wallet, site, _expect(state, missing, LACKS))
            raise ElsewhereError(LACKS)
        self._alarms.pop(wallet, None)
        self._watch(site, wallet, mark)

    async def _compare(self, site: Site, notes: Sequence[Note], state: State) -> tuple[str, Places]:
        """Give a mark of a wallet's notes that the collection has, and what it lacks of others."""
        mark = ""
        unproven: list[Note] = []
        for note in notes:
            if note.mark and await self._is_marked(site.collection, note.mark):
                mark = mark or note.mark
            elif not note.is_empty:
                unproven.append(note)
        if not unproven:
            return mark, {}
        there = await self._digests(site, state)
        return mark, join_places(note.missing(there) for note in unproven)

    async def _is_marked(self, collection: CollectionId, mark: str) -> bool:
        return bool(await self._backend.search(collection, identity_query(mark)))

    async def _digests(self, site: Site, state: State) -> Mapping[str, AbstractSet[str]]:
        rows, _ = await self._finder.find_all(site)
        names: _Names = {}
        for row in rows:
            if row.key is not None:
                names.setdefault(row.folder, set()).add(row.key)

        return await asyncio.to_thread(_digest, state, names)

    async def require_unexpected(self, wallet: WalletName) -> None:
        """Refuse to make a wallet anew that was kept in a collection which is not there.

        Raises:
            ElsewhereError: It was.
        """
        state = await self._load()
        places = join_places(note.places for note in self._notes(state, wallet))
        if not places:
            self._alarms.pop(wallet, None)
            return
        await self._raise_alarm(wallet, None, _expect(state, places, GONE))
        raise ElsewhereError(GONE)

    async def might_have_held(
        self,
        collection: CollectionId | None,
        wallet: WalletName,
        folder: FolderName,
        key: Key | None,
    ) -> bool:
        """Tell of a place that a locked or missing collection does not show whether it was noted.

        A collection that shows the wallet's mark is the wallet's, and believed.
        """
        state = await self._load()
        notes = [note for note in self._notes(state, wallet) if not note.is_empty]
        if not notes:
            return False
        place = digest_name(state, folder), None if key is None else digest_name(state, key)
        for note in notes:
            if not note.holds(*place):
                continue
            if collection is None or not note.mark:
                return True
            if not await self._is_marked(collection, note.mark):
                return True
        return False

    async def forget(self, wallet: WalletName) -> None:
        """Note nothing of a wallet that was deleted on a program's word."""
        self._alarms.pop(wallet, None)
        left = [each for each in self._watched.values() if each.wallet == wallet]
        for watched in left:
            self._drop(watched)
        # What was known when the collection went is being noted: that comes first.
        while self._tasks:
            await asyncio.wait(self._tasks)
        is_default = wallet == self.default_wallet
        await self._update(lambda state: forget_wallet(state, wallet, is_default=is_default))
        for watched in left:
            if not watched.site.ended:
                self._watch(watched.site, wallet, "")

    # --- what another collection lacks: the gate's source ----------------------------------------

    def wallets(self) -> Sequence[WalletName]:
        """Name the wallets in whose place another collection is."""
        return tuple(self._alarms)

    def expected(self, wallet: WalletName) -> Sequence[Expectation]:
        """Give what that collection lacks."""
        alarm = self._alarms.get(wallet)
        return () if alarm is None else (alarm.expectation,)

    async def release(self, wallet: WalletName, removal: Removal) -> None:
        """Let nothing go: that another collection is in the wallet's place is a person's to decide."""

    async def refresh(self) -> None:
        """Look whether a person has decided, or what was lacking is there by now."""
        for wallet, alarm in list(self._alarms.items()):
            state = await self._load()
            notes = self._notes(state, wallet)
            site = alarm.site if alarm.site is not None and not alarm.site.ended else None
            mark = ""
            if any(not note.is_empty for note in notes):
                if site is None:
                    continue  # proven when it is opened
                mark, missing = await self._compare(site, notes, state)
                if missing:
                    continue
            if self._alarms.get(wallet) is alarm:
                del self._alarms[wallet]
                self._told.discard(wallet)
                if site is not None:
                    self._watch(site, wallet, mark)

    async def _raise_alarm(
        self, wallet: WalletName, site: Site | None, expectation: Expectation
    ) -> None:
        self._alarms[wallet] = _Alarm(expectation, site)
        if site is not None:
            # What is brought along ends it, also where nobody asks for it.
            site.index.changed = self._stir_alarms
        if wallet in self._told:
            return
        self._told.add(wallet)
        _log.warning("a wallet's keyring was replaced by one that holds less, or is gone")
        self._tell(wallet)
        since = int(time.time())
        try:
            await self._update(
                lambda state: put_note(
                    state, wallet, replace(own_note(state, wallet), undecided_since=since)
                )
            )
        except StateError as error:
            _log.warning("an open decision could not be noted: %s", error)

    # --- noting ---------------------------------------------------------------------------------

    def leave(self, site: Site) -> None:
        """Note the last of a collection that is about to be locked or lost."""
        watched = self._watched.get(id(site))
        if watched is not None:
            names = site.index.known_names()
            self._drop(watched)
            # Without the mark a note that is a little too old would make it another collection.
            if names != watched.noted and watched.mark:
                self._start(self._note(watched, names))

    async def flush(self) -> None:
        """Note everything now."""
        if self._alarms:
            self._look_again()
            while self._tasks:
                await asyncio.wait(self._tasks)
        for watched in list(self._watched.values()):
            self._due(watched)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _watch(self, site: Site, wallet: WalletName, mark: str) -> None:
        if (other := self._watched.get(id(site))) is not None:
            self._drop(other)
        watched = self._watched[id(site)] = _Watched(site, wallet, mark)
        site.index.changed = partial(self._stir, watched)
        self._stir(watched)

    def _drop(self, watched: _Watched) -> None:
        self._watched.pop(id(watched.site), None)
        watched.site.index.changed = None
        if watched.timer is not None:
            watched.timer.cancel()
            watched.timer = None

    def _stir(self, watched: _Watched) -> None:
        if watched.timer is None:
            loop = asyncio.get_running_loop()
            watched.timer = loop.call_later(DELAY, self._due, watched)

    def _stir_alarms(self) -> None:
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(DELAY, self._look_again)

    def _look_again(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._start(self.refresh())

    def _due(self, watched: _Watched) -> None:
        if watched.timer is not None:
            watched.timer.cancel()
            watched.timer = None
        self._start(self._settle(watched))

    async def _settle(self, watched: _Watched) -> None:
        site = watched.site
        others: _Names = {}
        if not (site.ended or watched.whole):
            others = await self._list_others(site)
            watched.whole = True
        if not (site.ended or watched.mark) and watched.markable and (others or _holds_keys(site)):
            await self._mark(watched)
        names = site.index.known_names()
        if not site.ended and (others or names != watched.noted):
            await self._note(watched, names, others)

    async def _list_others(self, site: Site) -> _Names:
        """Name the entries that no program asked about yet: another collection lacks them too."""
        others: _Names = {}
        found = await self._finder.search_readable(site, {})
        unknown = [item for item in found if item not in site.index.items]
        for start in range(0, len(unknown), _PORTION):
            part = unknown[start : start + _PORTION]
            try:
                infos = await self._finder.read_items(site, part, unlock=False)
            except StoreLockedError:
                continue  # nobody is asked for the sake of a note
            for row in map(wallet_item_of, infos.values()):
                if row is not None and row.key is not None:
                    others.setdefault(row.folder, set()).add(row.key)
        return others

    async def _mark(self, watched: _Watched) -> None:
        """Give a collection its mark; one that it has from elsewhere is as good."""
        collection = watched.site.collection
        watched.markable = False
        found = await self._finder.search(watched.site, MARK_QUERY)
        infos = await self._finder.read_items(watched.site, found, unlock=False)
        known = sorted(filter(None, (identity_of(info.attributes) for info in infos.values())))
        if known:
            watched.mark = known[0]
        else:
            notes = self._notes(await self._load(), watched.wallet)
            mark = next((note.mark for note in notes if note.mark), "") or draw_identity()
            await self._backend.create_item(collection, mark_item(mark), replace=False)
            watched.mark = mark
        watched.noted = None

    async def _note(
        self, watched: _Watched, names: KnownNames, others: _Names | None = None
    ) -> None:
        wallet, is_default = watched.wallet, watched.wallet == self.default_wallet

        def change(state: State) -> State:
            notes = read_notes(state, wallet, is_default=is_default)
            noted = [*(note.places for note in notes), _digest(state, others or {})]
            before = replace(notes[0], places=join_places(noted))
            places = before.learn(names, partial(digest_name, state))
            mark = watched.mark or next((note.mark for note in notes if note.mark), "")
            after = replace(before, mark=mark, places=places, undecided_since=0)
            return put_note(state, wallet, after, is_default=is_default)

        await self._update(change)
        watched.noted = names

    def _start(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: object) -> None:
        try:
            async with self._lock:
                await work  # type: ignore[misc]
        except BridgeError as error:
            _log.warning("what a wallet holds could not be noted: %s", type(error).__name__)

    # --- the state file -------------------------------------------------------------------------

    async def find_problem(self) -> str:
        """Return why no collection can be proven, so that every open fails; "" if they can be."""
        if self._problem != "":
            with contextlib.suppress(StateError):
                await self._load()
        return self._problem or ""

    async def _load(self) -> State:
        try:
            state = await asyncio.to_thread(load, self._path)
        except StateError as error:
            if not self._problem:
                _log.error(
                    "opens fail: the state file cannot be used; kwallet-bridge doctor says why"
                )
            self._problem = str(error)
            raise
        self._problem = ""
        return state

    async def _update(self, change: Callable[[State], State]) -> None:
        await asyncio.to_thread(update, self._path, change)


def _expect(state: State, places: Mapping[str, AbstractSet[str]], advice: str) -> Expectation:
    folders = {
        bytes.fromhex(folder): frozenset(map(bytes.fromhex, keys))
        for folder, keys in places.items()
    }
    return NameDigests(lambda name: bytes.fromhex(digest_name(state, name)), folders, advice)


def _digest(state: State, names: _Names) -> dict[str, AbstractSet[str]]:
    return {
        digest_name(state, folder): {digest_name(state, key) for key in keys}
        for folder, keys in names.items()
    }


def _holds_keys(site: Site) -> bool:
    return any(row.key is not None for row in site.index.items.values())
