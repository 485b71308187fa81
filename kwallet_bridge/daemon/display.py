# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a dialog can be drawn: our own environment, or what the session told systemd since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.errors import BusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.bus.port import Bus

DISPLAYS: Final = ("WAYLAND_DISPLAY", "DISPLAY")
_MANAGER: Final = "org.freedesktop.systemd1"
_WANTED: Final = (
    *DISPLAYS,
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_SESSION_TYPE",
    "KDE_FULL_SESSION",
    "KDE_SESSION_VERSION",
    "QT_QPA_PLATFORMTHEME",
    "QT_SCALE_FACTOR",
    "LANG",
    "LANGUAGE",
)


async def dialog_environ(bus: Bus, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Give a dialog's environment; a service that started before the compositor asks systemd."""
    if any(environ.get(name) for name in DISPLAYS):
        return environ
    try:
        (answer,) = await bus.call(
            _MANAGER,
            "/org/freedesktop/systemd1",
            "org.freedesktop.DBus.Properties",
            "Get",
            "ss",
            [f"{_MANAGER}.Manager", "Environment"],
            auto_start=False,
        )
    except BusError:
        return environ
    words = answer.value if isinstance(answer, Variant) else ()
    pairs = [str(word).partition("=") for word in words] if isinstance(words, list) else []
    return {**environ, **{name: value for name, _, value in pairs if name in _WANTED}}
