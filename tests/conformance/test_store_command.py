# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding which store serves, and what status and doctor say of it: the real programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.installed import install_program
from support.paths import ROOT
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Ksecretd
from support.private_bus import PrivateBus, ProcessEndedError, private_bus
from support.processes import wait_until

from kwallet_bridge.errors import StateError
from kwallet_bridge.migrate.pending import holds_entries
from kwallet_bridge.statefile import MadeBy, StoreKind, load, state_path
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_WAIT = KWALLETRC + "[kwallet-bridge]\nProvider Wait=0\n"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[PrivateBus]:
    """A session whose bus looks for services in the home folder, as a desktop's does."""
    with private_bus(system_data=tmp_path / "share") as running:
        yield running


@pytest.fixture
def program(session: PrivateBus, tmp_path: Path) -> Path:
    """kwallet-bridge as an installed program, over kwalletrc that waits for nobody."""
    session.write_config("kwalletrc", NO_WAIT)
    return install_program(tmp_path / "kwallet-bridge")


def run(bus: PrivateBus, *words: str) -> str:
    """Run a command of this tree."""
    command = [sys.executable, "-m", "kwallet_bridge", *words]
    return bus.run(command, env={"PYTHONPATH": str(ROOT)}, check=False).stdout


def examine(bus: PrivateBus) -> dict[str, Any]:
    """Run the doctor; gives its checks by name."""
    return {each["check"]: each for each in json.loads(run(bus, "doctor", "--json"))["checks"]}


def read_status(bus: PrivateBus) -> dict[str, Any]:
    """Run the status command; gives what it says of the store."""
    store: dict[str, Any] = json.loads(run(bus, "status", "--json"))["store"]
    return store


def test_status_and_doctor_say_what_is_waited_for(bus: PrivateBus) -> None:
    """While nobody provides the Secret Service both say so, and what to do."""
    bus.write_config("kwalletrc", NO_WAIT)
    with Bridge(bus, store="auto"):
        status = read_status(bus)
        assert (status["kind"], status["state"]) == ("provider", "waiting")
        found = examine(bus)["store"]
        assert found["status"] == "warning"
        assert found["seen"][0].startswith("waiting for the Secret Service provider")
        assert "kwallet-bridge store use" in found["seen"][1]
        assert "waiting for" in run(bus, "status")
        assert "waiting for" in run(bus, "store", "show")
        with GnomeKeyring(bus):
            bus.client().open()
            assert read_status(bus)["program"] == "gnome-keyring"
            assert examine(bus)["store"]["status"] == "ok"


def test_they_ask_the_daemon_not_the_bus(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, tmp_path: Path
) -> None:
    """Where a file serves beside a provider, the file is named, and is no second store."""
    path = tmp_path / "password"
    path.write_text("correct horse")
    path.chmod(0o600)
    with Bridge(bus, store="file", arguments=("--store-password-file", str(path))):
        bus.client().open()
        status = read_status(bus)
        assert (status["kind"], status["state"]) == ("file", "serving")
        checks = examine(bus)
    # The path without the home folder: the doctor's output can be pasted anywhere.
    assert checks["store"]["seen"][0].startswith("the keyring file ~/")
    assert checks["second stores"]["seen"] == ["none"]


def test_a_state_file_that_cannot_be_used_is_a_problem(bus: PrivateBus) -> None:
    """Status says that no store serves; the doctor names the command, with the daemon or without."""
    path = state_path(bus.env)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with Bridge(bus, store="auto"):
        status = read_status(bus)
        assert (status["kind"], status["state"]) == ("", "unusable")
        assert "it is damaged" in status["problem"]
        with_daemon = examine(bus)["store"]
    assert with_daemon["status"] == "problem"
    assert with_daemon["next"].startswith("mv ")
    assert examine(bus)["store"] == with_daemon


@pytest.mark.peers
def test_nothing_that_ksecretd_keeps_is_to_be_moved() -> None:
    """Its collections are the wallet files: no command calls them pending, with the daemon or not."""
    root = Path(os.environ["KWB_SID_ROOT"])
    with private_bus(root) as bus, Ksecretd(bus), Bridge(bus, store="auto") as bridge:
        with bus.client() as client:
            handle = client.open(appid="a")
            written = client.ask("writePassword", "issss", handle, "F", "k", "v", "a")
            assert written.value == 0
        wallet = bus.data / "kwalletd/kdewallet.kwl"
        wait_until(lambda: wallet.exists() and holds_entries(wallet))
        assert read_status(bus)["program"] == "ksecretd"
        for _ in range(2):
            (listed,) = map(json.loads, run(bus, "migrate", "--list", "--json").splitlines())
            assert not listed["pending"]
            assert examine(bus)["wallet files"]["status"] == "ok"
            bridge.stop()
        to_file = run(bus, "migrate", "--list", "--json", "--to", f"file:{bus.home}/x.keyring")
        assert json.loads(to_file)["pending"]


def test_installing_with_a_store_decides(
    session: PrivateBus, program: Path, tmp_path: Path
) -> None:
    """What install was told is kept before the daemon runs, and serves."""
    words = ("session", "install", "--program", str(program))
    chosen = tmp_path / "mine.keyring"
    done = run(session, *words, "--store", f"file:{chosen}")
    assert f"store: the keyring file {chosen}; decided by the install" in done
    decision = load(state_path(session.env)).decision
    assert decision is not None
    assert (decision.kind, decision.made_by) == (StoreKind.FILE, MadeBy.INSTALL)
    assert read_status(session)["path"] == str(chosen)
    done = run(session, *words, "--store", "provider")
    assert "the Secret Service provider; decided by the install" in done
    assert not chosen.exists()


def test_a_failed_install_leaves_the_decision(
    session: PrivateBus, program: Path, tmp_path: Path
) -> None:
    """Where the daemon does not start, what was decided before still is."""
    words = ("session", "install", "--program", str(program))
    run(session, *words, "--store", "provider")
    before = load(state_path(session.env)).decision
    program.write_text("#!/bin/false\n")
    assert "putting everything back" in run(session, *words, "--store", f"file:{tmp_path / 'x'}")
    assert load(state_path(session.env)).decision == before


def test_using_another_store_starts_the_daemon_anew(
    session: PrivateBus, program: Path, tmp_path: Path
) -> None:
    """A decision takes effect at once, whoever runs."""
    run(session, "session", "install", "--program", str(program))
    first = session.process_of(BUS_NAMES[0])
    done = run(session, "store", "use", f"file:{tmp_path / 'k.keyring'}")
    assert "decided: the keyring file" in done
    session.wait_for_name(BUS_NAMES[0])
    assert session.process_of(BUS_NAMES[0]) != first
    assert read_status(session)["decided_by"] == "command line"
    assert "k.keyring" in run(session, "store", "show")


def test_no_decision_is_written_over_a_damaged_one(
    session: PrivateBus, program: Path, tmp_path: Path
) -> None:
    """It is refused, the file stays to be restored, and what the error says to do does help."""
    run(session, "session", "install", "--program", str(program))
    path = state_path(session.env)
    damaged = b'{"version": 1, "key": "'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(damaged)
    running = session.process_of(BUS_NAMES[0])
    chosen = f"file:{tmp_path / 'k.keyring'}"
    for words in (["use", chosen], ["switch", chosen]):
        command = [sys.executable, "-m", "kwallet_bridge", "store", *words]
        done = session.run(command, env={"PYTHONPATH": str(ROOT)}, check=False)
        assert done.returncode == StateError.exit_code
        assert "move it away and decide anew with kwallet-bridge store use" in done.stderr
        assert "decided" not in done.stdout
    assert path.read_bytes() == damaged
    assert session.process_of(BUS_NAMES[0]) == running
    path.rename(path.with_name("store.json.damaged"))
    assert "decided: the keyring file" in run(session, "store", "use", chosen)
    session.wait_for_name(BUS_NAMES[0])
    assert read_status(session)["decided_by"] == "command line"


def test_a_word_that_is_no_store_is_refused(bus: PrivateBus) -> None:
    """A store nobody knows is told with those that are known, and nothing is decided."""
    command = [sys.executable, "-m", "kwallet_bridge", "store", "use", "ksecretd"]
    with pytest.raises(ProcessEndedError, match=r"a store is provider\|file"):
        bus.run(command, env={"PYTHONPATH": str(ROOT)})
    assert not state_path(bus.env).exists()
