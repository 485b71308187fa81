# SPDX-License-Identifier: GPL-3.0-or-later
"""``session install`` where nobody else would keep secrets: the encrypted file it offers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.installed import install_program, stop_service
from support.paths import ROOT, VECTORS
from support.peers import SECRETS, Kwalletd
from support.private_bus import PrivateBus, end_process, private_bus
from support.stand_in import write_stand_in
from support.terminal import Conversation, converse

from kwallet_bridge.errors import StorePasswordError
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.folder import default_path
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.secret import Secret
from kwallet_bridge.session.decision import read_kept
from kwallet_bridge.statefile import MadeBy, State, StoreKind, state_path, update

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KDE_NAMES = (SECRETS, "org.kde.kwalletd6", "org.kde.kwalletd5")
CHOSEN = b"my own choice"
SET_UP = ("[y/N] ", b"y\n")
NEW = ("New password, four letters or more, for wallet kdewallet: ", CHOSEN + b"\n")
AGAIN = ("The same password once more: ", CHOSEN + b"\n")
LOSS = "Programs of the Secret Service itself, such as libsecret's, then find no service."


@contextlib.contextmanager
def kdes_provider(bus: PrivateBus, folder: Path) -> Iterator[None]:
    """Run a stand-in for KDE's daemon that is the provider itself."""
    process = bus.start([str(write_stand_in(folder / "kwalletd6", KDE_NAMES))])
    for name in KDE_NAMES:
        bus.wait_for_name(name, process=process)
    yield
    end_process(process)


@pytest.fixture(params=["nobody", "kwalletd6"])
def provider(bus: PrivateBus, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Who provides the Secret Service."""
    kde = kdes_provider(bus, tmp_path) if request.param == "kwalletd6" else contextlib.nullcontext()
    with kde:
        yield request.param


@contextlib.contextmanager
def bare_bus(root: Path = Path("/")) -> Iterator[PrivateBus]:
    """Run a bus that finds what is installed for the user; this machine's providers it does not."""
    with private_bus(root) as session:
        session.env["PYTHONPATH"] = str(ROOT)
        own = session.data / "dbus-1/services"
        own.mkdir(parents=True)
        session.services.rmdir()
        session.services.symlink_to(own)
        yield session


@pytest.fixture
def bus() -> Iterator[PrivateBus]:
    """A session without any provider."""
    with bare_bus() as session:
        yield session


def command(folder: Path, program: Path | None = None) -> list[str]:
    """Give the command that installs this tree's program, or another one."""
    program = program or install_program(folder / "bin/kwallet-bridge")
    words = ["session", "install", "--program", str(program)]
    return [sys.executable, "-m", "kwallet_bridge", *words]


def install(
    bus: PrivateBus, folder: Path, answers: Sequence[tuple[str, bytes]], program: Path | None = None
) -> Conversation:
    """Install at a terminal."""
    return converse(bus, command(folder, program), answers)


def files_below(folder: Path) -> dict[str, bytes]:
    """Give every file and folder below a folder."""
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


async def opens(path: Path, password: bytes) -> bool:
    """Tell whether a password opens a keyring file."""
    backend = KeyringFileBackend(path, KnownPassword(Secret(password)))
    try:
        (main,) = await backend.collections()
        await backend.unlock(main.id)
    except StorePasswordError:
        return False
    finally:
        await backend.close()
    return True


def check_file_serves(bus: PrivateBus, done: Conversation) -> None:
    """Check that the file was made, decided for and is what the new daemon serves from."""
    path = default_path(bus.env)
    assert done.code == 0, done.shown
    assert done.shown.index(LOSS) < done.shown.index("[y/N]")
    assert done.shown.index(f"opened {path} with the password") < done.shown.index("wrote ")
    assert CHOSEN.decode() not in done.shown
    assert asyncio.run(opens(path, CHOSEN))
    assert not asyncio.run(opens(path, b"another"))
    kept = read_kept(bus.env)
    assert kept is not None
    assert (kept.kind, kept.path, kept.made_by) == (StoreKind.FILE, str(path), MadeBy.INSTALL)
    assert str(path) in done.shown[done.shown.index("\nstore: ") :]
    assert bus.client().name_owner(SECRETS) == ""
    stop_service(bus)


def test_who_says_yes_has_a_file_that_serves(
    bus: PrivateBus, tmp_path: Path, provider: str
) -> None:
    """A password typed twice alike makes the file, and only then KDE's daemon is ended."""
    del provider
    done = install(bus, tmp_path, [SET_UP, NEW, (AGAIN[0], b"mistyped\n"), NEW, AGAIN])
    assert "The two were not the same" in done.shown
    check_file_serves(bus, done)


@pytest.mark.parametrize(
    "answers",
    [
        [("[y/N] ", b"\n")],
        [("[y/N] ", b"\x04")],
        [("[y/N] ", b"\x03")],
        [SET_UP, (NEW[0], b"\x04")],
        [SET_UP, NEW, (AGAIN[0], b"\x04")],
    ],
    ids=["enter", "end", "interrupt", "no-password", "no-second"],
)
def test_who_declines_has_everything_as_it_was(
    bus: PrivateBus, tmp_path: Path, provider: str, answers: list[tuple[str, bytes]]
) -> None:
    """No file is made and nothing installed, and KDE's daemon goes on."""
    before = files_below(bus.home)
    done = install(bus, tmp_path, answers)
    assert done.code != 0
    assert "Traceback" not in done.shown
    if answers[0][1] in {b"\n", b"\x04"}:
        assert done.code == 4
        assert "nothing was changed. Either " in done.shown
    assert files_below(bus.home) == before
    assert bool(bus.client().name_owner(SECRETS)) == (provider == "kwalletd6")


def test_without_a_terminal_it_says_what_to_run(bus: PrivateBus, tmp_path: Path) -> None:
    """Where nobody provides anything the bridge waits for who comes, and the command says so."""
    done = bus.run(command(tmp_path))
    assert "no Secret Service provider runs here" in done.stdout
    assert "`kwallet-bridge session install --store file`" in done.stdout
    assert "then find no service" in done.stdout
    assert not default_path(bus.env).exists()
    assert read_kept(bus.env) is None
    stop_service(bus)


def test_what_kdes_daemon_keeps_is_moved_before_anything_is_asked(
    bus: PrivateBus, tmp_path: Path
) -> None:
    """Nobody sets up a file for items that would be lost with the daemon."""
    wallets = bus.data / "kwalletd"
    wallets.mkdir(parents=True)
    for suffix, name in (
        (".kwl", ".kwl"),
        (".salt", ".salt"),
        (".attributes-json", "_attributes.json"),
    ):
        shutil.copy(VECTORS / f"secret-service{suffix}", wallets / f"kdewallet{name}")
    before = files_below(bus.home)
    with kdes_provider(bus, tmp_path):
        done = install(bus, tmp_path, [])
        assert bus.client().name_owner(SECRETS)
    assert done.code == 61
    assert f"kwallet-bridge migrate --to file:{default_path(bus.env)}" in done.shown.replace(
        "\n", ""
    )
    assert "[y/N]" not in done.shown
    assert files_below(bus.home) == before


def test_no_file_is_offered_where_a_provider_served(bus: PrivateBus, tmp_path: Path) -> None:
    """It is late, and a second store would lack what it holds."""
    update(state_path(bus.env), lambda state: State(state.key, provider_served=1))
    done = install(bus, tmp_path, [])
    assert done.code == 0, done.shown
    assert "[y/N]" not in done.shown
    assert not default_path(bus.env).exists()
    stop_service(bus)


def test_a_file_that_is_there_is_proven_to_open(bus: PrivateBus, tmp_path: Path) -> None:
    """After a takeover that failed the decision is none, the file stays and can be used again."""
    broken = write_stand_in(tmp_path / "broken/kwallet-bridge", [])
    failed = install(bus, tmp_path, [SET_UP, NEW, AGAIN], broken)
    assert failed.code == 61
    assert "stays, with the password you gave" in failed.shown
    assert read_kept(bus.env) is None
    kept = default_path(bus.env).read_bytes()
    asked = "Password for the keyring kdewallet: "
    done = install(bus, tmp_path, [SET_UP, (asked, b"wrong\n"), (asked, CHOSEN + b"\n")])
    assert default_path(bus.env).read_bytes() == kept
    check_file_serves(bus, done)


@pytest.mark.peers
def test_the_real_kwalletd6_ends_once_the_file_is_there(tmp_path: Path) -> None:
    """kwalletd6 6.13, which is the provider itself, is replaced by the file a person set up."""
    root = Path(os.environ["KWB_TRIXIE_ROOT"])
    with bare_bus(root) as bus:
        daemon = Kwalletd(bus, generation="kwalletd6", inside_root=True)
        daemon.start()
        assert bus.client().name_owner(SECRETS)
        declined = install(bus, tmp_path, [("[y/N] ", b"\n")])
        assert declined.code == 4
        assert bus.client().name_owner(SECRETS)
        done = install(bus, tmp_path, [SET_UP, NEW, AGAIN])
        assert daemon.process is not None
        assert daemon.process.wait(20) == 0
        check_file_serves(bus, done)
