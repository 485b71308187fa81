# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompts of a stand-in provider, and the ways in which they go wrong."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.bus.port import Variant
from support.fake_items import NO_OBJECT, ROOT, FakeError

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = Variant("o", "/")
STYLES = (
    "accept",
    "dismiss",
    "never",
    "twice",
    "bad-variant",
    "error",
    "slash",
    "half-made",
)


class Emit(Protocol):
    """Sends a signal of a Secret Service interface."""

    def __call__(
        self, path: str, interface: str, member: str, signature: str, body: list[object]
    ) -> None:
        """Send it."""


@dataclass
class PromptRun:
    """What happens when a person accepts, and when the provider fails half-way."""

    accept: Callable[[], Variant]
    spoil: Callable[[], Variant] = lambda: NOTHING


class FakePrompts:
    """Prompts without a person: ``style`` says how they are answered.

    ``never`` waits for :meth:`answer` or ``Dismiss``; ``error`` fails in ``Prompt``; ``slash`` is
    ksecretd's dismissal; ``half-made`` is KeePassXC's failure after the item was made.
    """

    def __init__(self, emit: Emit) -> None:
        self.style = "accept"
        self.open: dict[str, PromptRun] = {}
        self.dismissed: list[str] = []
        self.windows: list[str] = []
        self.shown = asyncio.Event()
        self.gone = asyncio.Event()
        self._emit = emit
        self._numbers = itertools.count(1)

    def make(self, run: PromptRun) -> str:
        """Make a prompt that nobody sees yet."""
        path = f"{ROOT}/prompt/p{next(self._numbers)}"
        self.open[path] = run
        return path

    def show(self, path: str, window_id: str) -> None:
        """Show a prompt; by ``style`` it is answered at once."""
        if path not in self.open:
            raise FakeError(NO_OBJECT)
        self.windows.append(window_id)
        if self.style == "error":
            raise FakeError("org.freedesktop.zbus.Error")
        if self.style != "never":
            self.answer(path)
        self.shown.set()

    def answer(self, path: str) -> None:
        """Have the person answer, in ``style``; one that never answers says yes at last."""
        run = self.open.pop(path)
        if self.style == "dismiss":
            self._complete(path, Variant("ao", []), dismissed=True)
        elif self.style == "slash":
            self._complete(path, Variant("ao", ["/"]), dismissed=True)
        elif self.style == "half-made":
            self._complete(path, run.spoil(), dismissed=True)
        else:
            self._accept(path, run)

    def _accept(self, path: str, run: PromptRun) -> None:
        try:
            result = run.accept()
        except FakeError:
            self._complete(path, run.spoil(), dismissed=True)
            return
        if self.style == "bad-variant":
            result = Variant("a{sv}", {"x": Variant("i", 1)})
        self._complete(path, result, dismissed=False)
        if self.style == "twice":
            self._complete(path, Variant("s", ""), dismissed=True)

    def _complete(self, path: str, result: Variant, *, dismissed: bool) -> None:
        self._emit(path, "Prompt", "Completed", "bv", [dismissed, result])

    def dismiss(self, path: str) -> None:
        """Take a prompt back."""
        if path not in self.open:
            raise FakeError(NO_OBJECT)
        del self.open[path]
        self.dismissed.append(path)
        self._complete(path, NOTHING, dismissed=True)
        self.gone.set()
