# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed and hostile messages, made from what the daemon says of itself.

By hand, for as long as wanted: ``PYTHONPATH=.:tests python -m fault.malformed --minutes 10``.
"""

from __future__ import annotations

import argparse
import gc
import random
import secrets
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from dbus_fast import Message, MessageType, Variant
from support.client import KWALLET, ClientError, KWalletClient
from support.peers import KWALLETRC, Bridge, GnomeKeyring
from support.private_bus import private_bus
from support.prober import probing
from support.processes import rss

from kwallet_bridge.wire.generations import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.private_bus import PrivateBus

APP = "malformed"
STAYS_UNLOCKED = f"{KWALLETRC}\n[kwallet-bridge]\nLock On Close=false\n"
ALONE = {"open", "openAsync", "closeAllWallets", "reconfigure"}
"""Calls that would only ask the provider's owner, or close what the prober reads."""
SERIAL = 99  # of a message made by hand
HANDLES = (0, -1, 1, -(2**31), 2**31 - 1)
TEXTS = (
    "",
    "\x01\x7f\u2028",
    "../../etc/passwd",
    "%s%n%x",
    "\U0001f511" * 300,
    "*[a-",
    "x" * 70_000,
    "_org.kde\ufeff",
)
KINDS = ("", "s", "i", "b", "x", "d", "ay", "as", "a{sv}", "v", "(ii)", "o", "g", "aai", "a(sas)")


@dataclass(frozen=True, slots=True)
class Method:
    """One method as introspection shows it."""

    interface: str
    member: str
    signature: str


def introspect(client: KWalletClient, service: str, path: str) -> list[Method]:
    """Ask an object what it answers."""
    xml = client.call(service, path, "org.freedesktop.DBus.Introspectable", "Introspect").value
    assert isinstance(xml, str)
    found = []
    for interface in ET.fromstring(xml).iter("interface"):  # noqa: S314  our own daemon's
        for method in interface.iter("method"):
            arguments = [
                a.get("type", "") for a in method.iter("arg") if a.get("direction") != "out"
            ]
            found.append(
                Method(interface.get("name", ""), method.get("name", ""), "".join(arguments))
            )
    return found


def split(signature: str) -> list[str]:
    """Split a signature that is made of the kinds above."""
    kinds = []
    while signature:
        kind = max((k for k in KINDS if k and signature.startswith(k)), key=len)
        kinds.append(kind)
        signature = signature[len(kind) :]
    return kinds


class Maker:
    """Makes bodies; the same ones for the same seed."""

    def __init__(self, seed: str, handle: int) -> None:
        self.random = random.Random(seed)
        self._handle = handle

    def value(self, kind: str) -> Any:
        """Give some odd value of a type."""
        draw = self.random
        simple: dict[str, Sequence[Any]] = {
            "s": (*TEXTS, APP, "f"),
            "i": (*HANDLES, self._handle),
            "b": (True, False),
            "x": (0, -1, 2**63 - 1, -(2**63)),
            "d": (float("nan"), float("-inf"), 5e-324),
            "o": ("/", "/a" * 100),
            "g": ("", "s" * 200, "a{s(ii)}"),
        }
        if kind in simple:
            return draw.choice(simple[kind])
        if kind == "ay":
            return draw.randbytes(draw.choice((0, 1, 4, 1000, 200_000)))
        return self._container(kind)

    def _container(self, kind: str) -> Any:
        count = self.random.choice((0, 1, 300))
        if kind == "as":
            return [self.random.choice(TEXTS[:6]) for _ in range(count)]
        if kind == "a{sv}":
            return {str(n): self._deep(n % 20) for n in range(count)}
        if kind == "v":
            return self._deep(20)
        if kind == "(ii)":
            return [1, -1]
        if kind == "aai":
            return [[1, 2]] * count
        return [["x", ["y"]]] * count

    @staticmethod
    def _deep(depth: int) -> Variant:
        value = Variant("i", -1)
        for _ in range(depth):
            value = Variant("v", value)
        return value

    def body(self, signature: str) -> list[Any]:
        """Give a body of a signature made of the kinds above."""
        return [self.value(kind) for kind in split(signature)]

    def wrong(self, signature: str) -> str:
        """Give another signature than a right one."""
        draw = self.random
        match draw.randrange(4):
            case 0:
                kinds = split(signature)
                return "".join(kinds[: draw.randrange(len(kinds) + 1)])
            case 1:
                return signature + draw.choice(KINDS)
            case 2:
                return draw.choice(KINDS) * draw.randrange(1, 4)
            case _:
                return draw.choice(KINDS) + signature


class Attack:
    """Sends odd messages to every path of a running daemon, and counts what comes back."""

    def __init__(self, bus: PrivateBus, seed: str) -> None:
        self._bus = bus
        self._client = bus.client()
        self._maker = Maker(seed, self._client.open("kdewallet", APP))
        self._random = self._maker.random
        self._targets = [
            (generation.bus_name, generation.path, method)
            for generation in GENERATIONS
            for method in introspect(self._client, generation.bus_name, generation.path)
        ]
        self.sent = 0
        self.refused = 0
        self.dropped = 0

    def step(self) -> None:
        """Send one message and see it answered."""
        draw = self._random.random()
        if draw < 0.9:
            self._call()
        elif draw < 0.94:
            self._nowhere()
        elif draw < 0.97:
            self._silent()
        else:
            self._invalid_text()
        self.sent += 1

    def _call(self) -> None:
        service, path, method = self._random.choice(self._targets)
        right = self._random.random() < 0.4 and method.member not in ALONE
        signature = method.signature if right else self._maker.wrong(method.signature)
        if method.member in ALONE and signature == method.signature:
            return
        body = self._maker.body(signature)
        if right and method.member == "close" and True in body:
            return  # forced: would close what others use, as it should
        reply = self._client.call(service, path, method.interface, method.member, signature, body)
        self.refused += bool(reply.error)

    def _nowhere(self) -> None:
        service, path, method = self._random.choice(self._targets)
        place = self._random.choice(
            (
                (path + "/x" * 100, KWALLET, method.member),
                (path, "a." + "x" * 200, method.member),
                (path, KWALLET, "X" * 255),
                ("/", KWALLET, method.member),
                ("/modules", "org.freedesktop.DBus.Introspectable", "Introspect"),
            )
        )
        reply = self._client.call(service, *place, method.signature, self._body_of(method))
        self.refused += bool(reply.error)

    def _body_of(self, method: Method) -> list[Any]:
        return self._maker.body(method.signature)

    def _silent(self) -> None:
        service, path, method = self._random.choice(self._targets)
        signature = self._maker.wrong(method.signature)
        if signature == method.signature:
            return
        body = self._maker.body(signature)
        place = (service, path, method.interface, method.member)
        self._client.send(*place, signature, body, wants_reply=False)
        self._client.flush_bus()

    def _invalid_text(self) -> None:
        """Send what is no UTF-8; the bus must drop the sender, and nobody else may notice."""
        service, path, _ = self._random.choice(self._targets)
        self._throw_away(service, path, b"\xff\xfe\xfd")

    def _throw_away(self, service: str, path: str, bad: bytes) -> None:
        frame = _frame(service, path, "s", "QQQ").replace(b"QQQ", bad)
        self._send_and_be_dropped(frame)

    def _send_and_be_dropped(self, frame: bytes) -> None:
        with KWalletClient.connect(self._bus.address) as victim:
            try:
                victim.send_bytes(frame)
                victim.flush_bus()
            except ClientError:
                self.dropped += 1
            else:
                raise AssertionError("the bus passed on what no message may hold")

    def huge(self) -> None:
        """Send the largest things a bus takes, and larger ones."""
        handle = self._client.open("kdewallet", APP)
        service, path = GENERATIONS[0].bus_name, GENERATIONS[0].path
        names = [f"folder {number}" for number in range(1_000_000)]
        assert self._client.call(service, path, KWALLET, "wallets", "as", [names]).error
        for size in (1 << 20, 61 << 20):
            body = [handle, "f", "huge", bytes(size), APP]
            reply = self._client.call(service, path, KWALLET, "writeEntry", "issays", body)
            # Above 60 MiB the provider could not be sent it encrypted.
            assert reply.error or reply.value == (0 if size == 1 << 20 else -1)
        text = "x" * (16 << 20)
        reply = self._client.call(service, path, KWALLET, "hasFolder", "iss", [handle, text, APP])
        assert reply.error or reply.value is False
        self._too_large(service, path)
        self._client.call(service, path, KWALLET, "removeEntry", "isss", [handle, "f", "huge", APP])
        self.sent += 5

    def _too_large(self, service: str, path: str) -> None:
        """A value of 100 MiB is more than D-Bus has: the bus drops its sender, or we refuse it."""
        size = 100 << 20
        frame = bytearray(_frame(service, path, "ay", b"QQQQ"))
        frame[4:8] = (size + 4).to_bytes(4, "little")
        frame[-8:] = size.to_bytes(4, "little") + bytes(size)
        with KWalletClient.connect(self._bus.address) as sender:
            try:
                sender.send_bytes(bytes(frame))
                reply = sender.wait_reply(SERIAL)
            except ClientError:
                self.dropped += 1
            else:
                assert reply.error, "an array of a size that D-Bus forbids was taken"
                self.refused += 1


def _frame(service: str, path: str, signature: str, value: object) -> bytes:
    """Give the bytes of a call with one argument."""
    message = Message(
        destination=service,
        path=path,
        interface=KWALLET,
        member="isOpen",
        signature=signature,
        body=[value],
        serial=SERIAL,
        message_type=MessageType.METHOD_CALL,
    )
    return bytes(message._marshall(False))


@dataclass(frozen=True, slots=True)
class Figures:
    """What an attack did, and what others felt of it."""

    sent: int
    refused: int
    dropped: int
    rss_before: int
    rss_after: int
    probes: dict[str, float]

    def __str__(self) -> str:
        return (
            f"{self.sent} messages, {self.refused} answered by an error, {self.dropped} senders "
            f"dropped by the bus\nRSS {self.rss_before} KiB before, {self.rss_after} KiB after\n"
            f"another client meanwhile: {self.probes['count']:.0f} reads, {self.probes['wrong']:.0f} "
            f"wrong, p50 {self.probes['p50']:.1f} ms, p99 {self.probes['p99']:.1f} ms, "
            f"longest {self.probes['max']:.1f} ms\n"
        )


def _rounds(*, seconds: float, messages: int) -> Iterator[None]:
    end = time.monotonic() + seconds
    count = 0
    while count < messages if messages else time.monotonic() < end:
        count += 1
        yield


def attack(seed: str, *, seconds: float = 0.0, messages: int = 0, huge: bool = True) -> Figures:
    """Attack a daemon of our own for a time or a number of messages."""
    with private_bus() as bus, GnomeKeyring(bus), Bridge(bus, config=STAYS_UNLOCKED) as bridge:
        assert bridge.process is not None
        pid = bridge.process.pid
        attacker = Attack(bus, seed)
        for _ in range(400):
            attacker.step()  # to the size it has in daily use
        before = rss(pid)
        with probing(bus.address) as probes:
            for _ in _rounds(seconds=seconds, messages=messages):
                attacker.step()
            if huge:
                attacker.huge()
        assert bridge.process.poll() is None, "the daemon ended"
        client = bus.client()
        assert client.open("kdewallet", APP) > 0
        gc.collect()
        after = rss(pid)
        log = bus.printed(sys.executable)
        assert "by our fault" not in log, log[-2000:]
        assert "Traceback" not in log, log[-2000:]
        return Figures(
            attacker.sent, attacker.refused, attacker.dropped, before, after, dict(probes)
        )


def main() -> None:
    """Attack and print the figures."""
    parser = argparse.ArgumentParser(prog="fault.malformed", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}\n")
    sys.stdout.write(str(attack(arguments.seed, seconds=arguments.minutes * 60)))


if __name__ == "__main__":
    main()
