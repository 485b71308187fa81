# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching over and back on a real bus that has KDE's packaged kwalletd5."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT
from support.private_bus import PrivateBus, end_process, private_bus
from support.stand_in import write_stand_in

from kwallet_bridge.session.census import read_command
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

KDE_NAME = "org.kde.kwalletd5"
PACKAGED = Path("/usr/share/dbus-1/services/org.kde.kwalletd5.service")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[PrivateBus]:
    """A session in which kwalletd5 is installed by a package and nothing runs."""
    services = tmp_path / "share/dbus-1/services"
    services.mkdir(parents=True)
    shutil.copy(PACKAGED, services)
    with private_bus(system_data=tmp_path / "share") as bus:
        yield bus


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that does what an installed kwallet-bridge would."""
    return write_stand_in(tmp_path / "bin/kwallet-bridge", BUS_NAMES)


def run(bus: PrivateBus, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``kwallet-bridge session``."""
    command = [sys.executable, "-m", "kwallet_bridge", "session", *words]
    return bus.run(command, env={"PYTHONPATH": str(ROOT)}, check=check)


def snapshot(bus: PrivateBus) -> dict[str, bytes]:
    """Give every file and folder below the scratch home, KDE's own droppings left out."""
    found = {}
    for folder, folders, files in os.walk(bus.home):
        for name in (*folders, *files):
            path = Path(folder) / name
            if not any(part.startswith(("kwallet", ".cache", "kdeglobals")) for part in path.parts):
                found[str(path)] = path.read_bytes() if path.is_file() else b""
    return found


def start_kwalletd(bus: PrivateBus) -> int:
    """Have the bus start KDE's daemon as any client would."""
    bus.run(["dbus-send", "--session", "--print-reply", f"--dest={KDE_NAME}",
             "/modules/kwalletd5", "org.kde.KWallet.isEnabled"])  # fmt: skip
    return bus.process_of(KDE_NAME)


def answering(bus: PrivateBus, name: str) -> str:
    """Call a name, activating it, and tell which program answered."""
    bus.run(["dbus-send", "--session", "--print-reply", f"--dest={name}",
             "/modules/kwalletd5", "org.kde.KWallet.isEnabled"])  # fmt: skip
    return " ".join(read_command(bus.process_of(name)))


def test_override_wins_and_uninstall_restores(session: PrivateBus, program: Path) -> None:
    """After install our program answers instead of the packaged one; after uninstall it again."""
    before = snapshot(session)
    run(session, "install", "--program", str(program))
    assert all(str(program) in answering(session, name) for name in BUS_NAMES)
    run(session, "uninstall")
    assert snapshot(session) == before
    assert "kwalletd5" in answering(session, KDE_NAME)


def test_a_running_kwalletd_is_asked_to_end(session: PrivateBus, program: Path) -> None:
    """A running kwalletd5 ends when we take over, and runs again after uninstall."""
    pid = start_kwalletd(session)
    done = run(session, "install", "--program", str(program))
    assert f"kwalletd5 (pid {pid}" in done.stdout
    assert str(program) in answering(session, KDE_NAME)
    run(session, "uninstall")
    session.wait_for_name(KDE_NAME)
    assert "kwalletd5" in " ".join(read_command(session.process_of(KDE_NAME)))


@pytest.mark.parametrize("names", [[], BUS_NAMES[:1]], ids=["fails-at-once", "one-name-only"])
def test_a_failed_install_changes_nothing(
    session: PrivateBus, tmp_path: Path, names: list[str]
) -> None:
    """When our program does not answer at every name, files and bus are as before."""
    start_kwalletd(session)
    before = snapshot(session)
    broken = write_stand_in(tmp_path / "bin/kwallet-bridge", names)
    done = run(session, "install", "--program", str(broken), check=False)
    assert done.returncode == 61
    assert snapshot(session) == before
    session.wait_for_name(KDE_NAME)
    assert "kwalletd5" in " ".join(read_command(session.process_of(KDE_NAME)))


def test_a_bus_that_looks_elsewhere_is_told(session: PrivateBus, program: Path) -> None:
    """Where the bus has another data directory nothing is changed, and the command says why."""
    elsewhere = session.home / "elsewhere"
    command = [sys.executable, "-m", "kwallet_bridge", "session", "install"]
    environ = {"PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(elsewhere)}
    done = session.run([*command, "--program", str(program)], env=environ, check=False)
    assert done.returncode == 61
    assert f"the bus does not look for services in {elsewhere}" in done.stderr
    assert not elsewhere.exists()


def test_a_stranger_keeps_its_name(session: PrivateBus, program: Path, tmp_path: Path) -> None:
    """A program that is neither KDE's nor ours is not asked to end, and nothing is written."""
    stranger = write_stand_in(tmp_path / "bin/my-own-wallet", ["org.kde.kwalletd"])
    process = session.start([str(stranger)])
    session.wait_for_name("org.kde.kwalletd", process=process)
    before = snapshot(session)
    done = run(session, "install", "--program", str(program), check=False)
    assert done.returncode == 61
    assert "my-own-wallet" in done.stderr
    assert snapshot(session) == before
    assert process.poll() is None
    end_process(process)


def test_files_that_were_there_come_back(session: PrivateBus, program: Path) -> None:
    """A user's own override, in our way, is back after uninstall with its mode."""
    own = session.data / f"dbus-1/services/{KDE_NAME}.service"
    own.parent.mkdir(parents=True)
    own.write_text(PACKAGED.read_text() + "# mine\n")
    own.chmod(0o600)
    before = snapshot(session)
    run(session, "install", "--program", str(program))
    run(session, "uninstall")
    assert snapshot(session) == before
    assert own.stat().st_mode & 0o777 == 0o600


def test_installing_twice_is_installing_once(session: PrivateBus, program: Path) -> None:
    """A second install leaves an installation that one uninstall undoes."""
    before = snapshot(session)
    run(session, "install", "--program", str(program))
    run(session, "install", "--program", str(program))
    status = json.loads(run(session, "status", "--program", str(program), "--json").stdout)
    assert status["installed"]
    assert all(status["files"].values())
    run(session, "uninstall")
    assert snapshot(session) == before


def test_a_failed_second_install_leaves_the_first(
    session: PrivateBus, program: Path, tmp_path: Path
) -> None:
    """When another program does not start, the installed one answers again and can be removed."""
    start_kwalletd(session)
    before = snapshot(session)
    run(session, "install", "--program", str(program))
    installed = snapshot(session)
    broken = write_stand_in(tmp_path / "other/kwallet-bridge", [])
    done = run(session, "install", "--program", str(broken), check=False)
    assert (done.returncode, "does not start" in done.stderr) == (61, True)
    assert snapshot(session) == installed
    assert all(str(program) in answering(session, name) for name in BUS_NAMES)
    run(session, "uninstall")
    assert snapshot(session) == before
    session.wait_for_name(KDE_NAME)


def test_status_tells_of_a_program_that_is_gone(session: PrivateBus, program: Path) -> None:
    """Status works on when what was installed cannot be found any more."""
    run(session, "install", "--program", str(program))
    program.unlink()
    status = json.loads(run(session, "status", "--json").stdout)
    assert all(status["files"].values())
    run(session, "uninstall")


def test_start_without_install_names_the_next_command(session: PrivateBus) -> None:
    """Starting what is not installed fails with the command that would install it."""
    done = run(session, "start", check=False)
    assert (done.returncode, "session install" in done.stderr) == (61, True)


def test_a_dry_run_writes_nothing(session: PrivateBus, program: Path) -> None:
    """With --dry-run the plan is shown, nothing is written and nothing started."""
    before = snapshot(session)
    done = run(session, "install", "--dry-run", "--program", str(program))
    assert done.stdout.count("would be written") == 9
    assert snapshot(session) == before


def test_uninstall_without_install_is_told(session: PrivateBus, program: Path) -> None:
    """Uninstalling what is not installed fails and says so."""
    done = run(session, "uninstall", "--program", str(program), check=False)
    assert (done.returncode, "nothing is installed" in done.stderr) == (61, True)


def test_uninstall_works_without_a_session(session: PrivateBus, program: Path) -> None:
    """Where no bus answers the files are put back all the same."""
    before = snapshot(session)
    run(session, "install", "--program", str(program))
    session.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
    done = run(session, "uninstall")
    assert "no session bus" in done.stdout
    assert snapshot(session) == before


def test_a_home_that_cannot_be_written_is_told(session: PrivateBus, program: Path) -> None:
    """Where a folder cannot be made the installation fails with a message and changes nothing."""
    (session.config / "systemd").write_text("a file where a folder should be")
    before = snapshot(session)
    done = run(session, "install", "--program", str(program), check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (61, False)
    assert snapshot(session) == before


def test_packagers_get_a_tree(session: PrivateBus, tmp_path: Path) -> None:
    """--system writes the committed files below destdir, and removes exactly those again."""
    tree = tmp_path / "tree"
    options = ["--system", "--prefix", "/usr", "--destdir", str(tree)]
    run(session, "install", *options)
    unit = tree / "usr/lib/systemd/user/kwallet-bridge.service"
    assert unit.read_text() == (ROOT / "dbus-services/kwallet-bridge.service").read_text()
    link = tree / "usr/lib/systemd/user/graphical-session.target.wants/kwallet-bridge.service"
    assert link.readlink() == Path("/usr/lib/systemd/user/kwallet-bridge.service")
    assert (tree / "etc/xdg/autostart/kwallet-bridge.desktop").exists()
    run(session, "uninstall", *options)
    assert not [path for path in tree.rglob("*") if path.is_file() or path.is_symlink()]


def test_what_another_program_installed_since_stays(session: PrivateBus, program: Path) -> None:
    """An activation file that somebody else has put in ours' place is left, and told of."""
    run(session, "install", "--program", str(program))
    own = session.data / f"dbus-1/services/{KDE_NAME}.service"
    own.write_text(PACKAGED.read_text() + "# theirs\n")
    done = run(session, "uninstall")
    assert f"{own} holds what another program put there, and stays" in done.stdout
    assert own.read_text().endswith("# theirs\n")
    assert [path.name for path in own.parent.iterdir()] == [own.name]
    assert run(session, "uninstall", check=False).returncode == 61


def test_an_installation_cut_off_is_told_and_mended(session: PrivateBus, program: Path) -> None:
    """Killed while its files go in, an installation is no installation, and the next one is."""
    before = snapshot(session)
    words = [sys.executable, "-m", "kwallet_bridge", "session", "install"]
    kill = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename"]
    kill += ["-e", "inject=rename:signal=KILL:when=5"]
    # Python's own files are renamed too, where a module is loaded for the first time.
    environ = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    cut = session.run([*kill, *words, "--program", str(program)], env=environ, check=False)
    assert cut.returncode != 0
    assert snapshot(session) != before
    assert "not installed" in run(session, "status", "--program", str(program)).stdout
    run(session, "install", "--program", str(program))
    assert all(str(program) in answering(session, name) for name in BUS_NAMES)
    run(session, "uninstall")
    assert snapshot(session) == before
