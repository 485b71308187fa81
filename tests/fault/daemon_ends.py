# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that end a process: ours, the real provider's, the bus's."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

from fault.daemon_case import EITHER, FAILED, RIGHT, Case, row
from fault.daemon_world import APP, CANARY, OUR_FAULT, WALLET, ImpatientBridge, world
from fault.daemon_writers import Writers
from support.peers import KWALLETRC, SECRETS, Bridge, GnomeKeyring
from support.private_bus import PrivateBus, end_process, private_bus

from kwallet_bridge.errors import BusLostError, NameTakenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault.daemon_world import World

SOON = 5.0
"""Seconds in which a process that was told to end has ended, on a busy machine."""


def _alone(run: Callable[[PrivateBus], str]) -> Callable[[World], str]:
    """Give a fault a bus of its own, as it ends what others need."""

    def own(_: World) -> str:
        with private_bus() as bus:
            seen = run(bus)
            log = bus.printed(sys.executable)
            for words in (*OUR_FAULT, CANARY):
                assert words not in log, f"the log says {words!r}:\n{log[-3000:]}"
            return seen

    return own


def _begin(bus: PrivateBus) -> Writers:
    """Start fifty writers, each with one acknowledged write."""
    writers = Writers(bus, bus.client().open(WALLET, APP))
    writers.send_all()
    writers.gather()
    assert len(writers.acknowledged) == 50
    return writers


def _killed(bus: PrivateBus) -> str:
    with GnomeKeyring(bus), Bridge(bus) as bridge:
        writers = _begin(bus)
        writers.send_all()
        # Who is answered writes again, so that some are unanswered whenever the end comes.
        writers.gather(20, go_on=True)
        bridge.kill()
        writers.gather()
        assert writers.failed > 0
        bridge.start()
        writers.check(bus.client())
    return "unanswered writes failed"


def _terminated(bus: PrivateBus) -> str:
    with GnomeKeyring(bus), Bridge(bus) as bridge:
        writers = _begin(bus)
        writers.send_all()
        process = bridge.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        writers.gather()
        assert process.wait(SOON) == 0
        assert writers.failed == 0
        bridge.stop()
        bridge.start()
        writers.check(bus.client())
    return "every write it had been sent was done; exit code 0"


def _terminated_under_flood(bus: PrivateBus) -> str:
    with GnomeKeyring(bus), Bridge(bus) as bridge:
        writers = _begin(bus)
        writers.send_all()
        writers.gather(50, go_on=True)
        process = bridge.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        writers.gather(10**9, go_on=True)
        assert process.wait(SOON) == 0
        took = time.monotonic() - started
        assert took < SOON, f"ended after {took:.1f} s only"
        bridge.stop()
        bridge.start()
        writers.check(bus.client())
    return "later calls failed; exit code 0"


def _terminated_under_prompt(_: World) -> str:
    with world() as made:
        made.begin()
        made.lock()
        made.fake.do(lambda fake: fake.prompts.shown.clear())
        made.fake.provider.prompts.style = "never"
        client = made.client
        body = [WALLET, 0, APP]
        client.send(client.service, client.object_path, "", "open", "sxs", body)
        made.wait_for_prompt()
        process = made.bridge.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 0
    return "exit code 0"


def _bus_ends(bus: PrivateBus) -> str:
    keyring, bridge = GnomeKeyring(bus), Bridge(bus)
    keyring.start()
    bridge.start()
    assert keyring.process is not None
    assert bridge.process is not None
    writers = _begin(bus)
    writers.send_all()
    assert bus._daemon is not None
    end_process(bus._daemon, sign=signal.SIGKILL)
    bus._daemon = None
    writers.gather()
    assert bridge.process.wait(SOON) == BusLostError.exit_code
    end_process(keyring.process)
    return f"exit code {BusLostError.exit_code}"


def _name_taken(bus: PrivateBus) -> str:
    taker = bus.client()
    assert taker.bus_call("RequestName", "su", "org.kde.kwalletd5", 4).value == 1
    process = Bridge(bus).launch()
    assert process.wait(30) == NameTakenError.exit_code
    assert not taker.name_owner("org.kde.kwalletd6")
    return f"exit code {NameTakenError.exit_code}"


def _clock_jumps(bus: PrivateBus) -> str:
    config = KWALLETRC + "Close When Idle=true\nIdle Timeout=1\n"
    with GnomeKeyring(bus), ImpatientBridge(bus, config=config) as bridge:
        client = bus.client()
        client.listen()
        handle = client.open(WALLET, APP)
        assert bridge.process is not None
        for number, sign in enumerate((signal.SIGUSR1, signal.SIGUSR2)):
            bridge.process.send_signal(sign)
            key = f"k{number}"
            written = client.ask("writePassword", "issss", handle, "f", key, CANARY, APP)
            assert written.value == 0
            assert client.ask("readPassword", "isss", handle, "f", key, APP).value == CANARY
            assert client.ask("isOpen", "i", handle).value is True
    return "no wallet is closed"


def _keyring_killed(bus: PrivateBus) -> str:
    with GnomeKeyring(bus) as keyring, Bridge(bus):
        writers = _begin(bus)
        writers.send_all()
        writers.gather(20)
        keyring.kill()
        writers.gather()
        keyring.start()
        started = time.monotonic()
        client = bus.client()
        client.open(WALLET, APP)
        assert time.monotonic() - started < 1.0
        writers.check(client)
    return "writes under way failed"


def _keyring_stands_still(bus: PrivateBus) -> str:
    with GnomeKeyring(bus) as keyring, ImpatientBridge(bus):
        writers = _begin(bus)
        assert keyring.process is not None
        keyring.process.send_signal(signal.SIGSTOP)
        writers.send_all()
        writers.gather()
        keyring.process.send_signal(signal.SIGCONT)
        assert writers.failed == 50
        # Our daemon has one second of patience, gnome-keyring fifty saves to make up for.
        client = bus.client()
        assert not client.call(SECRETS, "/", "org.freedesktop.DBus.Peer", "Ping").error
        writers.check(client)
    return "the writes failed"


def _keyring_restarts(bus: PrivateBus) -> str:
    with GnomeKeyring(bus) as keyring, Bridge(bus):
        client = bus.client()
        client.listen()
        writers = _begin(bus)
        handle = client.open(WALLET, APP)
        for _ in range(3):
            keyring.restart()
        client.wait_signal("walletClosedId")
        assert client.open(WALLET, APP) > 0
        assert handle > 0
        writers.check(client)
    return "the handle was announced closed"


def _keyring_away_at_start(bus: PrivateBus) -> str:
    with Bridge(bus):
        client = bus.client()
        assert client.ask("open", "sxs", WALLET, 0, APP).value == -1
        # Only now: as long as opens wait for the provider, one may yet succeed.
        assert client.ask("isEnabled").value is False
        with GnomeKeyring(bus):
            started = time.monotonic()
            assert client.open(WALLET, APP) > 0
            assert time.monotonic() - started < 1.0
    return "-1 until it came"


CASES: tuple[Case, ...] = (
    row("daemon killed", "kill -9 of the daemon while 50 clients write", EITHER, _alone(_killed)),
    row("daemon ended", "SIGTERM of the daemon while 50 clients write", RIGHT, _alone(_terminated)),
    row(
        "daemon ended in a flood",
        "SIGTERM of the daemon while 50 clients write and write on",
        EITHER,
        _alone(_terminated_under_flood),
    ),
    row(
        "daemon ended at a prompt",
        "SIGTERM of the daemon during a prompt",
        FAILED,
        _terminated_under_prompt,
    ),
    row("bus ended", "the message bus ends while 50 clients write", FAILED, _alone(_bus_ends)),
    row("name taken", "another program owns one of the names", FAILED, _alone(_name_taken)),
    row("clock", "the clock jumps ten years ahead, and back", RIGHT, _alone(_clock_jumps)),
    row(
        "keyring killed",
        "kill -9 of gnome-keyring while 50 clients write",
        EITHER,
        _alone(_keyring_killed),
    ),
    row(
        "keyring stopped",
        "gnome-keyring stands still and goes on after our patience ended",
        FAILED,
        _alone(_keyring_stands_still),
    ),
    row(
        "keyring restarted", "gnome-keyring restarts three times", RIGHT, _alone(_keyring_restarts)
    ),
    row(
        "keyring late",
        "gnome-keyring starts after the daemon",
        FAILED,
        _alone(_keyring_away_at_start),
    ),
)
