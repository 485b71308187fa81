# SPDX-License-Identifier: GPL-3.0-or-later
"""Load what may be moved without a question: what this session has opened at a daemon of KDE's.

Pending, open there, and wanted in a wallet of the store that is unlocked. Everything else is left
to the first open, where a person may be asked.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.sources import load_from
from kwallet_bridge.config import read_settings
from kwallet_bridge.errors import BridgeError, BusError, BusLostError
from kwallet_bridge.migrate.journal import journal_path
from kwallet_bridge.migrate.pending import ServedStore, find_pending, list_declined
from kwallet_bridge.migrate.running import OWN_APPID, find_daemons
from kwallet_bridge.statefile import state_path
from kwallet_bridge.store.wallets import WalletState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kwallet_bridge.cli.sources import Loaded
    from kwallet_bridge.cli.stores import StoreOpener
    from kwallet_bridge.config import Settings
    from kwallet_bridge.migrate.pending import PendingWallet
    from kwallet_bridge.migrate.running import RunningDaemon
    from kwallet_bridge.model import WalletName

Refused = tuple[str, BridgeError]


async def load_unasked(
    environ: Mapping[str, str], opener: StoreOpener
) -> tuple[list[Loaded], list[Refused]]:
    """Return the wallets as read, and which could not be; asks nobody anything.

    Raises:
        StoreUnavailableError: There is no such store.
    """
    try:
        bus = await BusConnection.connect()
    except BusLostError:
        return [], []
    try:
        return await load_open(await find_daemons(bus), environ, opener)
    finally:
        bus.close()


async def load_open(
    daemons: Sequence[RunningDaemon], environ: Mapping[str, str], opener: StoreOpener
) -> tuple[list[Loaded], list[Refused]]:
    """Return what ``daemons`` have open, as far as it may be moved unasked."""
    found: list[Loaded] = []
    refused: list[Refused] = []
    settings = read_settings(environ)
    # To be saved makes another file of one that somebody said no to.
    declined = await asyncio.to_thread(list_declined, state_path(environ))
    holders: dict[WalletName, RunningDaemon] = {}
    for daemon in daemons:
        for wallet in await _save_open(daemon, settings, declined):
            holders.setdefault(wallet, daemon)
    # Only now do the files tell what is pending: KDE's daemon saves seconds after a change.
    pending = await asyncio.to_thread(_list_movable, environ, opener.spec) if holders else ()
    wanted = [one.wallet for one in pending if one.wallet in holders]
    unlocked = await _list_unlocked(wanted, opener) if wanted else set()
    for wallet in wanted:
        if wallet not in unlocked:
            continue
        try:
            found.append(await load_from(holders[wallet], wallet))
        except BridgeError as error:
            refused.append((f"running:{wallet}", error))
    return found, refused


async def _save_open(
    daemon: RunningDaemon, settings: Settings, declined: set[WalletName]
) -> list[WalletName]:
    """Have a daemon save what it has open, and lets us into without asking; list that."""
    saved = []
    # A daemon that ends meanwhile has nothing open.
    with suppress(BusError):
        for wallet in await daemon.list_wallets():
            allowed = OWN_APPID in settings.auto_allow.get(wallet, ())
            if wallet in declined or (settings.prompt_on_open and not allowed):
                continue
            if await daemon.is_open(wallet) and await daemon.save(wallet):
                saved.append(wallet)
    return saved


def _list_movable(environ: Mapping[str, str], destination: str) -> list[PendingWallet]:
    """List the pending wallets that nobody took back, and whose files GnuPG does not encrypt."""
    found = find_pending(
        journal=journal_path(),
        state=state_path(environ),
        store=ServedStore(destination),
    )
    return [one for one in found.pending if not (one.undone or one.hides_names)]


async def _list_unlocked(wallets: Sequence[WalletName], opener: StoreOpener) -> set[WalletName]:
    """List the wallets that can be written to without a password of anybody's."""
    if opener.is_file:
        return set() if opener.asks_a_person else set(wallets)
    opened = await opener.open()
    try:
        states = {wallet: await opened.store.wallet_state(wallet) for wallet in wallets}
    finally:
        await opened.close()
    return {wallet for wallet, state in states.items() if state is WalletState.UNLOCKED}
