# SPDX-License-Identifier: GPL-3.0-or-later
"""``isEnabled`` of the real daemon is never true where every open fails."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.peers import KWALLETRC, PASSWORD, Bridge, GnomeKeyring

from kwallet_bridge.statefile import state_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.private_bus import PrivateBus

NO_WAIT = KWALLETRC + "[kwallet-bridge]\nProvider Wait=0\n"
PROMPTER = "org.gnome.keyring.SystemPrompter"


class Scene:
    """A bus on which the daemon is about to run, and how it will be started."""

    def __init__(self, bus: PrivateBus, folder: Path) -> None:
        """Start nothing yet."""
        self.bus = bus
        self.store = "auto"
        self.arguments: tuple[str, ...] = ()
        self.left = contextlib.ExitStack()
        self._folder = folder

    @property
    def keyring(self) -> Path:
        """The keyring file."""
        return self.bus.data / "keyrings/default.keyring"

    def serve_file(self, password: str = PASSWORD) -> None:
        """Have the daemon serve a file of this password."""
        given = self._folder / "password"
        given.write_text(password, encoding="utf-8")
        given.chmod(0o600)
        self.store = "file"
        self.arguments = ("--store-password-file", str(given))

    def make_file(self) -> None:
        """Have the file made by an earlier daemon, with an entry."""
        self.serve_file()
        daemon = Bridge(self.bus, store=self.store, arguments=self.arguments)
        with daemon, self.bus.client() as client:
            handle = client.open()
            client.ask("writePassword", "issss", handle, "F", "a", "x", "test")

    def start_keyring(self, password: str = PASSWORD) -> None:
        """Run gnome-keyring; with another password than its keyring's that stays locked."""
        self.left.enter_context(GnomeKeyring(self.bus, password=password))

    def lock_keyring(self) -> None:
        """Have gnome-keyring run, its keyring locked."""
        with GnomeKeyring(self.bus):
            pass
        self.start_keyring("another")


def keyring_is_there(scene: Scene) -> None:
    """All is well."""
    scene.start_keyring()


def file_is_there(scene: Scene) -> None:
    """All is well, and the password is right."""
    scene.make_file()


def file_can_be_made(scene: Scene) -> None:
    """The first open makes the file."""
    scene.serve_file()


def nobody_provides(scene: Scene) -> None:
    """No provider is there, and the time to wait for one is over."""
    scene.bus.write_config("kwalletrc", NO_WAIT)


def state_is_damaged(scene: Scene) -> None:
    """Which store serves cannot be known."""
    scene.start_keyring()
    _write(state_path(scene.bus.env), b"{")


def state_is_a_folder(scene: Scene) -> None:
    """As if damaged."""
    scene.start_keyring()
    state_path(scene.bus.env).mkdir(parents=True)


def wallets_cannot_be_listed(scene: Scene) -> None:
    """Where KDE's wallets would be is a link to a disk that is not mounted."""
    scene.start_keyring()
    (scene.bus.data / "kwalletd").symlink_to("/nowhere/at/all")


def password_is_wrong(scene: Scene) -> None:
    """The password file is not that of the keyring file."""
    scene.make_file()
    scene.serve_file("battery staple")


def password_is_too_short(scene: Scene) -> None:
    """A new file does not get a password like that."""
    scene.serve_file("abc")


def password_is_gone(scene: Scene) -> None:
    """There is no password file."""
    scene.make_file()
    scene.arguments = ("--store-password-file", "/nowhere/password")


def file_is_damaged(scene: Scene) -> None:
    """The keyring file was cut."""
    scene.make_file()
    scene.keyring.write_bytes(scene.keyring.read_bytes()[:70])


def file_is_gone(scene: Scene) -> None:
    """The keyring file that served was removed, its note and its copy are left."""
    scene.make_file()
    scene.keyring.unlink()


def file_needs_a_person(scene: Scene) -> None:
    """The file is locked, and there is neither display nor terminal nor program to ask with."""
    scene.make_file()
    scene.arguments = ()
    scene.bus.env["SSH_ASKPASS_REQUIRE"] = "force"  # not at the terminal of who runs the tests


def keyring_needs_a_person(scene: Scene) -> None:
    """The keyring is locked, and its prompter is not installed."""
    scene.lock_keyring()


def keyring_needs_a_display(scene: Scene) -> None:
    """The keyring is locked, and its prompter has no display to be seen on."""
    scene.lock_keyring()
    scene.bus.make_activatable(PROMPTER, ["/bin/false"])


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(data)


@dataclass(frozen=True)
class Case:
    """A state of the machine, and whether the wallet system is there in it."""

    prepare: Callable[[Scene], None]
    enabled: bool = False


CASES = [
    Case(keyring_is_there, enabled=True),
    Case(file_is_there, enabled=True),
    Case(file_can_be_made, enabled=True),
    Case(nobody_provides),
    Case(state_is_damaged),
    Case(state_is_a_folder),
    Case(wallets_cannot_be_listed),
    Case(password_is_wrong),
    Case(password_is_too_short),
    Case(password_is_gone),
    Case(file_is_damaged),
    Case(file_is_gone),
    Case(file_needs_a_person),
    Case(keyring_needs_a_person),
    Case(keyring_needs_a_display),
]


@pytest.mark.parametrize("case", CASES, ids=[case.prepare.__name__ for case in CASES])
def test_enabled_is_what_an_open_finds(bus: PrivateBus, tmp_path: Path, case: Case) -> None:
    """It is said before any open and after one, and an open bears it out."""
    scene = Scene(bus, tmp_path)
    with scene.left:
        case.prepare(scene)
        daemon = Bridge(bus, store=scene.store, arguments=scene.arguments)
        with daemon, bus.client() as client:
            assert client.ask("isEnabled").value is case.enabled
            reply = client.ask("open", "sxs", "kdewallet", 0, "test")
            opened = not reply.error and reply.value != -1
            assert opened is case.enabled
            assert client.ask("isEnabled").value is case.enabled
