# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.daemon.display import dialog_environ
from kwallet_bridge.errors import BusReplyError

if TYPE_CHECKING:
    from kwallet_bridge.bus.port import Bus


class Systemd:
    """A bus where only the user manager's environment can be read."""

    def __init__(self, words: list[str] | None) -> None:
        self.words = words
        self.asked = 0

    async def call(self, *_: object, **__: object) -> list[Any]:
        """Answer the one question."""
        self.asked += 1
        if self.words is None:
            raise BusReplyError("org.freedesktop.DBus.Error.ServiceUnknown")
        return [Variant("as", self.words)]


async def test_a_display_of_our_own_is_used() -> None:
    """With a display in the environment nobody is asked."""
    bus = Systemd(["DISPLAY=:9"])
    environ = {"WAYLAND_DISPLAY": "wayland-0"}
    assert await dialog_environ(cast("Bus", bus), environ) == environ
    assert bus.asked == 0


async def test_a_display_that_came_later_is_found() -> None:
    """Without one systemd's is taken, with nothing else that could change what is run."""
    words = ["DISPLAY=:1=x", "LD_PRELOAD=/evil.so", "PATH=/elsewhere", "QT_SCALE_FACTOR=2"]
    found = await dialog_environ(cast("Bus", Systemd(words)), {"PATH": "/usr/bin"})
    assert found == {"PATH": "/usr/bin", "DISPLAY": ":1=x", "QT_SCALE_FACTOR": "2"}


@pytest.mark.parametrize("words", [None, []])
async def test_without_systemd_the_environment_stays(words: list[str] | None) -> None:
    """Where systemd does not answer, or knows no display, nothing changes."""
    environ = {"PATH": "/usr/bin"}
    assert await dialog_environ(cast("Bus", Systemd(words)), environ) == environ
