# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers have people asked: each caller one thing at a time, one thing once.

A person answers one question after the other, and a caller that has hundreds must not fill the
screen, or stand before everybody else's. A question goes with the last caller that wants its
answer, which a caller that left the bus does no more.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kwallet_bridge.errors import PromptDismissedError, StoreUnavailableError
from kwallet_bridge.shared import Locks, SharedRun, join_or_start

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Iterator

    from kwallet_bridge.model import AppId, WalletName
    from kwallet_bridge.wallet.access import Asker

T = TypeVar("T")


class Questions:
    """The questions under way, by caller and subject."""

    def __init__(self) -> None:
        """Nobody asks."""
        self._runs: dict[tuple[str, Hashable], SharedRun[Any]] = {}
        self._turns: Locks[str] = Locks()
        self._under_way: dict[str, int] = {}
        self._left: set[str] = set()

    @contextmanager
    def on_behalf(self, caller: str) -> Iterator[None]:
        """Remember for the length of an open whether its caller left."""
        self._under_way[caller] = self._under_way.get(caller, 0) + 1
        try:
            yield
        finally:
            self._under_way[caller] -= 1
            if not self._under_way[caller]:
                del self._under_way[caller]
                self._left.discard(caller)

    async def ask(
        self, caller: str, subject: Hashable, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """Do ``work``, which may ask a person, in the caller's turn; once for equal subjects.

        Raises:
            PromptDismissedError: The caller left before it was asked.
        """
        if caller in self._left:
            raise PromptDismissedError("the program that would be asked for has left")
        return await join_or_start(
            self._runs,
            (caller, subject),
            partial(self._in_turn, caller, work),
            again=StoreUnavailableError,
        )

    async def _in_turn(self, caller: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._turns.hold(caller):
            return await work()

    def withdraw(self, caller: str) -> None:
        """Cancel what is asked for a caller that left, and who waits for it; ask nothing more."""
        if caller in self._under_way:
            self._left.add(caller)
        for (who, _), run in tuple(self._runs.items()):
            if who == caller:
                run.task.cancel()


class OrderlyAsker:
    """An asker that is asked by each caller in its turn."""

    def __init__(self, asker: Asker, questions: Questions) -> None:
        """Have ``asker`` asked as ``questions`` says."""
        self._asker = asker
        self._questions = questions

    async def ask(self, *, wallet: WalletName, appid: AppId, caller: str) -> bool:
        """Tell whether the open may go on."""
        return await self._questions.ask(
            caller,
            (wallet, appid),
            lambda: self._asker.ask(wallet=wallet, appid=appid, caller=caller),
        )
