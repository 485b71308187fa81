# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a person asked for a password in a window of our own."""

from __future__ import annotations

import asyncio
import base64
import logging
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from kwallet_bridge.daemon.screen import WindowUnavailableError
from kwallet_bridge.question import (
    DECISION,
    PASSWORD,
    START_WITHOUT,
    PasswordQuestion,
    Purpose,
)
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kwallet_bridge.daemon.plasma import PlasmaPrompter
    from kwallet_bridge.daemon.screen import Screen
    from kwallet_bridge.keyringfile.sources import KeyRequest
    from kwallet_bridge.question import WaitingProgram

OWN_WINDOW: Final = (sys.executable, "-P", "-m", "kwallet_bridge", "gui", "password")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PasswordAnswer:
    """What a person typed or decided; neither means "later"."""

    password: Secret | None = None
    start_without: bool = False


async def _name_nobody(_: str) -> tuple[tuple[WaitingProgram, ...], int]:
    return (), 0


def _write_reason(question: PasswordQuestion) -> str:
    """Say what Plasma's prompter does not: that the last answer was wrong, and who waits."""
    names = [
        f"{program.application} (by {program.executable})"
        if program.application
        else program.executable or "an unknown program"
        for program in question.waiting
    ]
    if names and question.more:
        names.append(f"{question.more} more")
    said = ["This password did not open it. Please try again."] if question.again else []
    if names:
        said.append(f"Wanted by {', '.join(names)}.")
    return " ".join(said)


class PasswordAsker:
    """Asks one question after the other, each in a window of its own."""

    def __init__(self, screen: Screen, command: Sequence[str] = OWN_WINDOW) -> None:
        """Show windows of ``command`` on ``screen``."""
        self._screen = screen
        self._command = command
        self._plasma: PlasmaPrompter | None = None
        self._describe: Callable[[str], Awaitable[tuple[tuple[WaitingProgram, ...], int]]]
        self._describe = _name_nobody

    def name_with(
        self, describe: Callable[[str], Awaitable[tuple[tuple[WaitingProgram, ...], int]]]
    ) -> None:
        """Have ``describe`` tell which programs wait for a wallet, and how many besides."""
        self._describe = describe

    async def can_ask(self) -> bool:
        """Return whether a window could be shown; shows none."""
        if self._command is not OWN_WINDOW:
            return True
        if await self._screen.has_display() and await asyncio.to_thread(_has_toolkit):
            return True
        return self._plasma is not None and await self._plasma.is_available()

    def ask_first(self, plasma: PlasmaPrompter) -> None:
        """Have ``plasma`` ask where it serves as well as a window of ours."""
        self._plasma = plasma

    async def ask_for_file(self, request: KeyRequest) -> Secret | None:
        """Return the password of a keyring file; None if a person gives none.

        Raises:
            WindowUnavailableError: No window can be shown.
        """
        # Only where a file serves.
        from kwallet_bridge.keyringfile.keys import LEAST_PASSWORD  # noqa: PLC0415

        purpose = Purpose.CREATE if request.new else Purpose.UNLOCK
        question = PasswordQuestion(
            purpose, request.label, again=request.again, least=LEAST_PASSWORD
        )
        return (await self.ask(question, window_id=request.window_id)).password

    async def ask(self, question: PasswordQuestion, *, window_id: str = "") -> PasswordAnswer:
        """Return the answer; a window that ends without one means "later".

        A caller that is cancelled withdraws the question.

        Raises:
            WindowUnavailableError: No window can be shown.
        """
        # It has no second field for a new password, and no "start without it" for a wallet file.
        if question.purpose is Purpose.UNLOCK and self._plasma is not None:
            try:
                return PasswordAnswer(await self._ask_plasma(self._plasma, question, window_id))
            except WindowUnavailableError as error:
                _log.info("our own window asks for a password: %s", error)
        return await self._ask_ourselves(question)

    async def _ask_plasma(
        self, plasma: PlasmaPrompter, question: PasswordQuestion, window_id: str
    ) -> Secret | None:
        async with self._screen.turn:
            if not await plasma.is_available():
                raise WindowUnavailableError("Plasma's prompter is not there, or not wanted")
            waiting, more = await self._describe(question.wallet)
            reason = _write_reason(replace(question, waiting=waiting, more=more))
            return await plasma.ask(question.wallet, reason=reason, window_id=window_id)

    async def _ask_ourselves(self, question: PasswordQuestion) -> PasswordAnswer:
        # An offscreen platform would show our window to nobody, and wait.
        if self._command is OWN_WINDOW and not await self._screen.has_display():
            raise WindowUnavailableError("there is no display")

        async def write() -> str:
            waiting, more = await self._describe(question.wallet)
            return replace(question, waiting=waiting, more=more).to_line()

        answer = await self._screen.ask(self._command, write)
        typed = answer.get(PASSWORD)
        if isinstance(typed, str):
            try:
                return PasswordAnswer(Secret(base64.b64decode(typed, validate=True)))
            except ValueError:
                return PasswordAnswer()
        decided = question.may_start_without and answer.get(DECISION) == START_WITHOUT
        return PasswordAnswer(start_without=decided)


def _has_toolkit() -> bool:
    return find_spec("PyQt6") is not None
