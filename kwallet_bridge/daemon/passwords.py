# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a person asked for a password in a window of our own."""

from __future__ import annotations

import asyncio
import base64
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

    from kwallet_bridge.daemon.screen import Screen
    from kwallet_bridge.keyringfile.sources import KeyRequest
    from kwallet_bridge.question import WaitingProgram

OWN_WINDOW: Final = (sys.executable, "-P", "-m", "kwallet_bridge", "gui", "password")


@dataclass(frozen=True, slots=True)
class PasswordAnswer:
    """What a person typed or decided; neither means "later"."""

    password: Secret | None = None
    start_without: bool = False


async def _name_nobody(_: str) -> tuple[tuple[WaitingProgram, ...], int]:
    return (), 0


class PasswordAsker:
    """Asks one question after the other, each in a window of its own."""

    def __init__(self, screen: Screen, command: Sequence[str] = OWN_WINDOW) -> None:
        """Show windows of ``command`` on ``screen``."""
        self._screen = screen
        self._command = command
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
        return await self._screen.has_display() and await asyncio.to_thread(_has_toolkit)

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
        return (await self.ask(question)).password

    async def ask(self, question: PasswordQuestion) -> PasswordAnswer:
        """Return the answer; a window that ends without one means "later".

        A caller that is cancelled withdraws the question.

        Raises:
            WindowUnavailableError: No window can be shown.
        """
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
