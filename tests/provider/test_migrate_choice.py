# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window asks of the migrate command, against real gnome-keyring."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.kwl_writer import NEWEST, SALT, make_lock, write_wallet
from support.paths import ROOT

from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.migrate.journal import journal_path, open_journal
from kwallet_bridge.qtstream import encode_string

if TYPE_CHECKING:
    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

INTO_LOGIN = ("--collection", "kdewallet")
"""gnome-keyring has this one; for another it would ask a person."""


def place_wallet(bus: PrivateBus, name: str) -> Path:
    """Put a wallet with an empty password and one entry where KDE keeps them."""
    folder = bus.data / "kwalletd"
    folder.mkdir(parents=True, exist_ok=True)
    lock = make_lock(NEWEST, Profile.KF5, b"")
    entry = ("key", 1, encode_string("value"))
    place = folder / f"{name}.kwl"
    place.write_bytes(write_wallet(lock, [("Passwords", [entry])]))
    place.with_suffix(".salt").write_bytes(SALT)
    return place


def run(bus: PrivateBus, *words: str, answer: object = None) -> list[dict[str, Any]]:
    """Run migrate with JSON lines; gives what it printed."""
    command = [sys.executable, "-m", "kwallet_bridge", "migrate", "--json", *words]
    stdin = "" if answer is None else json.dumps(answer) + "\n"
    done = bus.run(command, stdin=stdin, env={"PYTHONPATH": str(ROOT)}, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_only_the_chosen_file_is_moved_and_listed_as_moved(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """Of two wallets the one chosen is moved; the list then tells its run, and None for the other."""
    chosen, other = place_wallet(bus, "chosen"), place_wallet(bus, "other")
    before = {line["wallet"]: line["run"] for line in run(bus, "--list")}
    assert before == {"chosen": None, "other": None}
    answer = {"id": 1, "files": [str(chosen)]}
    (result,) = run(bus, *INTO_LOGIN, "--choose", "--answers", "-", answer=answer)
    assert [each["wallet"] for each in result["wallets"]] == ["kdewallet"]
    assert result["exit_code"] == 0
    after = {line["file"]: line["run"] for line in run(bus, "--list")}
    assert after == {str(chosen): result["run"], str(other): None}


def test_a_run_taken_back_is_not_moved(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> None:
    """After --undo the list tells no run for the wallet any more."""
    place_wallet(bus, "only")
    (result,) = run(bus, *INTO_LOGIN)
    assert run(bus, "--list")[0]["run"] == result["run"] is not None
    run(bus, "--undo", result["run"])
    (line,) = run(bus, "--list")
    assert (line["run"], line["moved"]) == (None, None)


def test_a_file_that_was_not_found_cannot_be_chosen(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """An answer can only choose among the files it was asked about."""
    place_wallet(bus, "only")
    answer = {"id": 1, "files": ["/etc/passwd"]}
    (result,) = run(bus, "--choose", "--answers", "-", answer=answer)
    assert result["type"] == "error"


def test_wallets_are_listed_while_a_migration_is_at_work(bus: PrivateBus) -> None:
    """Looking needs no lock: the list is given while another process holds the journal."""
    place = place_wallet(bus, "waiting")
    journal = journal_path(Path(bus.env["XDG_STATE_HOME"]))
    with open_journal(journal):
        assert [line["file"] for line in run(bus, "--list")] == [str(place)]
