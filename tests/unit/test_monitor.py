# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from kwallet_bridge.bus.port import Signal
from kwallet_bridge.errors import BusReplyError
from kwallet_bridge.wire import monitor as module
from kwallet_bridge.wire import peers as peers_module
from kwallet_bridge.wire.monitor import ACCESS_DENIED, Monitor
from kwallet_bridge.wire.observed import MONITOR_INTERFACE, MONITOR_PATH
from kwallet_bridge.wire.peers import Peers
from kwallet_bridge.wire.program import PeerProgram

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from kwallet_bridge.bus.connection import BusConnection
    from kwallet_bridge.bus.incoming import IncomingCall
    from kwallet_bridge.bus.port import SignalMatch


class FakeBus:
    """Knows one peer, records what is emitted, and which calls the bus daemon got."""

    def __init__(self) -> None:
        self.emitted: asyncio.Queue[tuple[str, list[Any]]] = asyncio.Queue()
        self.owner_changed: Callable[[Signal], None] = lambda _: None
        self.matches: Counter[str] = Counter()
        self.gone = False

    async def call_daemon(self, *_: object) -> list[object]:
        """Give the peer's process."""
        if self.gone:
            raise BusReplyError("org.freedesktop.DBus.Error.NameHasNoOwner")
        return [7]

    def listen(self, _: SignalMatch, listener: Callable[[Signal], None]) -> None:
        """Keep the listener."""
        self.owner_changed = listener

    def send_call(self, *arguments: Any) -> None:
        """Count the rules that are in force."""
        self.matches[arguments[5][0]] += {"AddMatch": 1, "RemoveMatch": -1}[arguments[3]]

    def leave(self, peer: str = ":1.5") -> None:
        """Have a peer leave the bus."""
        signal = Signal("", "", "", "NameOwnerChanged", "sss", [peer, peer, ""])
        self.owner_changed(signal)

    def emit(self, *arguments: Any, destination: str) -> None:
        """Note who is told what."""
        self.emitted.put_nowait((destination, arguments[4]))


class FakeCall:
    """A call, and how it was answered."""

    def __init__(self, member: str, signature: str, *body: object, sender: str = ":1.5") -> None:
        self.path = MONITOR_PATH
        self.interface = MONITOR_INTERFACE
        self.member, self.signature, self.body = member, signature, list(body)
        self.sender = sender
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def reply(self, *_: object) -> None:
        """Note success."""
        self.answer.set_result("")

    def fail(self, name: str, _: str) -> None:
        """Note failure."""
        self.answer.set_result(name)


def incoming(call: FakeCall) -> IncomingCall:
    """Pass a fake for the real thing."""
    return cast("IncomingCall", call)


class Rig:
    """A monitor between fakes."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, flatpak: str = "", could_look: bool = True
    ) -> None:
        def look(pid: int, **_: object) -> PeerProgram:
            return PeerProgram(pid, "/usr/bin/vlc", flatpak, 1, could_look=could_look)

        monkeypatch.setattr(peers_module, "glance", look)
        monkeypatch.setattr(peers_module, "examine", look)
        self.bus = FakeBus()
        bus = cast("BusConnection", self.bus)
        self.observer: Any = None
        self.peers = Peers(bus, vanished=self.vanished)
        self.monitor = Monitor(
            bus,
            self.peers,
            observe_with=lambda observer: setattr(self, "observer", observer),
        )

    def vanished(self, peer: str) -> None:
        """Pass on who left."""
        self.monitor.peer_vanished(peer)

    async def subscribe(self, *, names: bool = False) -> str:
        """Subscribe; gives the error's name, "" for success."""
        call = FakeCall("Subscribe", "b", names)
        assert self.monitor.handle(incoming(call))
        return await call.answer


async def test_a_sandboxed_program_may_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Flatpak that subscribes is refused, and nothing is observed."""
    rig = Rig(monkeypatch, flatpak="org.a.B")
    assert await rig.subscribe() == ACCESS_DENIED
    assert rig.observer is None


async def test_a_program_that_hides_its_root_may_not_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer of which the kernel does not show whether it is in a sandbox is refused."""
    rig = Rig(monkeypatch, could_look=False)
    assert await rig.subscribe() == ACCESS_DENIED


async def test_a_program_nobody_can_look_at_may_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer whose process cannot be found is refused."""
    rig = Rig(monkeypatch)
    rig.bus.gone = True
    assert await rig.subscribe() == ACCESS_DENIED


async def test_only_subscribers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is told to the subscriber by name, without the value it carried."""
    rig = Rig(monkeypatch)
    assert await rig.subscribe(names=True) == ""
    write = FakeCall("writePassword", "issss", 1, "folder", "key", "canary", "app", sender=":1.9")
    rig.peers.seen(":1.9")
    rig.observer(incoming(write), 0.5, "ok")
    destination, body = await rig.bus.emitted.get()
    assert destination == ":1.5"
    assert body[1:] == [
        "app", 7, "/usr/bin/vlc", "writePassword", "ok", 0.5, {"folder": "folder", "key": "key"},
    ]  # fmt: skip
    rig.monitor.close()


async def test_nothing_is_observed_once_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last subscriber leaves the bus, or unsubscribes, the observer goes."""
    rig = Rig(monkeypatch)
    await rig.subscribe()
    rig.bus.leave()
    assert rig.observer is None
    await rig.subscribe()
    assert rig.observer is not None
    assert rig.monitor.handle(incoming(FakeCall("Unsubscribe", "")))
    assert rig.observer is None


async def test_no_match_outlives_its_subscriber(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever subscribed, is refused, or left before, the bus has no rule of ours once they left."""
    rig = Rig(monkeypatch)
    for _ in range(3):
        assert await rig.subscribe() == ""
        rig.bus.leave()
    rig.bus.gone = True
    await rig.subscribe()
    assert rig.bus.matches
    assert not any(rig.bus.matches.values())


async def test_other_objects_are_not_the_monitors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to another path is left to the dispatcher."""
    call = FakeCall("isEnabled", "")
    call.path = "/modules/kwalletd5"
    assert not Rig(monkeypatch).monitor.handle(incoming(call))


async def test_a_flood_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit calls go unseen instead of filling memory."""
    rig = Rig(monkeypatch)
    await rig.subscribe()
    for _ in range(module.QUEUE_LIMIT + 10):
        rig.observer(incoming(FakeCall("isEnabled", "")), 0.0, "ok")
    assert rig.monitor._waiting.full()
    rig.monitor.close()
