# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.session import provider_version
from kwallet_bridge.session.census import Owner
from kwallet_bridge.session.provider_version import find_version

if TYPE_CHECKING:
    from pathlib import Path


def install(path: Path, text: str) -> str:
    """Put a program at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def owned_by(monkeypatch: pytest.MonkeyPatch, program: str) -> Owner:
    """Give an owner of the bus name that runs a program; it is not in a sandbox."""
    monkeypatch.setattr(provider_version, "flatpak_id", lambda _: "")
    monkeypatch.setattr(provider_version, "_program_of", lambda _: program)
    return Owner(":1.1", os.getpid(), (program,), "")


async def test_the_program_that_runs_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The printer beside the running program is run, without bus, display and home."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    text = f"#!{sys.executable}\nimport os\nprint('oo7', *sorted(os.environ), 'v3.25.1')\n"
    program = install(tmp_path / "oo7-daemon", text)
    version = await find_version("oo7", owned_by(monkeypatch, program))
    assert str(version) == "3.25.1 (oo7-daemon --version)"


async def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer that does not end in time is killed, and the version is not known."""
    monkeypatch.setattr(provider_version, "PATIENCE", 0.05)
    program = install(tmp_path / "oo7-daemon", "#!/bin/sh\nexec sleep 100\n")
    version = await find_version("oo7", owned_by(monkeypatch, program))
    assert str(version) == "not known: oo7-daemon --version told none"


async def test_ksecretd_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KDE's version is that of its library's file; the program itself would look at the bus."""
    program = install(tmp_path / "bin/ksecretd", f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    library = tmp_path / "lib/x86_64-linux-gnu/libKF6WalletBackend.so.6"
    install(library.with_name(f"{library.name}.30.0"), "")
    library.symlink_to(f"{library.name}.30.0")
    version = await find_version("ksecretd", owned_by(monkeypatch, program))
    assert str(version) == "6.30.0 (the file of libKF6WalletBackend)"
    assert not (tmp_path / "was-run").exists()


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
    monkeypatch.setattr(provider_version, "flatpak_id", lambda _: "org.keepassxc.KeePassXC")
    assert "org.keepassxc.KeePassXC" in str(await find_version("keepassxc", owner))
