# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a person about an open, in a dialog on the one screen there is."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from kwallet_bridge.config import AUTO_ALLOW, AUTO_DENY, RC_NAME
from kwallet_bridge.daemon.screen import ShortageError, WindowUnavailableError
from kwallet_bridge.errors import SettingsError
from kwallet_bridge.kconfig import KConfig
from kwallet_bridge.kwalletrc import AccessList, remember
from kwallet_bridge.question import (
    DECISION,
    Decision,
    Question,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kwallet_bridge.config import Settings
    from kwallet_bridge.daemon.screen import Screen
    from kwallet_bridge.model import AppId, WalletName
    from kwallet_bridge.wire.program import PeerProgram

OWN_DIALOG: Final = (sys.executable, "-P", "-m", "kwallet_bridge", "gui", "access")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    """A dialog that is up, and how many opens wait for it."""

    task: asyncio.Task[bool]
    waiting: int = 0


@dataclass(slots=True)
class DialogAsker:
    """Asks through a dialog program; equal questions share one dialog."""

    identify: Callable[[str], Awaitable[PeerProgram | None]]
    """Tells the process behind a unique bus name; None for a peer that is gone."""
    read_settings: Callable[[], Settings]
    settings_changed: Callable[[], Awaitable[None]]
    """Called after a decision was written to kwalletrc."""
    screen: Screen
    command: Sequence[str] = OWN_DIALOG
    _pending: dict[tuple[str, ...], _Pending] = field(default_factory=dict)
    _gone: dict[str, set[asyncio.Future[None]]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _keeping: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, *, wallet: WalletName, appid: AppId, caller: str) -> bool:
        """Tell whether the open may go on; False for a caller that left meanwhile."""
        program = await self.identify(caller)
        if program is None:
            return False
        question = _describe(wallet, appid, program)
        pending = self._join(question)
        gone = asyncio.get_running_loop().create_future()
        self._gone.setdefault(caller, set()).add(gone)
        try:
            await asyncio.wait({pending.task, gone}, return_when=asyncio.FIRST_COMPLETED)
            done = pending.task.done() and not pending.task.cancelled()
            return done and pending.task.result()
        finally:
            self._leave(caller, gone, pending)

    def peer_vanished(self, peer: str) -> None:
        """Withdraw the questions of a peer that left."""
        for gone in self._gone.get(peer, ()):
            if not gone.done():
                gone.set_result(None)

    async def stop(self) -> None:
        """Close every dialog; whoever waits is refused. Decisions made are still written."""
        tasks = [pending.task for pending in self._pending.values()]
        for task in tasks:
            task.cancel()
        if tasks or self._keeping:
            await asyncio.wait({*tasks, *self._keeping})

    def _join(self, question: Question) -> _Pending:
        # The program belongs to the question: another one must not ride on this one's answer.
        program = question.executable or str(question.pid)
        key = (question.wallet, question.appid, program, question.flatpak)
        pending = self._pending.get(key)
        if pending is None:
            task = asyncio.get_running_loop().create_task(self._decide(question))
            task.add_done_callback(lambda _: self._pending.pop(key, None))
            pending = self._pending[key] = _Pending(task)
        pending.waiting += 1
        return pending

    def _leave(self, caller: str, gone: asyncio.Future[None], pending: _Pending) -> None:
        self._gone[caller].discard(gone)
        if not self._gone[caller]:
            del self._gone[caller]
        pending.waiting -= 1
        if not pending.waiting:
            pending.task.cancel()

    async def _decide(self, question: Question) -> bool:
        try:
            decision = await self._show(question)
        except ShortageError as error:
            _log.warning("Prompt on Open: %s; an open is denied", error)
            return False
        except WindowUnavailableError as error:
            return self._decide_unasked(str(error))
        if decision.is_kept:
            task = asyncio.get_running_loop().create_task(self._keep(question, decision))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)
            await asyncio.shield(task)
        return decision.allows

    def _decide_unasked(self, reason: str) -> bool:
        allowed = not self.read_settings().deny_without_dialog
        if reason not in self._told:
            self._told.add(reason)
            outcome = "allowed" if allowed else "denied"
            _log.warning(
                "Prompt on Open: %s; opens are %s, as nobody can be asked", reason, outcome
            )
        return allowed

    async def _keep(self, question: Question, decision: Decision) -> None:
        where = AccessList.ALLOW if decision.allows else AccessList.DENY
        try:
            await asyncio.to_thread(
                remember, os.environ, where, wallet=question.wallet, appid=question.appid
            )
        except SettingsError as error:
            _log.warning("a decision holds this once only: %s", error)
            return
        await self.settings_changed()

    async def _show(self, question: Question) -> Decision:
        """Ask, and wait for a person; a dialog that ends after it was seen means no."""

        async def write() -> str:
            return (await _with_choices(question)).to_line()

        answer = await self.screen.ask(self.command, write)
        try:
            return Decision(answer.get(DECISION))
        except ValueError:
            return Decision.DENY


def _describe(wallet: WalletName, appid: AppId, program: PeerProgram) -> Question:
    return Question(wallet, appid, program.pid, program.executable, program.flatpak)


async def _with_choices(question: Question) -> Question:
    """Leave out what kwalletrc does not let us keep."""
    config = await asyncio.to_thread(KConfig.load, RC_NAME, os.environ)
    return replace(
        question,
        may_allow_always=not config.is_immutable(AUTO_ALLOW, question.wallet),
        may_deny_always=not config.is_immutable(AUTO_DENY, question.wallet),
    )
