# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests that need a bus; unit tests need none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.peers import Bridge, GnomeKeyring
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bus() -> Iterator[PrivateBus]:
    """A private bus with a scratch home."""
    with private_bus() as running:
        yield running


@pytest.fixture
def gnome_keyring(bus: PrivateBus) -> Iterator[GnomeKeyring]:
    """An unlocked gnome-keyring on the private bus."""
    with GnomeKeyring(bus) as peer:
        yield peer


@pytest.fixture
def bridge(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[Bridge]:
    """Our daemon over gnome-keyring, as a process of its own."""
    with Bridge(bus) as peer:
        yield peer
