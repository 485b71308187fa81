# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kwallet_bridge.session import provider_version
from kwallet_bridge.session.census import Owner
from kwallet_bridge.session.provider_version import find_version
from kwallet_bridge.wire.program import PeerProgram

NOBODY = 2**22 + 1
"""More than any process's number."""


def install(path: Path, text: str) -> str:
    """Put a program at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def owned_by(monkeypatch: pytest.MonkeyPatch, program: str) -> Owner:
    """Give an owner of the bus name that runs a program; it is not in a sandbox."""
    seen = PeerProgram(os.getpid(), program, could_look=bool(program))
    monkeypatch.setattr(provider_version, "examine", lambda _: seen)
    return Owner(":1.1", os.getpid(), (program,), "")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as the system's for programs, beside one for libraries."""
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(provider_version, "FOLDERS", (str(folder),))
    monkeypatch.setattr(provider_version, "LIBRARY_FOLDERS", (f"{tmp_path}/lib/*-linux-*",))
    monkeypatch.setattr(provider_version, "ROOT", os.getuid())
    return folder


async def test_the_systems_program_is_asked(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The printer in a folder of the system is run, without bus, display and home."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    text = f"#!{sys.executable}\nimport os\nprint('oo7', *sorted(os.environ), 'v3.25.1')\n"
    program = install(system / "oo7-daemon", text)
    for known in (program, ""):  # gnome-keyring's program may be hidden
        version = await find_version("oo7", owned_by(monkeypatch, known))
        assert str(version) == "3.25.1 (oo7-daemon --version)"


@pytest.mark.parametrize("claims", [False, True])
async def test_nothing_is_run_on_a_strangers_word(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, claims: bool
) -> None:
    """Neither a program beside the provider's own is run, nor one in the folder of its argv[0]."""
    trap = install(tmp_path / "trap/keepassxc-cli", f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    provider = str(tmp_path / "trap/keepassxc")
    if claims:
        monkeypatch.setenv("PATH", str(tmp_path / "trap"))
        owner = Owner(":1.1", NOBODY, (provider,), "")
    else:
        owner = owned_by(monkeypatch, provider)
    assert str(await find_version("keepassxc", owner)).startswith("not known: ")
    assert Path(trap).exists()
    assert not (tmp_path / "was-run").exists()


async def test_what_others_can_write_is_not_run(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that its group may write is not the system's."""
    program = install(system / "oo7-daemon", "#!/bin/sh\necho 1.2\n")
    Path(program).chmod(0o775)
    version = await find_version("oo7", owned_by(monkeypatch, program))
    assert str(version) == "not known: oo7-daemon is in no folder of the system"


async def test_one_that_hangs_is_given_up(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer that does not end in time is killed, and the version is not known."""
    monkeypatch.setattr(provider_version, "PATIENCE", 0.05)
    program = install(system / "oo7-daemon", "#!/bin/sh\nexec sleep 100\n")
    version = await find_version("oo7", owned_by(monkeypatch, program))
    assert str(version) == "not known: oo7-daemon --version told none"


async def test_ksecretd_is_not_run(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KDE's version is that of its library's file; the program itself would look at the bus."""
    program = install(system / "ksecretd", f"#!/bin/sh\ntouch {system}/was-run\n")
    library = system.parent / "lib/x86_64-linux-gnu/libKF6WalletBackend.so.6"
    install(library.with_name(f"{library.name}.30.0"), "")
    library.symlink_to(f"{library.name}.30.0")
    version = await find_version("ksecretd", owned_by(monkeypatch, program))
    assert str(version) == "6.30.0 (the file of libKF6WalletBackend)"
    assert not (system / "was-run").exists()


@pytest.mark.parametrize("kind", ["", "ksecretd"])
async def test_what_cannot_be_known_is_said(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A provider of no known kind, or without its library, has no version, with the reason."""
    version = await find_version(kind, owned_by(monkeypatch, "/nowhere/bin/program"))
    assert str(version).startswith("not known: ")


async def test_a_replaced_program_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade the file on disk is not what runs."""
    owner = owned_by(monkeypatch, "/usr/bin/oo7-daemon (deleted)")
    assert "replaced" in str(await find_version("oo7", owner))


async def test_a_sandbox_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider in a Flatpak is not asked by a program outside that happens to have its name."""
    owner = owned_by(monkeypatch, "/app/bin/keepassxc")
    seen = PeerProgram(1, flatpak="org.keepassxc.KeePassXC")
    monkeypatch.setattr(provider_version, "examine", lambda _: seen)
    assert "org.keepassxc.KeePassXC" in str(await find_version("keepassxc", owner))
