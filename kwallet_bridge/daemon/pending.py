# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's eye on wallet files that were not moved yet, and who decides what becomes of them.

Files are looked at in a worker thread: where the kernel says that something changed, at each open,
and before a call is refused. So a migration in a terminal needs no restart of the daemon.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from kwallet_bridge.errors import BridgeError, ElsewhereError, JournalError
from kwallet_bridge.shared import SharedRun, join_or_start
from kwallet_bridge.statefile import FILE_NAME as STATE_FILE
from kwallet_bridge.statefile import state_path, update

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kwallet_bridge.keyringfile.watch import FolderWatch
    from kwallet_bridge.migrate.pending import PendingWallet
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.statefile import State
    from kwallet_bridge.store.expected import Expectation, Removal
    from kwallet_bridge.store.wallets import Store

CANNOT_LIST: Final = (
    "the folder of KDE's wallet files cannot be read, so nobody can tell whether something in it was"
    " not moved yet; kwallet-bridge doctor shows the folder"
)
_log = logging.getLogger(__name__)


class Decision(Enum):
    """What a person, or a source that needs none, made of a pending wallet file."""

    MOVED = "moved"
    """A run finished; the journal says so."""
    LATER = "later"
    WITHOUT = "without"
    """Start without it, until the file changes."""


class PendingAsker(Protocol):
    """Decides about pending wallets: moves them, or asks somebody."""

    def can_decide(self, wallet: PendingWallet) -> bool:
        """Return whether it can do anything about this one."""

    async def decide(self, wallet: PendingWallet) -> Decision:
        """Return what was decided. Once per file at a time; cancelled when nobody waits any more."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look found, and by what the next look knows whether it would find the same."""

    signature: tuple[object, ...] | None = None
    pending: tuple[PendingWallet, ...] = ()
    asks_state: bool = False
    """Whether the state file has a word in it."""
    readable: bool = True
    folders: tuple[Path, ...] = ()
    """The folders to watch, as far as they exist."""


class PendingWallets:
    """Knows which wallet files are pending for the store that serves: what the name gate goes by."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        served: Callable[[], str],
        bus_address: str = "",
        provider: Callable[[], str] = lambda: "",
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Know nothing before :meth:`refresh`.

        ``served`` names the store that serves as a migration's ``--to`` does, on the bus at
        ``bus_address``. ``provider`` tells which kind of provider that is, if it is one.
        ``changed`` is called when something else is pending than before.
        """
        self._environ = environ
        self._served = served
        self._bus_address = bus_address
        self._provider = provider
        self._changed = changed
        self._lock = asyncio.Lock()
        self._noting = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        """The look that waits for the one under way, if any."""
        self._seen = _Seen()
        self._names: tuple[WalletName, ...] = ()
        self._watches: dict[Path, FolderWatch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> Sequence[PendingWallet]:
        """What was pending at the last look."""
        return self._seen.pending

    @property
    def readable(self) -> bool:
        """Whether the wallets' folder could be listed; else what was pending before counts on."""
        return self._seen.readable

    def close(self) -> None:
        """Look no more."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()
        for task in self._tasks:
            task.cancel()

    # --- what the gate asks ---------------------------------------------------------------------

    def wallets(self) -> Sequence[WalletName]:
        """Name the wallets something is pending of."""
        return self._names

    def expected(self, wallet: WalletName) -> Sequence[Expectation]:
        """Give what is pending of a wallet."""
        return [one.expectation for one in self._seen.pending if one.wallet == wallet]

    async def refresh(self) -> None:
        """Look again; files that did not change are not read again.

        Who asks while one look goes on, which may have come too early for them, shares the next.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._look_again())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        await asyncio.shield(self._next)

    async def release(self, wallet: WalletName, removal: Removal) -> None:
        """Let go what oo7 or KDE say they moved, once it was seen in the store."""
        for one in self._seen.pending:
            if one.wallet == wallet and not one.hides_names and removal.concerns(one.expectation):
                await self._release(one, removal)

    async def _release(self, one: PendingWallet, removal: Removal) -> None:
        from kwallet_bridge.migrate.elsewhere import (  # noqa: PLC0415  as in _watch
            is_said_to_be_moved,
            note_seen,
        )
        from kwallet_bridge.migrate.pending import ServedStore  # noqa: PLC0415

        run = partial(asyncio.get_running_loop().run_in_executor, None)
        store = ServedStore(*self._name_store())
        if not await run(is_said_to_be_moved, one, store, self._environ):
            return
        seen = await removal.look()
        begun = any(
            one.expectation.was_begun(folder, key) for folder, keys in seen.items() for key in keys
        )
        if begun or removal.leaves_out(one.expectation, seen):
            return
        try:
            # One at a time: the journal refuses a second who writes to it.
            async with self._noting:
                await run(note_seen, one, store, seen)
        except JournalError as error:
            _log.warning("what was moved by others cannot be noted: %s", type(error).__name__)
            return
        await self.refresh()

    def _name_store(self) -> tuple[str, str, str]:
        return self._served(), self._provider(), self._bus_address

    async def _look_again(self) -> None:
        async with self._lock:
            self._next = None
            seen = await self._look(self._seen)
            if await self._watch(seen.folders):
                # What came after the look and before the watch is found by another look.
                seen = await self._look(seen)
            before, self._seen = self._seen, seen
            self._names = tuple(one.wallet for one in seen.pending)
        if seen.pending != before.pending:
            if seen.pending and len(seen.pending) != len(before.pending):
                _log.warning(
                    "%d wallet files of KDE's were not moved yet; calls on what is only there fail",
                    len(seen.pending),
                )
            self._changed()

    async def _look(self, before: _Seen) -> _Seen:
        work = partial(_look, before, self._environ, self._name_store())
        return await asyncio.get_running_loop().run_in_executor(None, work)

    # --- what the kernel tells ------------------------------------------------------------------

    async def _watch(self, folders: Sequence[Path]) -> bool:
        """Watch folders; tells whether one was not watched until now."""
        begun = False
        for folder in folders:
            watch = self._watches.get(folder)
            if watch is None:
                # Who has no wallet files needs none of this.
                from kwallet_bridge.keyringfile.watch import FolderWatch  # noqa: PLC0415

                watch = self._watches[folder] = FolderWatch(folder, self._hear)
            begun = await watch.start() or begun
        return begun

    def _hear(self, names: set[str]) -> None:
        """Look again, unless only the state file changed, which nothing pending depends on."""
        if not self._seen.asks_state and all(STATE_FILE in name for name in names):
            return
        task = asyncio.get_running_loop().create_task(self.refresh())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _look(before: _Seen, environ: Mapping[str, str], served: tuple[str, str, str]) -> _Seen:
    """Look at the files; blocking."""
    signature = _sign(environ, served, with_state=before.asks_state)
    if signature == before.signature and before.readable:
        return before
    if not signature:
        return _Seen(signature)
    from kwallet_bridge.migrate.journal import journal_path  # noqa: PLC0415  as in _watch
    from kwallet_bridge.migrate.pending import (  # noqa: PLC0415
        ServedStore,
        find_pending,
        pending_folder,
    )

    try:
        found = find_pending(
            journal=journal_path(), state=state_path(environ), store=ServedStore(*served)
        )
    except BridgeError as error:
        _log.warning("pending wallets cannot be looked for: %s", type(error).__name__)
        return _Seen(signature, before.pending, before.asks_state, readable=False)
    same = [one.identity for one in found.pending] == [one.identity for one in before.pending]
    folders = (pending_folder(), journal_path().parent)
    return _Seen(
        signature,
        before.pending if same else found.pending,
        found.asked_state,
        folders=tuple(folder for folder in folders if folder.is_dir()),
    )


def _sign(
    environ: Mapping[str, str], served: tuple[str, str, str], *, with_state: bool
) -> tuple[object, ...]:
    """Describe the files without reading them; empty if there is no wallet file."""
    from kwallet_bridge.kwl.folders import list_wallet_folders  # noqa: PLC0415  as in PendingWallets
    from kwallet_bridge.kwl.names import WALLET_SUFFIX  # noqa: PLC0415

    folder = list_wallet_folders()[0]
    try:
        with os.scandir(folder) as listed:
            names = sorted(each.name for each in listed if each.name.endswith(WALLET_SUFFIX))
    except FileNotFoundError:
        if not folder.is_symlink():
            return ()
        names = None
    except OSError:
        names = None
    if names is not None and not names:
        return ()
    from kwallet_bridge.migrate.journal import journal_path  # noqa: PLC0415

    paths = [folder / name for name in names or ()]
    others = [journal_path(), *([state_path(environ)] if with_state else [])]
    return (served, names is None, *((str(path), *_stat(path)) for path in (*paths, *others)))


def _stat(path: Path) -> tuple[int, ...]:
    with suppress(OSError):
        seen = path.stat()
        return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return ()


class PendingDecisions:
    """Lets an open wait until it is decided what becomes of the wallet's pending files."""

    def __init__(
        self,
        wallets: PendingWallets,
        store: Store,
        environ: Mapping[str, str],
        *,
        asker: PendingAsker | None = None,
    ) -> None:
        """Ask ``asker`` about what ``store`` lacks; without one, nobody can be asked."""
        self._wallets = wallets
        self._store = store
        self._environ = environ
        self._asker = asker
        self._put_off: set[object] = set()
        self._asking: dict[str, SharedRun[None]] = {}

    async def may_serve(self) -> bool:
        """Return whether the wallets' folder can be listed: else every open is refused."""
        await self._wallets.refresh()
        return self._wallets.readable

    async def check(self, wallet: WalletName) -> None:
        """Refuse a wallet that cannot be served whatever a person says, before anybody is asked."""
        await self._wallets.refresh()
        if not self._wallets.readable:
            raise ElsewhereError(CANNOT_LIST)
        self._refuse_hidden(wallet, undecided=True)

    async def settle(self, wallet: WalletName) -> None:
        """Return once an unlocked wallet may be served, perhaps behind the name gate."""
        if self._asker is None:
            return
        for one in self._pending_of(wallet):
            if self._asker.can_decide(one) and await self._is_worth_asking(one, wallet):
                work = partial(self._decide, self._asker, one)
                await join_or_start(self._asking, str(one.path), work)
        self._refuse_hidden(wallet)

    def _refuse_hidden(self, wallet: WalletName, *, undecided: bool = False) -> None:
        """Refuse what nobody can look into; ``undecided`` leaves what somebody may decide about."""
        for one in self._pending_of(wallet):
            may_decide = undecided and self._asker is not None and self._asker.can_decide(one)
            if one.hides_names and not may_decide:
                raise ElsewhereError(one.why.value)

    def _pending_of(self, wallet: WalletName) -> list[PendingWallet]:
        return [
            one
            for one in self._wallets.pending
            if wallet in (one.wallet, self._store.canonical(one.wallet))
        ]

    async def _is_worth_asking(self, one: PendingWallet, wallet: WalletName) -> bool:
        """Tell whether something is lacking that nobody said "later" to, nor took back."""
        if one.undone or one.identity in self._put_off:
            return False
        folders = await self._store.list_folders(wallet)
        if one.expectation.has_more_folders(folders):
            return True
        for folder in folders:
            if one.expectation.has_more_keys(
                folder, await self._store.list_entries(wallet, folder)
            ):
                return True
        return False

    async def _decide(self, asker: PendingAsker, one: PendingWallet) -> None:
        decision = await asker.decide(one)
        if decision is Decision.LATER:
            self._put_off.add(one.identity)
        elif decision is Decision.WITHOUT:
            work = partial(_note_without, self._environ, one)
            await asyncio.get_running_loop().run_in_executor(None, work)
        await self._wallets.refresh()


def _note_without(environ: Mapping[str, str], one: PendingWallet) -> None:
    def change(state: State) -> State:
        return state.with_declined(str(one.path), one.declined())

    update(state_path(environ), change)
