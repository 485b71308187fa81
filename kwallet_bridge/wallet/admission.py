# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes for a wallet to count as open: found so, unlocked, or made."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from kwallet_bridge.errors import InvalidNameError, StoreError, StoreUnavailableError
from kwallet_bridge.model import DEFAULT_FOLDERS
from kwallet_bridge.shared import SharedRun, join_or_start
from kwallet_bridge.store import wallets as port
from kwallet_bridge.wallet import events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kwallet_bridge.model import WalletName
    from kwallet_bridge.wallet.idle import IdleWatch
    from kwallet_bridge.wallet.state import OpenWallet, OpenWallets

_log = logging.getLogger(__name__)


class Admission:
    """Finds, unlocks and makes wallets, one prompt for all who ask for one wallet."""

    def __init__(
        self,
        *,
        store: port.Store,
        wallets: OpenWallets,
        tell: Callable[[events.Event], None],
        idle: IdleWatch,
        clock: Callable[[], float],
    ) -> None:
        """Admit wallets of ``store`` to ``wallets``; ``clock`` counts seconds."""
        self._store = store
        self._wallets = wallets
        self._tell = tell
        self._idle = idle
        self._clock = clock
        self._closed_here: set[WalletName] = set()
        self._prepared: set[WalletName] = set()
        self._known: set[WalletName] = set()
        self._lost: set[WalletName] = set()
        self._starting: dict[str, SharedRun[None]] = {}

    def note_closed(self, wallet: WalletName) -> None:
        """Have a wallet that stays unlocked in the store count as closed until it is opened."""
        self._closed_here.add(wallet)

    def forget_closed(self, wallet: WalletName | None = None) -> None:
        """Let the store's word count again, for one wallet or all."""
        if wallet is None:
            self._closed_here.clear()
        else:
            self._closed_here.discard(wallet)

    def note_gone(self) -> None:
        """Have the wallets that went with the provider be told of when they are found open."""
        self.forget_closed()
        self._lost |= self._known

    def note_deleted(self, wallet: WalletName) -> None:
        """Forget a wallet: what has its name next is another one."""
        for names in (self._prepared, self._known, self._lost):
            names.discard(wallet)

    @property
    def lost(self) -> Sequence[WalletName]:
        """The wallets of a provider that went which have not been found again, locked or open."""
        return tuple(self._lost)

    async def unlock_or_create(self, wallet: WalletName, window_id: int) -> None:
        """Open a closed wallet, whose provider may ask for its password; opens at once share that.

        Whoever answers what is asked meanwhile has let no program in: others may join unnamed.
        """
        if not wallet:
            raise InvalidNameError("a wallet needs a name")
        await self._share(wallet, str(window_id) if window_id > 0 else "")

    async def _share(self, wallet: WalletName, window: str) -> None:
        work = partial(self._make_usable, wallet, window)
        # It may have been begun at a provider that was replaced before this open came.
        await join_or_start(self._starting, wallet, work, again=StoreUnavailableError)

    async def _make_usable(self, wallet: WalletName, window: str) -> None:
        state = await self._store.wallet_state(wallet)
        if state is port.WalletState.ABSENT:
            # Told even if everybody who asked for it has left by then: it is there.
            told = partial(self._admit_usable, wallet, created=True)
            await self._store.create_wallet(wallet, window_id=window, made=told)
            return
        if state is port.WalletState.LOCKED:
            await self._store.unlock(wallet, window_id=window)
        self._admit_usable(wallet, created=False)

    def _admit_usable(self, wallet: WalletName, *, created: bool) -> None:
        if self._wallets.by_name(wallet) is not None:
            return  # the provider's signal was first
        self.admit(wallet)
        if created:
            self._prepared.add(wallet)
            self._tell_folders_made(wallet)
            self._tell(events.WalletCreated(wallet))
            self._tell(events.WalletListDirty())
        self._tell(events.WalletOpened(wallet))

    async def prepare(self, wallet: WalletName) -> None:
        """Make the usual folders in a collection that becomes a wallet by this first open."""
        if wallet in self._prepared:
            return
        self._prepared.add(wallet)
        try:
            made = await self._store.prepare(wallet)
        except StoreError as error:
            self._prepared.discard(wallet)
            _log.warning("the usual folders could not be made: %s", type(error).__name__)
            return
        if made:
            self._tell_folders_made(wallet)

    def _tell_folders_made(self, wallet: WalletName) -> None:
        for _ in DEFAULT_FOLDERS:
            self._tell(events.FolderListUpdated(wallet))

    async def find_open(self, wallet: WalletName) -> OpenWallet | None:
        """Find an open wallet; one that is unlocked in the store counts, as after PAM's open.

        One that is just being opened counts only once ``walletOpened`` was told.
        """
        opened = self._wallets.by_name(wallet)
        if opened is not None or not wallet or wallet in self._closed_here:
            return opened
        state = await self._store.wallet_state(wallet)
        wallet = self._store.canonical(wallet)
        opened = self._wallets.by_name(wallet)
        if opened is not None or wallet in self._closed_here or wallet in self._starting:
            return opened
        if state is not port.WalletState.UNLOCKED:
            if state is port.WalletState.LOCKED:
                self._lost.discard(wallet)  # its unlocking will be told by the provider
            return None
        lost = wallet in self._lost
        opened = self.admit(wallet)
        if lost:
            self._tell(events.WalletOpened(wallet))
        return opened

    def admit(self, wallet: WalletName) -> OpenWallet:
        """Count a wallet as open from now on."""
        self._closed_here.discard(wallet)
        self._lost.discard(wallet)
        self._known.add(wallet)
        opened = self._wallets.add(wallet)
        self.use(opened)
        self._idle.watch(opened)
        return opened

    def use(self, opened: OpenWallet) -> None:
        """Note that a wallet was used, which puts its idle close off."""
        opened.last_used = self._clock()
