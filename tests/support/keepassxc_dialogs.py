# SPDX-License-Identifier: GPL-3.0-or-later
"""KeePassXC's own questions, answered by the keyboard as a person would."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from support.private_bus import end_process

if TYPE_CHECKING:
    import subprocess

    from support.peers import Xvfb
    from support.private_bus import PrivateBus

ACCESS = "Access Request"
DELETION = "recycle bin"
ALLOW = ("Return",)  # the entries shown, remembered
ALLOW_ALL = ("alt+f",)  # and all others from now on
REFUSE = ("Escape",)  # this time
REFUSE_ALL = ("Tab", "Tab", "Tab", "Return")  # and from now on
DELETE = ("Tab", "Return")
PATIENCE = 30.0
FOCUSING = "3"  # seconds
STUBBORN = 50


class Dialogs:
    """What KeePassXC asks on a display."""

    def __init__(self, bus: PrivateBus, display: Xvfb) -> None:
        self._bus = bus
        self._env = display.env

    def wait(self, title: str) -> str:
        """Wait until a question is shown; gives its window."""
        command = ["xdotool", "search", "--sync", "--onlyvisible", "--name", title]
        return self._bus.run(command, env=self._env, timeout=PATIENCE).stdout.split()[0]

    def start_waiting(self) -> subprocess.Popen[bytes]:
        """Start a program that ends once any question is shown."""
        names = f"{ACCESS}|{DELETION}"
        command = ["xdotool", "search", "--sync", "--onlyvisible", "--name", names]
        return self._bus.start(command, env=self._env)

    def shown(self, title: str) -> list[str]:
        """Give the windows of the questions that are shown now."""
        command = ["xdotool", "search", "--onlyvisible", "--name", title]
        return self._bus.run(command, env=self._env, check=False).stdout.split()

    def press(self, window: str, *keys: str) -> None:
        """Press keys in a window until it is gone."""
        # Where the window goes while it gets the focus xdotool waits for 15 s.
        focus = ["timeout", FOCUSING, "xdotool", "windowfocus", "--sync", window]
        command = [*focus, "key", "--delay", "20", *keys]
        for _ in range(STUBBORN):
            self._bus.run(command, env=self._env, check=False)
            seen = self._bus.run(
                ["xdotool", "search", "--onlyvisible", "--name", "."], env=self._env, check=False
            )
            if window not in seen.stdout.split():
                return
        raise AssertionError("KeePassXC's question stays")

    def answer(self, title: str, *keys: str) -> None:
        """Wait for a question and answer it."""
        self.press(self.wait(title), *keys)


class Agreeing:
    """Somebody who says yes to everything KeePassXC asks, as long as the with block runs."""

    def __init__(self, dialogs: Dialogs, *, allow: tuple[str, ...] = ALLOW_ALL) -> None:
        self.asked: list[str] = []
        self._dialogs = dialogs
        self._allow = allow
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._waiting: subprocess.Popen[bytes] | None = None
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ending.set()
            if self._waiting is not None:
                end_process(self._waiting)
        self._thread.join()
        if self._failure is not None:
            raise AssertionError("nobody agreed to the end") from self._failure

    def _run(self) -> None:
        try:
            self._agree()
        except Exception as error:  # noqa: BLE001  told when the block ends
            self._failure = error

    def _agree(self) -> None:
        while self._wait():
            for title, keys in ((ACCESS, self._allow), (DELETION, DELETE)):
                for window in self._dialogs.shown(title):
                    self.asked.append(title)
                    self._dialogs.press(window, *keys)

    def _wait(self) -> bool:
        with self._lock:
            if self._ending.is_set():
                return False
            self._waiting = self._dialogs.start_waiting()
        self._waiting.wait()
        return not self._ending.is_set()
