# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and use a program's windows as a screen reader does (AT-SPI)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from support.client import RawClient
from support.private_bus import end_process

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from support.peers import Xvfb
    from support.private_bus import PrivateBus

ACCESSIBLE = "org.a11y.atspi.Accessible"
COMPONENT = "org.a11y.atspi.Component"
TEXT = "org.a11y.atspi.Text"
REGISTRY = "org.a11y.atspi.Registry"
ROOT = "/org/a11y/atspi/accessible/root"
PROPERTIES = "org.freedesktop.DBus.Properties"
LAUNCHER = "/usr/libexec/at-spi-bus-launcher"
LOOK_AGAIN = 0.3
PATIENCE = 15.0
Node = tuple[str, str]


class Desktop:
    """The accessible programs on a display."""

    def __init__(self, bus: PrivateBus, display: Xvfb) -> None:
        self._bus = bus
        self._display = display
        self._started: list[subprocess.Popen[bytes]] = []
        self._client: RawClient | None = None

    def __enter__(self) -> Self:
        env = self._display.env
        self._started.append(self._bus.start([LAUNCHER, "--launch-immediately"], env=env))
        self._bus.wait_for_name("org.a11y.Bus", process=self._started[0])
        reply = self._bus.client().call(
            "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress"
        )
        self._client = RawClient.connect(str(reply.value))
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        for process in reversed(self._started):
            end_process(process)

    def start(self, argv: Sequence[str], name: str) -> None:
        """Start a program with its accessibility on, and wait for its name."""
        env = {"QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1", "QT_ACCESSIBILITY": "1"}
        process = self._bus.start(argv, env=self._display.env | env)
        self._started.append(process)
        self._bus.wait_for_name(name, process=process)

    def wait_for_text(self, text: str) -> set[str]:
        """Wait until something on the display has that name; gives all names."""
        deadline = time.monotonic() + PATIENCE
        while True:
            names = {name for _, name in self._walk()}
            if text in names:
                return names
            assert time.monotonic() < deadline, f"no {text!r} among {sorted(names)}"
            # Programs tell of changes only to those who registered; look again instead.
            self._connection.pump(LOOK_AGAIN)

    def texts(self) -> set[str]:
        """Give everything that is named or written on the display now."""
        return {name for _, name in self._walk()}

    def resize(self, window: int, width: int, height: int) -> None:
        """Give a window its size: nobody manages windows here."""
        command = ["xdotool", "windowsize", str(window), str(width), str(height)]
        self._bus.run(command, env=self._display.env, timeout=PATIENCE)

    def click(self, text: str, *, times: int = 1) -> None:
        """Click on what has that name; a double click opens an item of a tree."""
        node = next(node for node, name in self._walk() if name == text)
        reply = self._call(node, COMPONENT, "GetExtents", "u", 0)
        extents = reply[0]
        assert isinstance(extents, list)
        left, top, width, height = extents
        place = [str(left + min(width // 2, 30)), str(top + height // 2)]
        click = ["xdotool", "mousemove", *place, "click", "--repeat", str(times), "1"]
        self._bus.run(click, env=self._display.env)

    @property
    def _connection(self) -> RawClient:
        assert self._client is not None
        return self._client

    def _call(
        self, node: Node, interface: str, member: str, signature: str = "", *body: object
    ) -> tuple[object, ...]:
        service, path = node
        reply = self._connection.call(service, path, interface, member, signature, body)
        return () if reply.error else reply.body

    def _walk(self) -> Iterator[tuple[Node, str]]:
        waiting: list[Node] = [(REGISTRY, ROOT)]
        while waiting:
            node = waiting.pop()
            name = self._call(node, PROPERTIES, "Get", "ss", ACCESSIBLE, "Name")
            if name and isinstance(name[0], tuple):
                yield node, str(name[0][1])
            text = self._call(node, TEXT, "GetText", "ii", 0, -1)
            if text and text[0]:
                yield node, str(text[0])
            children = self._call(node, ACCESSIBLE, "GetChildren")
            if children and isinstance(children[0], list):
                waiting += [(str(service), str(path)) for service, path in children[0]]
