# SPDX-License-Identifier: GPL-3.0-or-later
"""The names and paths under which generations of clients look for KWallet.

Every path answers under every name: clients of one generation were seen to ask the path of another
(Electron 42 asks KDE 4's).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of KDE's daemon, as its clients address it."""

    bus_name: str
    path: str


GENERATIONS = (
    Generation("org.kde.kwalletd", "/modules/kwalletd"),
    Generation("org.kde.kwalletd5", "/modules/kwalletd5"),
    Generation("org.kde.kwalletd6", "/modules/kwalletd6"),
)
PATHS = tuple(generation.path for generation in GENERATIONS)
BUS_NAMES = tuple(generation.bus_name for generation in reversed(GENERATIONS))
"""Newest first: that is the name whose loss would matter most, so it is asked for first."""
