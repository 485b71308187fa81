# SPDX-License-Identifier: GPL-3.0-or-later
"""kwalletd5's own dialogs, worked as a person would."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.peers import Xvfb
    from support.private_bus import PrivateBus

CLASS = ("--onlyvisible", "--class", "kwalletd5")
CLASSIC_CIPHER = ("120", "167")  # where the wizard for new wallets offers it
PATIENCE = 30.0
STUBBORN = 50


class KwalletdDialogs:
    """What kwalletd5 asks on a display; its programs are drawn there from now on."""

    def __init__(self, bus: PrivateBus, display: Xvfb) -> None:
        self._bus = bus
        self._env = display.env
        bus.env.update(display.env)

    def wait(self) -> str:
        """Wait until a dialog is shown; gives its window."""
        command = ["xdotool", "search", "--sync", *CLASS]
        return self._bus.run(command, timeout=PATIENCE).stdout.split()[0]

    def shown(self) -> list[str]:
        """Give the windows that are shown now."""
        return self._bus.run(["xdotool", "search", *CLASS], check=False).stdout.split()

    def answer(self, *keys: str) -> None:
        """Wait for a dialog and press keys in it until it is gone."""
        self._work(self.wait(), "key", "--delay", "20", *keys)

    def create(self, password: str) -> None:
        """Have a new wallet made, of the classic kind, with a password."""
        click = ["mousemove", "--window", "%1", *CLASSIC_CIPHER, "click", "1"]
        self._work(self.wait(), *click, "key", "alt+f")
        self.answer("ctrl+a", *password, "Tab", "ctrl+a", *password, "Return")

    def _work(self, window: str, *actions: str) -> None:
        actions = tuple(window if action == "%1" else action for action in actions)
        command = ["xdotool", "windowfocus", "--sync", window, *actions]
        for _ in range(STUBBORN):
            self._bus.run(command, check=False)
            if window not in self.shown():
                return
        raise AssertionError("kwalletd5's dialog stays")
