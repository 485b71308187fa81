# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.paths import ROOT
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Kwalletd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.private_bus import PrivateBus

DENYING = KWALLETRC + "[Auto Deny]\nkdewallet=thief\n"
CANARY = "c4n4ry-value"


@contextmanager
def watching(bus: PrivateBus, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the monitor; the block begins once it listens."""
    command = [sys.executable, "-m", "kwallet_bridge", "monitor", *options]
    with subprocess.Popen(
        command,
        env=bus.env | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        begun = json.loads(first) if "--json" in options else dict([first.split(maxsplit=1)])
        assert begun["watching"]
        try:
            yield process
        finally:
            process.terminate()


def use_wallet(bus: PrivateBus, wallet: str = "kdewallet") -> None:
    """Open a wallet, write and read a password: three calls."""
    client = bus.client()
    handle = client.open(wallet, "my app")
    arguments = (handle, "Passwords", "k3y")
    client.ask("writePassword", "issss", *arguments, CANARY, "my app")
    assert client.ask("readPassword", "isss", *arguments, "my app").value == CANARY


def lines(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Give every line printed."""
    assert process.stdout is not None
    return [json.loads(line) for line in process.stdout]


def test_calls_are_shown_with_the_real_program(bus: PrivateBus, bridge: Bridge) -> None:
    """Each call names the claimed appid, and the process the kernel knows; no names, no values."""
    with watching(bus, "--json", "--count", "3") as process:
        use_wallet(bus)
        seen = lines(process)
    assert [call["member"] for call in seen] == ["open", "writePassword", "readPassword"]
    assert {call["appid"] for call in seen} == {"my app"}
    assert {call["pid"] for call in seen} == {os.getpid()}
    assert {call["executable"] for call in seen} == {os.path.realpath("/proc/self/exe")}
    assert {call["outcome"] for call in seen} == {"ok"}
    text = json.dumps(seen)
    assert not any(private in text for private in (CANARY, "k3y", "Passwords", "kdewallet"))


def test_names_are_shown_on_request(bus: PrivateBus, bridge: Bridge) -> None:
    """With --names wallet, folder and key are shown, and still no value."""
    with watching(bus, "--json", "--names", "--count", "3") as process:
        use_wallet(bus)
        seen = lines(process)
    assert seen[0]["names"] == {"wallet": "kdewallet"}
    assert seen[2]["names"] == {"folder": "Passwords", "key": "k3y"}
    assert CANARY not in json.dumps(seen)


def test_a_refusal_is_shown(bus: PrivateBus, bridge: Bridge) -> None:
    """A call with a handle that does not exist ends as HandleError."""
    with watching(bus, "--json", "--count", "1") as process:
        bus.client().ask("folderList", "is", 7, "thief")
        (call,) = lines(process)
    assert (call["member"], call["outcome"]) == ("folderList", "HandleError")


def test_a_refused_open_is_shown(bus: PrivateBus) -> None:
    """Denied opens are shown as refused: ``open`` by its answer, ``openAsync`` when it is known."""
    options = ("--json", "--names", "--count", "3")
    with GnomeKeyring(bus), Bridge(bus, config=DENYING), watching(bus, *options) as process:
        client = bus.client()
        assert client.ask("open", "sxs", "kdewallet", 0, "thief").value == -1
        client.ask("openAsync", "sxsb", "kdewallet", 0, "thief", False)
        seen = lines(process)
    outcomes = [(call["member"], call["outcome"]) for call in seen]
    assert outcomes == [("open", "refused"), ("openAsync", "ok"), ("openAsync", "refused")]
    assert {call["names"]["wallet"] for call in seen} == {"kdewallet"}


def test_the_end_of_the_service_ends_the_monitor(bus: PrivateBus, bridge: Bridge) -> None:
    """When the daemon stops the monitor ends with the code of a lost bus."""
    with watching(bus) as process:
        bridge.stop()
        assert process.wait(30) == 51


def test_kde_daemon_cannot_be_watched(bus: PrivateBus) -> None:
    """Where kwalletd5 answers the monitor says so and fails."""
    command = [sys.executable, "-m", "kwallet_bridge", "monitor"]
    with Kwalletd(bus):
        done = bus.run(command, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 50
    assert "kwalletd5" in done.stderr
