# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the KWallet names over, verify by asking the bus, and give them back.

Nothing is ever killed: KDE's daemon is asked to quit in its own words, and where it does not the
change is taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import BridgeError, BusError, BusReplyError, SessionError
from kwallet_bridge.session.census import (
    SYSTEMD,
    SYSTEMD_PATH,
    Owner,
    ask_bus,
    find_owner,
    has_owner,
    list_activatable,
)
from kwallet_bridge.session.files import UNIT
from kwallet_bridge.session.manifest import (
    begin,
    finish,
    forget,
    recover,
    restore,
    survey,
    take_back,
)
from kwallet_bridge.wire.calls import INTERFACE
from kwallet_bridge.wire.generations import BUS_NAMES, GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.session.files import PlannedFile

MANAGER: Final = "org.freedesktop.systemd1.Manager"
QT_APPLICATION: Final = "org.qtproject.Qt.QCoreApplication"
QUIT_PATIENCE: Final = 15.0
ANSWER_PATIENCE: Final = 5.0


class Takeover:
    """Installs and uninstalls the component for one user on a running bus."""

    def __init__(
        self,
        bus: Bus,
        *,
        program: str,
        planned: Sequence[PlannedFile],
        record: Path,
        say: Callable[[str], None],
    ) -> None:
        """Install ``planned``, which start ``program``; tell each step to ``say``."""
        self._bus = bus
        self._program = program
        self._planned = planned
        self._record = record
        self._say = say

    async def install(self) -> None:
        """Write the files, have KDE's daemons end, start ours, verify; or put all back.

        Raises:
            SessionError: It did not work; everything is as before.
        """
        owners = await self._owners()
        self._refuse_strangers(owners)
        earlier = recover(self._record)
        running = [name for name, owner in owners.items() if owner.is_kwalletd]
        manifest = survey(
            self._planned,
            was_running=running or (earlier.was_running if earlier else ()),
            program=self._program,
            previous=earlier,
        )
        ours = any(owner.is_bridge for owner in owners.values())
        try:
            begin(self._record, manifest)
            self._say(f"wrote {len(self._planned)} files")
            await self._switch(owners)
            finish(self._record, manifest)
        except (BridgeError, OSError) as error:
            self._say("it did not work: putting everything back")
            take_back(self._record, manifest)
            # Who answered before shall answer again.
            await self._give_back(BUS_NAMES[:1] if ours else list(owners))
            raise SessionError(f"everything is as before: {_reason(error)}") from error

    async def _switch(self, owners: dict[str, Owner]) -> None:
        await self._reload()
        await self._require_seen()
        for owner in {owner.unique_name: owner for owner in owners.values()}.values():
            await self._end(owner)
        await self.start()
        await self.verify()

    async def _require_seen(self) -> None:
        """Refuse a bus that looks elsewhere: it goes by its own environment, and passwd's home."""
        seen = await list_activatable(self._bus)
        if not seen.issuperset(BUS_NAMES):
            folder = self._planned[0].path.parent
            raise SessionError(f"the bus does not look for services in {folder}")

    async def start(self) -> None:
        """Have the bus start the service, if it does not run.

        Raises:
            SessionError: The bus knows of none, or it does not start.
        """
        try:
            await ask_bus(self._bus, "StartServiceByName", "su", [BUS_NAMES[0], 0])
        except BusReplyError as error:
            if BUS_NAMES[0] in await list_activatable(self._bus):
                raise SessionError(f"the service does not start ({error.name})") from error
            missing = "nothing is installed that the bus could start"
            raise SessionError(f"{missing}; run kwallet-bridge session install") from error

    async def restart(self) -> None:
        """Have our daemon end and start anew, if it runs; programs open their wallets again.

        Raises:
            SessionError: It does not end, or does not start.
        """
        ours = {
            each.unique_name: each for each in (await self._owners()).values() if each.is_bridge
        }
        for owner in ours.values():
            await self._end(owner)
        if ours and await list_activatable(self._bus) & {*BUS_NAMES}:
            await self.start()

    async def verify(self) -> None:
        """Make sure that one kwallet-bridge owns all names and answers at each.

        Raises:
            SessionError: Somebody else does, or nobody answers.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_PATIENCE):
                for name in BUS_NAMES:
                    await self._wait_for_owner(name)
        owners = await self._owners()
        for generation in GENERATIONS:
            owner = owners.get(generation.bus_name)
            if owner is None or not owner.is_bridge:
                raise SessionError(f"{generation.bus_name} is answered by {owner or 'nobody'}")
            await self._bus.call(
                generation.bus_name,
                generation.path,
                INTERFACE,
                "isEnabled",
                timeout=ANSWER_PATIENCE,
                auto_start=False,
            )
        if len({owner.unique_name for owner in owners.values()}) != 1:
            raise SessionError("the names are owned by several programs")
        self._say(f"{', '.join(BUS_NAMES)} are answered by {owners[BUS_NAMES[0]]}")

    async def uninstall(self) -> None:
        """Put the files back, end our service, let the old daemon run again if it did.

        Raises:
            SessionError: Nothing is installed.
        """
        manifest = recover(self._record)
        if manifest is None:
            raise SessionError("nothing is installed for this user")
        left = restore(manifest)
        self._say(f"restored {len(manifest.before) - len(left)} paths")
        for path in left:
            self._say(f"{path} holds what another program put there, and stays")
        await self._give_back(manifest.was_running)
        forget(self._record)

    async def _give_back(self, names: Sequence[str]) -> None:
        """Have bus and systemd see the files that are there again, and ``names`` answered by them."""
        await self._reload()
        for owner in {each.unique_name: each for each in (await self._owners()).values()}.values():
            if owner.is_bridge:
                await self._end(owner)
        await self._revive(names)

    async def _revive(self, names: Sequence[str]) -> None:
        startable = await list_activatable(self._bus)
        for name in names:
            if name in startable and not await has_owner(self._bus, name):
                with contextlib.suppress(BusError):
                    await ask_bus(self._bus, "StartServiceByName", "su", [name, 0])
                    self._say(f"{name} runs again: {await find_owner(self._bus, name)}")

    async def _owners(self) -> dict[str, Owner]:
        found = {name: await find_owner(self._bus, name) for name in BUS_NAMES}
        return {name: owner for name, owner in found.items() if owner is not None}

    def _refuse_strangers(self, owners: dict[str, Owner]) -> None:
        for name, owner in owners.items():
            if not (owner.is_bridge or owner.is_kwalletd):
                raise SessionError(f"{name} is owned by {owner}; end that program first")

    async def _reload(self) -> None:
        """Have bus and systemd read their files again.

        A bus watches only the directories that existed when it started.
        """
        await ask_bus(self._bus, "ReloadConfig")
        if await has_owner(self._bus, SYSTEMD):
            await self._bus.call(SYSTEMD, SYSTEMD_PATH, MANAGER, "Reload")
            self._say("systemd has read its units again")

    async def _end(self, owner: Owner) -> None:
        gone = asyncio.Event()
        present = await self._bus.watch_name(
            owner.unique_name, lambda new_owner: None if new_owner else gone.set()
        )
        if not present:
            return
        await self._ask_to_end(owner)
        try:
            async with asyncio.timeout(QUIT_PATIENCE):
                await gone.wait()
        except TimeoutError:
            raise SessionError(f"{owner} was asked to end and did not") from None
        self._say(f"{owner} ended")

    async def _wait_for_owner(self, name: str) -> None:
        """Wait for a program that just started and takes its names one after the other."""
        taken = asyncio.Event()
        if not await self._bus.watch_name(name, lambda owner: taken.set() if owner else None):
            await taken.wait()

    async def _ask_to_end(self, owner: Owner) -> None:
        if owner.unit == UNIT and await has_owner(self._bus, SYSTEMD):
            body = [UNIT, "replace"]
            await self._bus.call(SYSTEMD, SYSTEMD_PATH, MANAGER, "StopUnit", "ss", body)
        elif owner.is_bridge:
            await self._terminate(owner)
        else:
            self._bus.send_call(owner.unique_name, "/MainApplication", QT_APPLICATION, "quit")

    async def _terminate(self, owner: Owner) -> None:
        """Ask our own process to end; the descriptor makes sure that it is still that one."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(owner.pid)
            try:
                if await has_owner(self._bus, owner.unique_name):
                    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            finally:
                os.close(descriptor)


def _reason(error: BridgeError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror}"
    return str(error)
