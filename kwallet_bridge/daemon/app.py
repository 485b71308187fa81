# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: bus, store, service, dispatch, and the order they end in."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.incoming import SERVICE_UNKNOWN
from kwallet_bridge.bus.signatures import forget_signatures
from kwallet_bridge.config import read_settings
from kwallet_bridge.daemon.asker import OWN_DIALOG, DialogAsker
from kwallet_bridge.daemon.display import dialog_environ
from kwallet_bridge.daemon.moving import (
    OWN_PROGRAM,
    WalletMover,
    count_moved,
    find_destination,
)
from kwallet_bridge.daemon.notices import KeyringNotices
from kwallet_bridge.daemon.opened import OpenedPasswords
from kwallet_bridge.daemon.passwords import OWN_WINDOW, PasswordAsker
from kwallet_bridge.daemon.pending import PendingDecisions, PendingWallets
from kwallet_bridge.daemon.plasma import PlasmaPrompter
from kwallet_bridge.daemon.process import notify, trim_memory
from kwallet_bridge.daemon.screen import Screen
from kwallet_bridge.daemon.stores import FileOptions, given_password_file, open_store
from kwallet_bridge.daemon.waiting import WaitingPrograms
from kwallet_bridge.errors import BusError, BusLostError, NameTakenError, SettingsError
from kwallet_bridge.kwalletrc import forget_wallet
from kwallet_bridge.login.key import LoginKey
from kwallet_bridge.statefile import state_path
from kwallet_bridge.store.gate import GatedStore
from kwallet_bridge.store.identity import Identity
from kwallet_bridge.wallet.contents import Contents
from kwallet_bridge.wallet.handles import HandleNumbers
from kwallet_bridge.wallet.openings import Background
from kwallet_bridge.wallet.quota import Quota
from kwallet_bridge.wallet.service import WalletService
from kwallet_bridge.wallet.state import OpenWallets
from kwallet_bridge.wire.dispatch import Dispatcher
from kwallet_bridge.wire.generations import BUS_NAMES
from kwallet_bridge.wire.monitor import Monitor
from kwallet_bridge.wire.peers import Peers
from kwallet_bridge.wire.signals import SignalWriter
from kwallet_bridge.wire.store_status import StoreObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kwallet_bridge.bus.incoming import IncomingCall
    from kwallet_bridge.daemon.pending import PendingAsker
    from kwallet_bridge.daemon.serving import Serving
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.store.wallets import Store
    from kwallet_bridge.wallet.access import Refusal
    from kwallet_bridge.wallet.lacking import Lacking
    from kwallet_bridge.wire.program import PeerProgram
    from kwallet_bridge.wire.secretportal import SecretPortal
    from kwallet_bridge.wire.store_status import StoreStatus

_DRAIN_SECONDS = 10.0
"""How long started calls may take to end once we were asked to stop."""

_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

_TIDY_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks of the daemon."""

    store: str = "auto"
    names: Sequence[str] = BUS_NAMES
    bus_address: str | None = None
    file: FileOptions = field(default_factory=FileOptions)
    access_dialog: Sequence[str] = OWN_DIALOG
    password_window: Sequence[str] = OWN_WINDOW
    secret_portal: bool = False
    """Whether to be the Secret portal's backend too."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a person is asked, and what need not be asked because of how the person logged in."""

    screen: Screen
    passwords: PasswordAsker
    login_key: LoginKey
    opened: OpenedPasswords


class Daemon:
    """Everything that runs, from the first name owned to the last write done."""

    def __init__(  # noqa: PLR0913  what it is made of
        self,
        bus: BusConnection,
        serving: Serving,
        *,
        options: Options,
        asking: Asking,
        handles: HandleNumbers | None = None,
        pending: PendingWallets | None = None,
        identity: Identity | None = None,
    ) -> None:
        """Put the parts together; nothing is on the bus yet.

        Nobody is told absent what ``pending`` knows of, nor what ``identity`` misses.
        """
        loop = asyncio.get_running_loop()
        self._bus = bus
        sources = [source for source in (pending, identity) if source is not None]
        self._store = store = GatedStore(serving.store, sources)
        self._serving = serving
        self._owned: list[str] = []
        self._portal: SecretPortal | None = None
        wallets = OpenWallets(handles)
        signals = SignalWriter(bus)
        password_file = given_password_file(os.environ, options.file)
        self._mover = WalletMover(
            destination=lambda wallet: find_destination(
                serving.store.destination,
                password_file=password_file,
                password=asking.opened.find(store.canonical(wallet)),
            ),
            login_key=asking.login_key,
            passwords=asking.passwords,
            moved=self._tell_moved,
        )
        self._asker = DialogAsker(
            identify=self._identify,
            read_settings=lambda: self._service.settings,
            settings_changed=lambda: self._service.reconfigure(""),
            screen=asking.screen,
            command=options.access_dialog,
        )
        quota = Quota(relieved=self._relieved)
        self._service = WalletService(
            store=store,
            wallets=wallets,
            tell=signals.tell,
            read_settings=lambda: read_settings(os.environ),
            asker=self._asker,
            refused=self._refused,
            forget=_forget,
            arrival=serving,
            quota=quota,
            lacking=_lacking(pending, serving.store, self._mover),
        )
        programs = WaitingPrograms(
            self._service.waiting, identify=self._identify, canonical=store.canonical
        )
        asking.passwords.name_with(programs.describe)
        if options.password_window is OWN_WINDOW:
            asking.passwords.ask_first(
                PlasmaPrompter(
                    bus,
                    environ=asking.screen.environ,
                    is_wanted=lambda: self._service.settings.use_plasma_prompter,
                )
            )
        contents = Contents(store=store, wallets=wallets, tell=signals.tell, clock=loop.time)
        self._peers = peers = Peers(
            bus,
            vanished=self._vanished,
            connect=lambda: bus.connect_again(unix_fds=True),
        )
        self._dispatcher = Dispatcher(
            loop=loop, service=self._service, contents=contents, peers=peers, quota=quota
        )
        self._monitor = Monitor(bus, peers, observe_with=self._dispatcher.observe_with)
        self._background = Background(loop)
        self._tidying: asyncio.TimerHandle | None = None
        self._littered = False
        self._pending = pending
        self._store_object = StoreObject(self._describe, self._background.start)

    async def _describe(self) -> StoreStatus:
        status = await self._serving.describe()
        if self._pending is None:
            return status
        await self._pending.refresh()
        return replace(status, pending=len(self._pending.pending))

    async def _identify(self, peer: str) -> PeerProgram | None:
        return await self._peers.look_again(peer)

    def _refused(self, refusal: Refusal) -> None:
        self._monitor.note_refusal(refusal)

    def _tell_moved(self, result: Mapping[str, Any]) -> None:
        """Have a notification tell, by a program of its own, what was moved."""
        told = json.dumps({"run": result["run"], "entries": count_moved(result)})
        self._background.start(_start_with([*OWN_PROGRAM, "gui", "moved"], told))

    def _vanished(self, peer: str) -> None:
        self._asker.peer_vanished(peer)
        self._service.peer_vanished(peer)
        self._monitor.peer_vanished(peer)
        self._tidy_soon()

    def _relieved(self) -> None:
        self._littered = True
        self._tidy_soon()

    def _tidy_soon(self) -> None:
        if self._tidying is None:
            loop = asyncio.get_running_loop()
            self._tidying = loop.call_later(_TIDY_SECONDS, self._tidy)

    def _tidy(self) -> None:
        """Give back what clients have made us hold that left, or that had much waiting."""
        self._tidying = None
        if self._littered:
            self._littered = False
            gc.collect()  # calls that were given up are held by their own errors
        forget_signatures()
        trim_memory()

    async def claim(self, names: Sequence[str]) -> None:
        """Answer calls, then own the names: nobody may find a name without its objects.

        Raises:
            NameTakenError: Another program owns one of them; none is kept.
        """
        self._bus.serve(self._receive)
        for name in names:
            await self._bus.request_name(name)
            self._owned.append(name)

    async def serve_secret_portal(self, address: str | None) -> None:
        """Hand out applications' secrets too, on a connection of its own; it may fail alone."""
        # Few sessions need it of us, and it is imported only there.
        from kwallet_bridge.wallet.appsecrets import ApplicationSecrets  # noqa: PLC0415
        from kwallet_bridge.wire.secretportal import SecretPortal  # noqa: PLC0415

        try:
            bus = await BusConnection.connect(address, unix_fds=True)
            secrets = ApplicationSecrets(self._service, self._store)
            portal = SecretPortal(bus, secrets, seen=self._peers.seen)
            await portal.serve()
        except (BusError, NameTakenError) as error:
            _log.warning("the Secret portal is not served: %s", error)
        else:
            self._portal = portal

    def _receive(self, call: IncomingCall) -> None:
        if not (self._monitor.handle(call) or self._store_object.handle(call)):
            self._dispatcher.handle(call)

    def announce(self) -> None:
        """Look for the store, and tell the log if it is waited for."""
        self._background.start(self._serving.announce())

    async def run(self) -> None:
        """Serve until asked to stop, or until a name or the bus is lost.

        Raises:
            NameTakenError: Another program took one of our names.
            BusLostError: The bus ended.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        for future in (self._bus.lost, self._bus.name_lost):
            future.add_done_callback(lambda _: stop.set())
        await stop.wait()
        await self._end()
        if self._bus.name_lost.done() and not self._bus.name_lost.cancelled():
            raise NameTakenError(f"another program took {self._bus.name_lost.result()}")

    async def _end(self) -> None:
        """Let every call that was sent to us end, then close the store, then the bus."""
        notify("STOPPING=1")
        self._monitor.close()
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._leave()
                if self._portal is not None:
                    await self._portal.stop()
                self._dispatcher.lanes.cancel_free()
                await self._asker.stop()
                await self._service.stop()
                await self._mover.stop()
                await self._dispatcher.lanes.drain()
                await self._store.close()
        except TimeoutError:
            _log.warning("some calls did not end in time")
        if self._bus.lost.done():
            raise BusLostError("the message bus is gone")
        self._bus.close()

    async def _leave(self) -> None:
        """Give the names back, and refuse what comes after.

        Once the bus has answered, everything that was sent to the names is here; a client that
        writes on and on must not keep us from ending.
        """
        with contextlib.suppress(BusError):
            for name in self._owned:
                await self._bus.release_name(name)
        self._bus.serve(_refuse)


async def _start_with(command: Sequence[str], line: str) -> None:
    """Start a program that is told one line and left to itself."""
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    except OSError as error:
        _log.warning("a notification cannot be shown: %s", error.strerror)
        return
    if process.stdin is not None:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.close()


async def _forget(wallet: WalletName) -> None:
    try:
        await asyncio.to_thread(forget_wallet, os.environ, wallet)
    except SettingsError as error:
        _log.warning("what was decided about a deleted wallet is still in force: %s", error)


def _lacking(pending: PendingWallets | None, store: Store, asker: PendingAsker) -> Lacking | None:
    # Whether something is lacking only the store itself can tell, not what guards it.
    if pending is None:
        return None
    return PendingDecisions(pending, store, os.environ, asker=asker)


def _refuse(call: IncomingCall) -> None:
    call.fail(SERVICE_UNKNOWN, "the daemon is ending")


async def serve(options: Options) -> None:
    """Run the daemon to its end; raises what ended it against its will."""
    bus = await BusConnection.connect(options.bus_address)
    label = read_settings(os.environ).default_wallet
    screen = Screen(lambda: dialog_environ(bus, os.environ))
    passwords = PasswordAsker(screen, options.password_window)
    asking = Asking(screen, passwords, LoginKey(os.environ), OpenedPasswords())
    file = replace(
        options.file,
        label=label,
        window=passwords.ask_for_file,
        can_show=passwords.can_ask,
        has_display=screen.has_display,
        login_key=asking.login_key,
        keeper=asking.opened,
        bus_address=options.bus_address,
    )
    serving = await open_store(options.store, bus=bus, environ=os.environ, options=file)
    store = serving.store
    pending = PendingWallets(
        os.environ,
        served=lambda: store.destination,
        bus_address=options.bus_address or os.environ.get("DBUS_SESSION_BUS_ADDRESS", ""),
        provider=lambda: serving.provider_kind,
        changed=store.distrust,
    )
    await pending.refresh()
    identity = Identity(state_path(os.environ), tell=KeyringNotices(bus).explain)
    store.identify_with(identity)
    daemon = Daemon(
        bus,
        serving,
        options=options,
        asking=asking,
        handles=HandleNumbers(await _bus_id(bus)),
        pending=pending,
        identity=identity,
    )
    await daemon.claim(options.names)
    if options.secret_portal:
        await daemon.serve_secret_portal(options.bus_address)
    daemon.announce()
    gc.collect()
    gc.freeze()
    notify("READY=1")
    _log.info("serving %s", ", ".join(options.names))
    try:
        await daemon.run()
    finally:
        pending.close()


async def _bus_id(bus: BusConnection) -> str:
    """Identify the bus; "" where a proxy in between keeps that to itself, as it then always does."""
    try:
        (identity,) = await bus.call(*_BUS, "GetId")
    except BusError:
        return ""
    return str(identity)


def run(options: Options) -> None:
    """Serve in a loop of our own."""
    asyncio.run(serve(options))
