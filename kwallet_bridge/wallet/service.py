# SPDX-License-Identifier: GPL-3.0-or-later
"""KWallet's calls on wallets: opening, closing, who uses what, listing, deleting.

Every answer and every event order is kwalletd's (5.103 and 6.13, asked on a bus); where the bridge
differs on purpose, ``docs/reference/differences.md`` has the row.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    AccessDeniedError,
    BridgeError,
    ElsewhereError,
    StoreLockedError,
    WalletNotFoundError,
)
from kwallet_bridge.model import AppId, Handle, WalletName
from kwallet_bridge.store import wallets as port
from kwallet_bridge.wallet import events
from kwallet_bridge.wallet.access import AccessRules, Refusal
from kwallet_bridge.wallet.admission import Admission
from kwallet_bridge.wallet.arrival import AlwaysThere, Arrival
from kwallet_bridge.wallet.idle import IdleWatch
from kwallet_bridge.wallet.lacking import LackingNothing
from kwallet_bridge.wallet.openings import Background, Openings
from kwallet_bridge.wallet.questions import OrderlyAsker, Questions
from kwallet_bridge.wallet.quota import Quota
from kwallet_bridge.wallet.state import UNWATCHED, OpenWallets
from kwallet_bridge.wallet.waiting import Waiter, Waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kwallet_bridge.config import Settings
    from kwallet_bridge.model import FolderName, Key
    from kwallet_bridge.wallet.access import Asker
    from kwallet_bridge.wallet.lacking import Lacking
    from kwallet_bridge.wallet.state import OpenWallet

CLOSED = 0
STILL_OPEN = 1
FAILED = -1
NO_HANDLE = Handle(-1)
LIST_PATIENCE = 20.0
"""Seconds that a list waits for a store that is still expected: QtDBus gives up after 25."""

_log = logging.getLogger(__name__)


async def _forget_nothing(_: WalletName) -> None:
    pass


class WalletService:
    """The part of KWallet that is not folders and entries."""

    def __init__(  # noqa: PLR0913  what it serves from, and whom it tells
        self,
        *,
        store: port.Store,
        wallets: OpenWallets,
        tell: Callable[[events.Event], None],
        read_settings: Callable[[], Settings],
        asker: Asker | None = None,
        refused: Callable[[Refusal], None] = lambda _: None,
        forget: Callable[[WalletName], Awaitable[None]] = _forget_nothing,
        arrival: Arrival | None = None,
        quota: Quota | None = None,
        lacking: Lacking | None = None,
    ) -> None:
        """Serve from ``store``; ``read_settings`` reads kwalletrc afresh.

        ``arrival`` tells when the store is there; without it nobody waits for it.
        ``refused`` is told of each open that was denied.
        ``forget`` drops what was decided about a wallet that is deleted.
        ``quota`` bounds what waits for each caller, with whatever else it bounds.
        ``lacking`` is asked at each open about what a wallet lacks.
        """
        self._refused = refused
        self._forget = forget
        self._lacking = lacking or LackingNothing()
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._arrival = arrival or AlwaysThere(store)
        self._wallets = wallets
        self._tell = tell
        self._read_settings = read_settings
        self._reading = asyncio.Lock()
        self.waiting = Waiting()
        self._questions = Questions()
        self._asker = OrderlyAsker(asker, self._questions) if asker is not None else None
        self._openings = Openings(self._loop, quota or Quota())
        self._background = Background(self._loop)
        self._idle = IdleWatch(self._loop, wallets, self._close_idle)
        self._admission = Admission(
            store=store, wallets=wallets, tell=tell, idle=self._idle, clock=self._loop.time
        )
        self._apply(read_settings())
        store.subscribe(self._on_store_event)

    def _apply(self, settings: Settings) -> None:
        self.settings = settings
        self._access = AccessRules(settings, self._asker)
        self._store.configure(
            port.StoreSettings(
                default_wallet=settings.default_wallet, lock_on_close=settings.lock_on_close
            )
        )
        minutes = settings.idle_timeout_minutes if settings.close_when_idle else None
        self._idle.configure(minutes * 60.0 if minutes is not None else None)

    # --- opening ---------------------------------------------------------------------------

    async def is_enabled(self, _: str) -> bool:
        """Tell whether the wallet system is switched on and an open may succeed."""
        if not self.settings.enabled:
            return False
        if not await self._arrival.is_expected(self.settings.provider_wait):
            return False
        return await self._lacking.may_serve()

    async def open(self, caller: str, *, wallet: WalletName, window_id: int, appid: AppId) -> int:
        """Open a wallet, prompting if needed, and answer when it is open; -1 on failure."""
        return await self.open_for(Waiter(caller, appid), wallet=wallet, window_id=window_id)

    async def open_for(self, waiter: Waiter, *, wallet: WalletName, window_id: int = 0) -> int:
        """Open a wallet as :meth:`open` does, for whom ``waiter`` says."""
        if not self.settings.enabled:
            return FAILED
        transaction = self._openings.draw()
        return await self._transact(
            transaction, waiter, wallet=wallet, window_id=window_id, service=UNWATCHED
        )

    async def open_async(
        self,
        caller: str,
        *,
        wallet: WalletName,
        window_id: int,
        appid: AppId,
        handle_session: bool,
    ) -> int:
        """Answer a transaction number at once; ``walletAsyncOpened`` tells the outcome later."""
        if not self.settings.enabled or not self._openings.reserve(caller):
            return FAILED
        transaction = self._openings.draw()
        # It starts in the next turn of the loop, so the answer is sent before any signal.
        self._openings.start(
            caller,
            self._transact(
                transaction,
                Waiter(caller, appid),
                wallet=wallet,
                window_id=window_id,
                service=caller if handle_session else UNWATCHED,
                answered=True,
            ),
        )
        return transaction

    async def open_path(self, _: str, *, path: str, window_id: int, appid: AppId) -> int:
        """Refuse: wallets by path never worked through KDE's libraries."""
        del path, window_id, appid
        return FAILED

    async def open_path_async(
        self, _: str, *, path: str, window_id: int, appid: AppId, handle_session: bool
    ) -> int:
        """Refuse, as :meth:`open_path`."""
        del path, window_id, appid, handle_session
        return FAILED

    async def pam_open(
        self, _: str, *, wallet: WalletName, password_hash: bytes, session_timeout: int
    ) -> None:
        """Ignore: the provider unlocks itself at login."""
        del wallet, password_hash, session_timeout

    async def _transact(  # noqa: PLR0913  an open has that many parts
        self,
        transaction: int,
        waiter: Waiter,
        *,
        wallet: WalletName,
        window_id: int,
        service: str,
        answered: bool = False,
    ) -> Handle:
        handle = NO_HANDLE
        caller, appid = waiter.caller, waiter.appid
        started = self._loop.time()
        try:
            with self._questions.on_behalf(caller):
                opened = await self._open(wallet, window_id, waiter)
            await self._arrival.note_served()
            opened.holds.append((appid, service))
            opened.references += 1
            handle = opened.handle
        except BridgeError as error:
            if isinstance(error, AccessDeniedError):
                seconds = self._loop.time() - started
                self._refused(Refusal(caller, wallet, appid, seconds, answered=answered))
            _log.info("an open failed: %s", type(error).__name__)
            if isinstance(error, ElsewhereError) and not answered:
                self._tell(events.WalletAsyncOpened(transaction, handle))
                raise
        self._tell(events.WalletAsyncOpened(transaction, handle))
        return handle

    async def _open(self, wallet: WalletName, window_id: int, waiter: Waiter) -> OpenWallet:
        caller, appid = waiter.caller, waiter.appid
        if self._access.denied(wallet, appid):
            raise AccessDeniedError("kwalletrc denies this application the wallet")
        await self._arrival.wait(self.settings.provider_wait)
        opened = await self._admission.find_open(wallet)
        wallet = self._store.canonical(wallet)
        if self._access.denied(wallet, appid):
            raise AccessDeniedError("kwalletrc denies this application the wallet")
        await self._lacking.check(wallet)
        known = opened is not None and opened.is_held_by(appid)
        if opened is None:
            with self.waiting.noted(wallet, waiter):
                await self._questions.ask(
                    caller, wallet, lambda: self._admission.unlock_or_create(wallet, window_id)
                )
        await self._admission.prepare(wallet)
        if not await self._access.allows(wallet, appid, caller, known=known):
            raise AccessDeniedError("the application was denied the wallet")
        # As a subject of its own: who unlocks has not decided about what the wallet lacks.
        with self.waiting.noted(wallet, waiter):
            await self._questions.ask(
                caller, ("lacking", wallet), lambda: self._lacking.settle(wallet)
            )
        # While a person was asked the wallet may have been closed, and opened anew.
        current = self._wallets.by_name(wallet)
        if current is None:
            raise AccessDeniedError("the wallet was closed meanwhile")
        self._admission.use(current)
        return current

    # --- closing ---------------------------------------------------------------------------

    async def close_wallet(self, _: str, *, wallet: WalletName, force: bool) -> int:
        """Close by name: -1 if not open, 0 if closed, 1 if it stays open."""
        opened = await self._admission.find_open(wallet)
        if opened is None:
            return FAILED
        return await self._close_by_rule(opened, force=force)

    async def close_handle(self, caller: str, *, handle: Handle, force: bool, appid: AppId) -> int:
        """End one hold of an application; 1 for an application that has none, even forced."""
        opened = self._wallets.by_handle(handle)
        if opened is None:
            return FAILED
        if not opened.is_held_by(appid):
            return STILL_OPEN
        opened.end_hold(appid, caller)
        return await self._close_by_rule(opened, force=force)

    async def _close_by_rule(self, opened: OpenWallet, *, force: bool) -> int:
        if not self._closes(opened, force=force):
            return STILL_OPEN
        await self._close(opened)
        return CLOSED

    def _closes(self, opened: OpenWallet, *, force: bool) -> bool:
        return force or (opened.references <= 0 and not self.settings.leave_open)

    async def _close(self, opened: OpenWallet, *, by_client: bool = True) -> None:
        self._end(opened, by_client=by_client)
        await self._lock(opened.name)

    def _close_unasked(self, opened: OpenWallet, *, by_client: bool) -> None:
        """Close without a caller: told at once, so that no later answer comes before."""
        self._end(opened, by_client=by_client)
        self._background.start(self._lock(opened.name))

    def _end(self, opened: OpenWallet, *, by_client: bool) -> None:
        self._announce_closed(opened, by_client=by_client)
        self._admission.note_closed(opened.name)

    async def _lock(self, wallet: WalletName) -> None:
        try:
            await self._store.lock(wallet)
        except BridgeError as error:
            _log.warning("a closed wallet could not be locked: %s", type(error).__name__)

    def _announce_closed(self, opened: OpenWallet, *, by_client: bool = False) -> None:
        self._wallets.remove(opened, by_client=by_client)
        self._tell(events.WalletClosed(opened.name, opened.handle))
        if not len(self._wallets):
            self._tell(events.AllWalletsClosed())

    async def close_all_wallets(self, _: str) -> None:
        """Close every open wallet by force."""
        await self._close_all(by_client=True)

    async def _close_all(self, *, by_client: bool) -> None:
        for opened in self._wallets.all():
            # While another was being locked this one may have ended by itself.
            if self._wallets.by_handle(opened.handle) is opened:
                await self._close(opened, by_client=by_client)

    def _close_idle(self, opened: OpenWallet) -> None:
        _log.info("a wallet is closed for idleness")
        self._close_unasked(opened, by_client=False)

    # --- who uses what ---------------------------------------------------------------------

    async def is_open_wallet(self, _: str, *, wallet: WalletName) -> bool:
        """Tell whether a wallet is open, whoever opened it. Never prompts."""
        return await self._admission.find_open(wallet) is not None

    async def is_open_handle(self, _: str, *, handle: Handle) -> bool:
        """Tell whether a handle is open, whosever it is; of one that ended a plain False.

        It says nothing of any secret, and has python keyring open the wallet again.
        """
        return self._wallets.by_handle(handle) is not None

    async def list_users(self, _: str, *, wallet: WalletName) -> Sequence[str]:
        """List the applications with a hold on an open wallet, each once.

        Of one that is not open, those with any: kwalletd's handle for "closed" also means "any".
        """
        opened = await self._admission.find_open(wallet)
        asked = [opened] if opened is not None else self._wallets.all()
        return list(dict.fromkeys(appid for each in asked for appid, _ in each.holds))

    async def disconnect_application(
        self, _: str, *, wallet: WalletName, application: AppId
    ) -> bool:
        """Cut an application off from a wallet; False if it did not use it."""
        opened = self._wallets.by_name(wallet)
        if opened is None or not opened.end_holds(appid=application):
            return False
        await self._close_by_rule(opened, force=False)
        self._tell(events.ApplicationDisconnected(wallet, application))
        return True

    def peer_vanished(self, peer: str) -> None:
        """End the holds that a peer asked to be watched; those of ``open`` stay for ever."""
        self._openings.cancel(peer)
        self._questions.withdraw(peer)
        for opened in self._wallets.all():
            if opened.end_holds(service=peer) and self._closes(opened, force=False):
                self._close_unasked(opened, by_client=True)

    # --- the list of wallets ---------------------------------------------------------------

    async def list_wallets(self, _: str) -> Sequence[str]:
        """List wallets, ignoring case in their order. Never prompts.

        Programs that look for their wallet in the list before they open it take an error for an
        empty one, so while the store is still expected the list waits for it too.
        """
        patience = self.settings.provider_wait
        if await self._arrival.is_expected(patience):
            await self._arrival.wait(min(patience, LIST_PATIENCE))
        return sorted(await self._store.list_wallets(), key=lambda name: (name.casefold(), name))

    async def delete_wallet(self, caller: str, *, wallet: WalletName) -> int:
        """Delete a wallet, unlocking it if needed; -1 if there is none. Closes it by force."""
        try:
            wallet = await self._delete_in_store(wallet, caller)
        except WalletNotFoundError:
            return FAILED
        opened = self._wallets.by_name(wallet)
        if opened is not None:
            self._announce_closed(opened, by_client=True)
        self._admission.note_deleted(wallet)
        self._tell(events.WalletDeleted(wallet))
        # What is in force is not read again: kwalletd denies until the next reconfigure, too.
        await self._forget(wallet)
        self._loop.call_soon(self._tell, events.WalletListDirty())
        return CLOSED

    async def _delete_in_store(self, wallet: WalletName, caller: str) -> WalletName:
        """Delete a wallet; what must not be deleted is refused before anybody is asked about it."""
        name = self._store.canonical(wallet)
        try:
            await self._store.delete_wallet(name)
        except StoreLockedError:
            with self.waiting.noted(name, Waiter(caller, AppId(""))):
                await self._store.unlock(wallet)
            name = self._store.canonical(wallet)
            await self._store.delete_wallet(name)
        return name

    async def change_password(
        self, _: str, *, wallet: WalletName, window_id: int, appid: AppId
    ) -> None:
        """Do nothing but use up a transaction number: the provider's own program does it."""
        del wallet, window_id, appid
        self._openings.draw()

    async def folder_does_not_exist(
        self, _: str, *, wallet: WalletName, folder: FolderName
    ) -> bool:
        """Tell without opening whether a folder is certainly absent. Never prompts."""
        return not await self._store.might_exist(wallet, folder, None)

    async def key_does_not_exist(
        self, _: str, *, wallet: WalletName, folder: FolderName, key: Key
    ) -> bool:
        """Tell without opening whether an entry is certainly absent. Never prompts."""
        return not await self._store.might_exist(wallet, folder, key)

    async def network_wallet(self, _: str) -> str:
        """Name the wallet for network passwords."""
        return self.settings.default_wallet

    async def local_wallet(self, _: str) -> str:
        """Name the wallet for local passwords."""
        return self.settings.local_wallet

    async def reconfigure(self, _: str) -> None:
        """Read kwalletrc again; switched off, every wallet is closed."""
        async with self._reading:  # what was read later is what stays
            self._apply(await asyncio.to_thread(self._read_settings))
        if not self.settings.enabled:
            await self._close_all(by_client=False)

    # --- what others change ----------------------------------------------------------------

    def _on_store_event(self, event: port.StoreEvent) -> None:
        match event:
            case port.FolderTouched(wallet, folder):
                self._tell(events.FolderUpdated(wallet, folder))
            case port.FoldersTouched(wallet):
                self._tell(events.FolderListUpdated(wallet))
            case port.WalletsChanged():
                self._tell(events.WalletListDirty())
                self._find_lost()
            case port.WalletLocked(wallet):
                self._admission.forget_closed(wallet)
                opened = self._wallets.by_name(wallet)
                if opened is not None:
                    self._announce_closed(opened)
            case port.WalletUnlocked(wallet):
                if self._wallets.by_name(wallet) is None:
                    self._admission.admit(wallet)
                    self._tell(events.WalletOpened(wallet))
            case port.StoreGone():
                self._admission.note_gone()
                for opened in self._wallets.all():
                    self._announce_closed(opened)

    def _find_lost(self) -> None:
        """Tell of wallets that went with the provider and came back open with it."""
        for wallet in self._admission.lost:
            self._background.start(self._admission.find_open(wallet))

    async def stop(self) -> None:
        """Let background work end; started writes finish in the store."""
        self._idle.configure(None)
        self._openings.cancel_all()
        await self._background.wait()
