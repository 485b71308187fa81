# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests that need a bus; unit tests need none of them."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest
from support import blocking
from support.peers import Bridge, GnomeKeyring
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PyQt6.QtWidgets import QApplication


def pytest_configure() -> None:
    """Watch for calls that block the event loop; ``tests/unit/test_blocking.py`` needs it to."""
    if blocking.is_available():
        blocking.activate()
    # A thousand clients at once are more than a session's usual soft limit of 1,024 files allows.
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, 4096)), most))


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    """Have no test end whose code blocked the event loop."""
    blocking.take_found()
    yield
    assert not blocking.take_found()


@pytest.fixture(autouse=True)
def _stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no command that a test runs in this process harden it, mask and all, for later tests."""
    monkeypatch.setattr("kwallet_bridge.cli.main.harden", lambda **_: None)


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


@pytest.fixture(scope="session")
def application() -> QApplication:
    """Qt's application, drawn nowhere, in English whatever this machine speaks."""
    # Qt reads the environment when it is loaded, and only tests of windows need it at all.
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PyQt6.QtCore import QLocale  # noqa: PLC0415

    from kwallet_bridge.gui.app import make_application  # noqa: PLC0415

    QLocale.setDefault(QLocale("en_GB"))
    made = make_application()
    made.setQuitOnLastWindowClosed(False)
    return made
