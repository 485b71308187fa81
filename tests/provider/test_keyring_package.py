# SPDX-License-Identifier: GPL-3.0-or-later
"""Our backend for the ``keyring`` package, by the package's own suite and beside its own backend."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from keyring.backends import SecretService
from keyring.errors import InitError, KeyringLocked
from keyring.testing.backend import BackendBasicTests

from kwallet_bridge.keyring.keyring_backend import BridgeKeyring
from kwallet_bridge.statefile import state_path, update

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus


@pytest.fixture
def session(bus: PrivateBus, monkeypatch: pytest.MonkeyPatch) -> PrivateBus:
    """A private bus without a provider, as this process's session."""
    for name in ("CREDENTIALS_DIRECTORY", "SNAP_NAME", "KEYRING_PROPERTY_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in bus.env.items():
        if name in {"HOME", "DBUS_SESSION_BUS_ADDRESS"} or name.startswith("XDG_"):
            monkeypatch.setenv(name, value)
    return bus


@pytest.fixture
def provider(session: PrivateBus, gnome_keyring: GnomeKeyring) -> GnomeKeyring:
    """A provider on it."""
    return gnome_keyring


@pytest.fixture
def password_file(session: PrivateBus, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No provider, and a password for the file."""
    path = session.home / "password"
    path.write_text("testpw\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("KEYRING_PROPERTY_PASSWORD_FILE", str(path))
    return path


class _Suite(BackendBasicTests):
    """The package's own tests."""

    @pytest.fixture(autouse=True)
    def _init_properties(self, ready: object) -> Iterator[None]:
        """Begin as theirs does, but once the surroundings are ``ready``."""
        self.keyring = self.init_keyring()
        self.credentials_created: set[tuple[str, str]] = set()
        yield
        self.cleanup()  # type: ignore[no-untyped-call]

    def init_keyring(self) -> BridgeKeyring:
        """Give them ours."""
        return BridgeKeyring()


class TestOverTheProvider(_Suite):
    """With gnome-keyring running."""

    @pytest.fixture
    def ready(self, provider: GnomeKeyring) -> GnomeKeyring:
        """Have it run."""
        return provider


class TestOverTheFile(_Suite):
    """Without a provider."""

    @pytest.fixture
    def ready(self, password_file: Path) -> Path:
        """Have a password."""
        return password_file


@pytest.mark.usefixtures("provider")
def test_the_packages_own_backend_and_this_share_their_passwords() -> None:
    """What one sets the other gets, replaces and deletes; and ours comes second."""
    ours = BridgeKeyring()
    untyped: Any = SecretService.Keyring
    theirs = untyped()
    ours.set_password("site", "ann", "one")
    assert theirs.get_password("site", "ann") == "one"
    theirs.set_password("site", "ann", "two")
    assert ours.get_password("site", "ann") == "two"
    ours.delete_password("site", "ann")
    assert theirs.get_password("site", "ann") is None
    assert 0 < BridgeKeyring.priority < SecretService.Keyring.priority


@pytest.mark.usefixtures("session")
def test_without_provider_and_password_it_is_not_offered() -> None:
    """It says that it cannot serve, before and when it is asked."""
    assert not BridgeKeyring.viable
    with pytest.raises(InitError):
        BridgeKeyring().get_password("site", "ann")


def test_a_locked_provider_is_not_an_absent_password(provider: GnomeKeyring) -> None:
    """Nobody is told "none" of a keyring that cannot be unlocked."""
    BridgeKeyring().set_password("site", "ann", "one")
    provider.password = "not this one"
    provider.restart()
    with pytest.raises(KeyringLocked):
        BridgeKeyring().get_password("site", "ann")


def test_the_package_finds_it_by_itself(password_file: Path, session: PrivateBus) -> None:
    """Where there is only a file, ``keyring`` chooses ours by its entry point."""
    assert [one.value for one in entry_points(group="keyring.backends", name="kwallet-bridge")] == [
        "kwallet_bridge.keyring.keyring_backend"
    ]
    code = "import keyring; keyring.set_password('s', 'u', 'p'); print(keyring.get_keyring().name)"
    env = {"KEYRING_PROPERTY_PASSWORD_FILE": str(password_file)}
    done = session.run([sys.executable, "-c", code], env=env)
    assert done.stdout == "keyring backend BridgeKeyring\n"
    assert BridgeKeyring().get_password("s", "u") == "p"


@pytest.mark.usefixtures("password_file")
def test_a_late_provider_is_not_replaced_by_a_file(session: PrivateBus) -> None:
    """Where a provider has served, nothing is called absent out of a new file."""
    update(state_path(session.env), lambda state: replace(state, provider_served=1))
    keyring = BridgeKeyring()
    with pytest.raises(InitError):
        keyring.get_password("service", "user")
    with pytest.raises(InitError):
        keyring.set_password("service", "user", "new")
    assert not list(session.home.rglob("*.keyring"))
