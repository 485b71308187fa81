# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows who owns the Secret Service name: starts it, meets it, notices when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from kwallet_bridge.bus.port import SignalMatch
from kwallet_bridge.errors import BusError, BusReplyError, BusTimeoutError, StoreUnavailableError
from kwallet_bridge.secretservice import names
from kwallet_bridge.secretservice.client import translate
from kwallet_bridge.secretservice.provider import Provider
from kwallet_bridge.secretservice.signals import interpret
from kwallet_bridge.shared import SharedRun, join_or_start
from kwallet_bridge.store.port import BackendGone, BackendReturned, ItemTouched

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.bus.port import Bus, Signal
    from kwallet_bridge.store.port import BackendEvent

_log = logging.getLogger(__name__)
_QUIET_AFTER_FAILURE = 3.0
"""Seconds in which a failed start is not tried again: a crowd of clients shares one failure."""

_NOTHING_TO_START = "org.freedesktop.DBus.Error.ServiceUnknown"


class ProviderLink:
    """The present provider, and the events of its life."""

    def __init__(
        self,
        bus: Bus,
        service_name: str,
        *,
        call_timeout: float,
        start_timeout: float,
        may_start: bool = True,
    ) -> None:
        """Follow ``service_name``; nothing happens before :meth:`follow`.

        Without ``may_start`` nobody is started: a provider is waited for that comes by itself.
        """
        self.current: Provider | None = None
        self.listeners: list[Callable[[BackendEvent], None]] = []
        self.announced: list[Callable[[str], None]] = []
        """Told the path of every item announced as created, while somebody wants to know."""
        self.closed = False
        self._bus = bus
        self._name = service_name
        self._call_timeout = call_timeout
        self._start_timeout = start_timeout
        self._may_start = may_start
        self._waiters: set[asyncio.Future[None]] = set()
        self._following = False
        self._told = False
        self._serial = 0
        self._runs: dict[str, SharedRun[None]] = {}
        self._failed_at = -_QUIET_AFTER_FAILURE
        self._failed = False

    async def meet(self) -> Provider:
        """Give the provider, starting it if it can be started.

        Raises:
            StoreUnavailableError: There is none.
        """
        if not self._following:
            await join_or_start(self._runs, "follow", self.follow)
        if self.current is None:
            await self._ensure_started()
        provider = self.current
        if provider is None:
            raise StoreUnavailableError("no Secret Service provider is running")
        await provider.identify()
        return provider

    async def can_start(self) -> bool:
        """Tell whether a provider is there, or can be started; starts nothing.

        Where the last start failed and nobody came since, the next one is expected to fail too.
        """
        try:
            if not self._following:
                await join_or_start(self._runs, "follow", self.follow)
            if self.current is not None:
                return True
            if self._failed or not self._may_start:
                return False
            return await self.is_activatable(self._name)
        except (BusError, StoreUnavailableError):
            return False

    async def is_activatable(self, name: str) -> bool:
        """Tell whether the bus can start who has a name; starts nobody."""
        return await self._lists("ListActivatableNames", name)

    async def is_owned(self, name: str) -> bool:
        """Tell whether somebody has a name."""
        return await self._lists("ListNames", name)

    async def _lists(self, member: str, name: str) -> bool:
        (known,) = await self._bus.call(names.DBUS, names.DBUS_PATH, names.DBUS, member)
        return isinstance(known, list) and name in known

    async def wait(self, seconds: float) -> None:
        """Return once a provider is there, at once if one is or can be started.

        Raises:
            StoreUnavailableError: None came in so many seconds.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            try:
                await self.meet()
            except StoreUnavailableError:
                if self.current is None:
                    await self._wait_for_owner(deadline)
            else:
                return

    async def _wait_for_owner(self, deadline: float) -> None:
        # No asyncio.timeout: this may run in no task, see the-house.md.
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        timer = loop.call_at(deadline, _give_up, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiters.discard(waiter)

    async def is_replaced(self, provider: Provider) -> bool:
        """Tell whether a provider is the present one no more, once all news of it have come."""
        if self.current is provider:
            with contextlib.suppress(BusError):
                await self._bus.call(names.DBUS, names.DBUS_PATH, names.DBUS, "GetId")
        return self.current is not provider and not self.closed

    async def follow(self) -> None:
        """Subscribe to everything, before anything is looked at."""
        prompt = SignalMatch(sender=self._name, interface=names.PROMPT, member="Completed")
        everything = SignalMatch(sender=self._name, path_namespace=names.ROOT)
        try:
            await self._bus.subscribe(prompt, self._on_completed)
            await self._bus.subscribe(everything, self._on_signal)
            owner = await self._bus.watch_name(self._name, self._on_owner)
        except BusError as error:
            raise translate(error) from error
        self._following = True
        # A signal is at least as new as the answer, which may have waited for us.
        if owner and not self._told:
            self._welcome(owner)

    async def _ensure_started(self) -> None:
        try:
            await join_or_start(self._runs, "start", self._start)
        except StoreUnavailableError:
            if self.current is None:  # else one came while we were told that there is none
                raise

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._may_start:
            raise StoreUnavailableError("no Secret Service provider is running")
        if loop.time() < self._failed_at + _QUIET_AFTER_FAILURE:
            raise StoreUnavailableError("no Secret Service provider could be started")
        try:
            await self._start_by_name()
        except StoreUnavailableError as error:
            self._failed_at = loop.time()
            self._failed = error.dbus_name != _NOTHING_TO_START
            raise

    async def _start_by_name(self) -> None:
        body = [self._name, 0]
        try:
            await self._bus.call(
                names.DBUS,
                names.DBUS_PATH,
                names.DBUS,
                "StartServiceByName",
                "su",
                body,
                timeout=self._start_timeout,
            )
        except (BusReplyError, BusTimeoutError) as error:
            # The bus refuses to start what nothing can start, even if it runs by now.
            if self.current is not None:
                return
            name = error.name if isinstance(error, BusReplyError) else ""
            raise StoreUnavailableError(
                "no Secret Service provider could be started", dbus_name=name
            ) from error
        except BusError as error:
            raise translate(error) from error
        # The bus tells of the new owner before it answers; a name given away again in between
        # leaves nobody.
        if self.current is None:
            raise StoreUnavailableError("the Secret Service provider left as it came")

    # --- signals ---------------------------------------------------------------------------

    def emit(self, event: BackendEvent) -> None:
        """Tell every listener."""
        for listener in tuple(self.listeners):
            listener(event)

    def _on_owner(self, owner: str) -> None:
        self._told = True
        if self.closed:
            return
        before = self.current
        if before is not None:
            if before.client.owner == owner:
                return
            self.current = None
            before.drop()
            _log.warning("the Secret Service provider left the bus")
            self.emit(BackendGone())
        if owner:
            self._welcome(owner)
            self.emit(BackendReturned())

    def _welcome(self, owner: str) -> None:
        self._serial += 1
        self._failed_at = -_QUIET_AFTER_FAILURE
        self._failed = False
        self.current = Provider(self._bus, owner, serial=self._serial, timeout=self._call_timeout)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _on_completed(self, signal: Signal) -> None:
        provider = self.current
        if provider is not None and signal.sender == provider.client.owner:
            provider.prompts.completed(signal.path, signal.body)

    def _on_signal(self, signal: Signal) -> None:
        provider = self.current
        if provider is None or signal.sender != provider.client.owner or self.closed:
            return
        if signal.member == "ItemCreated" and self.announced and signal.body:
            for listener in self.announced:
                listener(str(signal.body[0]))
        events = interpret(
            signal, aliases=provider.aliases, tag=provider.tag, quirks=provider.quirks
        )
        for event in events:
            if provider.sizes and isinstance(event, ItemTouched) and event.item is not None:
                provider.sizes.pop(event.item, None)
            self.emit(event)


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(StoreUnavailableError("no Secret Service provider came"))
