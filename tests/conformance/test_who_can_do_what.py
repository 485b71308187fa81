# SPDX-License-Identifier: GPL-3.0-or-later
"""The cells of docs/explanation/who-can-do-what.md that no other test holds."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.flatpaks import Flatpaks
from support.paths import ROOT
from support.peers import KWALLETRC, Bridge
from support.private_bus import end_process
from support.scripted_dialog import ScriptedDialogs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

PAGE = ROOT / "docs/explanation/who-can-do-what.md"
ASKING = KWALLETRC.replace("Prompt on Open=false", "Prompt on Open=true")
SERVICE = "org.kde.kwalletd5"
OBJECT = "/modules/kwalletd5"
MONITOR = ("/org/kwallet_bridge/Monitor", "org.kwallet_bridge.Monitor1.Refusals")
SECRET = "m4il"
OWNER = "mailer"
PLACE = ("Passwords", "mail")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
AS_A_USER = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Root may look into every process. Without its rights root is to root as a user to himself."""
DENIED = "AccessDenied"


@dataclass
class Position:
    """Where a program is: what its command line begins with, and how it reaches the bus."""

    bus: PrivateBus
    before: Sequence[str] = ()
    address: str = ""

    def call(self, service: str, path: str, member: str, *arguments: str) -> str:
        """Call; gives what was printed, the error or the answer."""
        words = ["--print-reply", f"--bus={self.address or self.bus.address}", f"--dest={service}"]
        command = [*self.before, "dbus-send", *words, path, member, *arguments]
        done = self.bus.run(command, check=False, timeout=60)
        return done.stdout + done.stderr

    def ask(self, member: str, *arguments: str) -> str:
        """Call the wallet service."""
        return self.call(SERVICE, OBJECT, f"org.kde.KWallet.{member}", *arguments)

    def open(self, appid: str) -> int:
        """Open the wallet under a name; -1 where that is refused."""
        found = re.search(r"int32 (-?\d+)", self.ask("open", "string:kdewallet", "int64:0",
                                                     f"string:{appid}"))  # fmt: skip
        assert found
        return int(found[1])

    def read(self, appid: str) -> str:
        """Open and read the secret; gives what was printed."""
        handle = self.open(appid)
        names = [f"string:{name}" for name in (*PLACE, appid)]
        return self.ask("readPassword", f"int32:{handle}", *names)


@pytest.fixture
def stored(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[Bridge]:
    """A bridge over which an application has stored a secret, and keeps the wallet open."""
    with Bridge(bus) as bridge:
        client = bus.client()
        handle = client.open("kdewallet", OWNER)
        assert client.ask("writePassword", "issss", handle, *PLACE, SECRET, OWNER).value == 0
        yield bridge


@pytest.fixture
def flatpak(bus: PrivateBus) -> Iterator[Position]:
    """A Flatpak that may talk to the wallet service and to nothing else."""
    flatpaks = Flatpaks(bus)
    flatpaks.vouch()
    place = bus.folder / "proxy"
    proxy = ["xdg-dbus-proxy", bus.address, str(place), "--filter", f"--talk={SERVICE}"]
    running = bus.start(flatpaks.sandbox(*proxy, tells=False))
    deadline = time.monotonic() + 30
    while not place.is_socket():
        assert time.monotonic() < deadline, "the proxy does not start"
        time.sleep(0.01)
    yield Position(bus, flatpaks.sandbox(tells=False), f"unix:path={place}")
    end_process(running)


@pytest.fixture(params=["outside", "flatpak"])
def position(request: pytest.FixtureRequest, bus: PrivateBus, flatpak: Position) -> Position:
    """A program that can reach the service."""
    return flatpak if request.param == "flatpak" else Position(bus)


def test_a_program_that_is_let_in_reads_everything(position: Position, stored: Bridge) -> None:
    """Without Prompt on Open whoever reaches the service reads any entry, under any name."""
    assert SECRET in position.read("thief")
    assert SECRET in position.read(OWNER)


def test_a_claimed_name_is_all_the_lists_go_by(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, position: Position
) -> None:
    """With Prompt on Open a name on Auto Allow, or with the wallet open, lets in who claims it."""
    config = f"{ASKING}[Auto Allow]\nkdewallet={OWNER}\n"
    with ScriptedDialogs(bus.folder) as dialogs:
        arguments = ("--access-dialog", str(dialogs.program))
        with Bridge(bus, config=config, arguments=arguments):
            assert position.open(OWNER) > 0
            assert dialogs.none_came()


def test_any_program_can_close_a_wallet(position: Position, stored: Bridge) -> None:
    """Whoever reaches the service can have a wallet closed for everybody."""
    assert "int32 0" in position.ask("close", "string:kdewallet", "boolean:true")
    assert stored.bus.client().ask("users", "s", "kdewallet").value == []


def test_any_program_can_delete_a_wallet(position: Position, stored: Bridge) -> None:
    """Whoever reaches the service can delete what KWallet's programs have stored."""
    assert "int32 0" in position.ask("deleteWallet", "string:kdewallet")
    client = stored.bus.client()
    handle = client.open("kdewallet", OWNER)
    assert client.ask("hasEntry", "isss", handle, *PLACE, OWNER).value is False


def test_only_programs_outside_a_sandbox_may_watch(
    bus: PrivateBus, stored: Bridge, flatpak: Position
) -> None:
    """Who calls, and who was refused, is told to programs outside of any sandbox alone."""
    assert "method return" in Position(bus).call(SERVICE, *MONITOR)
    assert DENIED in flatpak.call(SERVICE, *MONITOR)


def test_only_programs_outside_a_sandbox_reach_the_provider(
    bus: PrivateBus, stored: Bridge, flatpak: Position
) -> None:
    """A Flatpak that may talk to the wallet service cannot go past it."""
    reading = ("/org/freedesktop/secrets", "org.freedesktop.Secret.Service.ReadAlias")
    call = ("org.freedesktop.secrets", *reading, "string:default")
    assert "object path" in Position(bus).call(*call)
    assert "Error org.freedesktop.DBus.Error" in flatpak.call(*call)


def test_a_program_of_the_user_cannot_look_into_the_service(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """The service's environment, memory and program are closed to others of its user."""
    with Bridge(bus, within=AS_A_USER) as bridge:
        assert bridge.process is not None
        proc = Path(f"/proc/{bridge.process.pid}")
        for looking in (
            ["cat", str(proc / "environ")],
            ["head", "-c", "1", str(proc / "mem")],
            ["readlink", str(proc / "exe")],
            ["strace", "-p", str(bridge.process.pid)],
        ):
            done = subprocess.run(
                [*AS_A_USER, *looking], capture_output=True, timeout=30, check=False
            )
            assert done.returncode != 0, looking


def test_another_user_is_not_let_on_the_bus(bus: PrivateBus, stored: Bridge) -> None:
    """The bus refuses a process of another user, whatever it can reach of the folders."""
    bus.folder.chmod(0o755)
    answer = Position(bus, NOBODY).ask("isEnabled")
    assert answer.startswith("Failed to")


def test_another_user_reads_no_file_of_ours(bus: PrivateBus) -> None:
    """Files that the service makes are for their user alone."""
    key = bus.folder / "password"
    key.write_text("a password")
    key.chmod(0o600)
    with Bridge(bus, store="file", arguments=("--store-password-file", str(key))) as bridge:
        client = bus.client()
        handle = client.open("kdewallet", OWNER)
        assert client.ask("writePassword", "issss", handle, *PLACE, SECRET, OWNER).value == 0
        before = bus.config / "kwalletrc"
        assert bridge.process is not None
    made = [path for path in bus.home.rglob("*") if path.is_file() and path != before]
    assert [path for path in made if path.suffix == ".keyring"]
    for folder in (bus.folder, bus.home, *(path for path in bus.home.rglob("*") if path.is_dir())):
        folder.chmod(0o755)  # as where a home is open to others
    for path in made:
        looking = [*NOBODY, "cat", str(path)]
        assert subprocess.run(looking, capture_output=True, check=False).returncode != 0, path


def test_every_test_on_the_page_is_there() -> None:
    """The page names at least one test for each cell, and each is in this tree."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [cell for row in rows[1:] for cell in row.strip("| ").split(" | ")[1:]]
    cells = [cell for cell in cells if set(cell) > {"-", " "}]
    named = [re.findall(r"`(test_\w+)`", cell) for cell in cells]
    assert all(named), [cell for cell, tests in zip(cells, named, strict=True) if not tests]
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for tests in named for name in tests if f"def {name}(" not in sources} == set()
