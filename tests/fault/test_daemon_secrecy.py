# SPDX-License-Identifier: GPL-3.0-or-later
"""A planted secret is looked for wherever it must not be."""

from __future__ import annotations

import contextlib
import functools
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fault.daemon_deeds import DEEDS, NEW
from fault.daemon_world import APP, CANARY, WALLET, world
from support.canary import disguises, files_below, find
from support.fake_provider import Fault
from support.kwl_writer import SALT, make_lock, write_wallet
from support.paths import ROOT
from support.peers import SECRETS as PROVIDER
from support.peers import Bridge, GnomeKeyring
from support.wiretap import Wiretap

from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.qtstream import encode_string

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fault.daemon_world import World
    from support.client import Reply
    from support.private_bus import PrivateBus

SECRETS = (CANARY, NEW)
MASTER = "Mz4-master-canary-Kp2"


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    """A daemon that logs everything."""
    with world() as made:
        yield made


def test_disguises_are_recognised() -> None:
    """Every disguise is found in a text that holds it between other letters."""
    assert all(find([CANARY], b"x" + form + b"yz") for form in disguises(CANARY).values())
    assert not find([CANARY], b"nothing of the kind")


def _fail(world: World, *, member: str, fault: Fault) -> None:
    world.fake.fail(member, *[fault] * 40)


def test_failures_at_every_step_tell_nothing(running: World) -> None:
    """With each provider call failing in turn, no log, error, file or process entry tells."""
    errors: list[Reply] = []
    for deed in DEEDS:
        for member in deed.asks:
            for fault in (
                Fault(error="org.example.Odd", text=CANARY),
                Fault(reply=("s", [CANARY])),
            ):
                running.begin()
                arm = functools.partial(_fail, member=member, fault=fault)
                deed.prepare(running, arm)
                reply = deed.do(running)
                if reply.error:
                    errors.append(reply)
    assert len(errors) > 20
    for reply in errors:
        assert not find(SECRETS, f"{reply.error} {reply.body}".encode())
    process = running.bridge.process
    assert process is not None
    log = running.bus.printed(sys.executable)
    assert "DEBUG" in log or "WARNING" in log
    assert not find(SECRETS, log.encode())
    for name in ("environ", "cmdline", "status", "comm"):
        with contextlib.suppress(PermissionError):
            assert not find(SECRETS, Path(f"/proc/{process.pid}/{name}").read_bytes()), name
    for path, data in files_below(running.bus.folder).items():
        if not path.name.startswith("log-"):
            assert not find(SECRETS, data), path


def test_the_process_is_closed(bus: PrivateBus, bridge: Bridge) -> None:
    """No core is dumped, and no other program of the user may look inside."""
    assert bridge.process is not None
    proc = Path(f"/proc/{bridge.process.pid}")
    limits = (proc / "limits").read_text(encoding="utf-8")
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
    # The kernel gives the entries of a process that is not dumpable to root.
    assert (proc / "environ").stat().st_uid == 0
    as_nobody = ["setpriv", "--reuid=65534", "--clear-groups", "cat", str(proc / "environ")]
    refused = subprocess.run(as_nobody, capture_output=True, check=False)
    assert refused.returncode != 0
    bridge.process.send_signal(signal.SIGSEGV)
    bridge.process.wait(10)
    cores = [path for path in files_below(bus.folder) if "core" in path.name]
    assert not cores
    bridge.process = None


def test_the_wire_to_the_provider_is_encrypted(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """Nothing that is sent to or from the provider holds the secret."""
    tap = Wiretap.connect(bus.address)
    tap.begin()
    with tap, Bridge(bus):
        client = bus.client()
        handle = client.open(WALLET, APP)
        place = (handle, "f", "k")
        assert client.ask("writePassword", "issss", *place, CANARY, APP).value == 0
        assert client.ask("readPassword", "isss", *place, APP).value == CANARY
        written = client.ask("writeEntry", "issays", handle, "f", "s", CANARY.encode(), APP)
        assert written.value == 0
        assert client.ask("entriesList", "iss", handle, "f", APP).value
        provider = client.name_owner(PROVIDER)
        client.bus_call("Marker")
        heard = tap.heard_until("Marker")
    assert find([CANARY], b"".join(one.frame for one in heard)), "the tap hears nothing"
    names = {provider, PROVIDER}
    wire = [one for one in heard if one.sender in names or one.destination in names]
    assert {"CreateItem", "GetSecret"} <= {one.member for one in wire}
    assert not find([CANARY], b"".join(one.frame for one in wire))


def _run(bus: PrivateBus, *arguments: str) -> bytes:
    done = bus.run(
        [sys.executable, "-X", "dev", "-m", "kwallet_bridge", *arguments],
        stdin=MASTER,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.stdout.encode() + done.stderr.encode()


def _write_wallet(bus: PrivateBus, *, damage: bool = False) -> Path:
    lock = make_lock((1, 3, 2), Profile.KF5, MASTER.encode())
    value = encode_string(CANARY)
    data = bytearray(write_wallet(lock, [("f", [("k", 1, value), ("s", 2, NEW.encode())])]))
    if damage:
        data[-3] ^= 0xFF
    folder = bus.data / "kwalletd"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kdewallet.kwl").write_bytes(data)
    (folder / "kdewallet.salt").write_bytes(SALT)
    return folder / "kdewallet.kwl"


@pytest.mark.parametrize("damage", [False, True])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_inspect_tells_no_value(bus: PrivateBus, options: tuple[str, ...], *, damage: bool) -> None:
    """Without --reveal neither values nor the password are shown, of damaged wallets either."""
    wallet = _write_wallet(bus, damage=damage)
    told = _run(bus, "inspect", str(wallet), *options, "--password-file", "-")
    assert told
    assert not find((*SECRETS, MASTER), told)


@pytest.mark.parametrize("ends", ["well", "damaged", "without a provider"])
def test_the_migrator_tells_no_value(bus: PrivateBus, ends: str) -> None:
    """Neither what it prints nor its journal nor any file it leaves holds a value."""
    _write_wallet(bus, damage=ends == "damaged")
    migrate = ("migrate", "--json", "--password-file", "-")
    if ends == "without a provider":
        told = _run(bus, *migrate)
    else:
        with GnomeKeyring(bus):
            told = (
                _run(bus, *migrate) + _run(bus, *migrate) + _run(bus, "migrate", "--undo", "last")
            )
    assert told
    assert not find((*SECRETS, MASTER), told)
    for path, data in files_below(bus.folder).items():
        assert not find((*SECRETS, MASTER), data), path
