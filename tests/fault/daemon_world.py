# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon, a stand-in provider, a client, and what the client was told is stored."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.client import ClientError, SeenSignal
from support.hosted import HostedFake
from support.peers import KWALLETRC, Bridge
from support.private_bus import PrivateBus, private_bus

from kwallet_bridge import qtstream
from kwallet_bridge.cli.keyrings import accept

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping

WALLET = "kdewallet"
APP = "fault"
CANARY = "Zq7-canary-Vx9"
"""In every secret here, so that any log can be searched for it."""
Data = dict[tuple[str, str], bytes]
SEED: Mapping[tuple[str, str], tuple[str, str, object, bytes]] = {
    ("f", "password"): ("writePassword", "issss", CANARY, qtstream.encode_string(CANARY)),
    ("f", "stream"): (
        "writeEntry",
        "issays",
        bytes(range(256)) + CANARY.encode(),
        bytes(range(256)) + CANARY.encode(),
    ),
    ("f", "map"): (
        "writeMap",
        "issays",
        qtstream.encode_map({"k": CANARY}),
        qtstream.encode_map({"k": CANARY}),
    ),
    ("g", "other"): ("writePassword", "issss", f"{CANARY}!", qtstream.encode_string(f"{CANARY}!")),
}
OUR_FAULT = ("by our fault", "Traceback", "ERROR kwallet_bridge.bus", "exception")


class ImpatientBridge(Bridge):
    """Our daemon with one second of patience for its provider, logging everything."""

    def __init__(self, bus: PrivateBus, *, config: str = KWALLETRC) -> None:
        super().__init__(bus, arguments=("--log-level", "debug"), config=config)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it from this tree."""
        self.write_settings()
        argv = [sys.executable, "-m", "support.impatient", "daemon", *self._arguments]
        return self.bus.start(argv, env=self.environment())


class World:
    """Everything that takes part in a fault."""

    def __init__(self, bus: PrivateBus, fake: HostedFake, bridge: Bridge) -> None:
        self.bus = bus
        self.fake = fake
        self.bridge = bridge
        self.client = bus.client()
        self.client.listen()
        self.handle = 0
        self.closed: set[int] = set()
        self._log_read = 0

    @property
    def collection(self) -> str:
        """The path of the wallet's collection."""
        return next(iter(self.fake.provider.vault.collections))

    # --- states ----------------------------------------------------------------------------

    def begin(self) -> Data:
        """Start with a provider that is well, and a wallet that holds the seed."""
        self.fake.renew()
        self.start_anew()
        for (folder, key), (member, signature, value, _) in SEED.items():
            reply = self.client.ask(member, signature, self.handle, folder, key, value, APP)
            assert reply.value == 0
        return {place: stored for place, (*_, stored) in SEED.items()}

    def start_anew(self) -> None:
        """Decide, as a person does, that the wallet goes on with the keyring in its place.

        What the daemon noted of the former one may reach the disk seconds later.
        """
        self.open()
        # A list is an error as long as anything that was noted is lacking.
        while self.client.ask("folderList", "is", self.handle, APP).error:
            accept(self.bus.env, WALLET)
            self.open()
        # What was learnt by that must answer no question of a case.
        self.fake.restart()
        self.open()

    def open(self) -> None:
        """Open the wallet: a provider that has returned is served from at the first call."""
        handle = self.client.ask("open", "sxs", WALLET, 0, APP).value
        assert isinstance(handle, int)
        assert handle > 0, "the daemon does not serve after the provider's return"
        self.handle = handle

    def forget(self, arm: Callable[[World], None] = lambda _: None) -> None:
        """Have the daemon know nothing of what the wallet holds, which is closed."""
        self.fake.restart(lambda: arm(self))
        self.client.flush()

    def lock(self, *, locked: bool = True) -> None:
        """Lock the wallet behind the daemon's back."""
        path = self.collection
        self.note_signals()
        self.fake.do(lambda fake: fake.set_locked(fake.vault.collections[path], locked=locked))
        signal = self.client.wait_signal("walletClosedId" if locked else "walletOpened")
        if locked:
            assert isinstance(signal.body[0], int)
            self.closed.add(signal.body[0])

    def wait_for_prompt(self) -> None:
        """Wait until the provider shows a prompt."""

        async def shown() -> None:
            async with asyncio.timeout(10):
                await self.fake.provider.prompts.shown.wait()

        self.fake.run(shown())

    # --- judging ---------------------------------------------------------------------------

    def serve_again(self, *, restart: bool = True, limit: float = 1.0) -> float:
        """Have the provider return, and give the seconds until a wallet could be opened."""
        if restart:
            self.fake.restart()
        else:
            self.fake.do(lambda fake: fake.faults.clear())
        started = time.monotonic()
        self.check_handle()
        self.open()
        took = time.monotonic() - started
        assert took < limit, f"the daemon served again after {took:.2f} s only"
        return took

    def check_handle(self) -> None:
        """A handle that is not open any more was announced as closed."""
        still = self.client.ask("isOpen", "i", self.handle)
        self.note_signals()
        if still.error or not still.value:
            assert self.handle in self.closed, "a handle went bad and nobody was told"

    def note_signals(self) -> list[SeenSignal]:
        """Take note of the handles announced as closed."""
        seen = self.client.take_signals()
        for signal in seen:
            if signal.member in {"walletClosed", "walletClosedId"} and signal.signature == "i":
                assert isinstance(signal.body[0], int)
                self.closed.add(signal.body[0])
        return seen

    def read(self, folder: str, key: str) -> bytes | None:
        """Read stored bytes; None for a missing entry. Any error is a failure of the test."""
        place = (self.handle, folder, key, APP)
        if not self.client.ask("hasEntry", "isss", *place).value:
            return None
        value = self.client.ask("readEntry", "isss", *place).value
        assert isinstance(value, bytes)
        return value

    def compare(self, before: Data, after: Data, *, done: bool) -> None:
        """Every acknowledged entry is there, and what failed is in its old or its new state."""
        for place in {**before, **after}:
            found = self.read(*place)
            if done:
                assert found == after.get(place), f"{place} is not as acknowledged"
            else:
                assert found in {before.get(place), after.get(place)}, f"{place} was spoilt"

    def check_log(self) -> None:
        """The daemon's own log since the last look holds no fault of ours and no secret."""
        text = self.bus.printed(sys.executable)
        new, self._log_read = text[self._log_read :], len(text)
        for words in (*OUR_FAULT, CANARY):
            assert words not in new, f"the log says {words!r}:\n{new[-3000:]}"
        assert self.bridge.process is not None
        assert self.bridge.process.poll() is None, "the daemon ended"

    def heal(self) -> None:
        """After a failed test: a daemon and a client that are well."""
        self.client.close()
        assert self.bridge.process is not None
        if self.bridge.process.poll() is not None:
            self.bridge.process = None
            self.bridge.start()
        self.client = self.bus.client()
        self.client.listen()

    def is_well(self) -> bool:
        """Tell whether daemon and client can go on."""
        assert self.bridge.process is not None
        if self.bridge.process.poll() is not None:
            return False
        try:
            self.client.ask("isEnabled")
        except ClientError:
            return False
        return True


@contextmanager
def world() -> Iterator[World]:
    """Run a private world."""
    with private_bus() as bus, HostedFake(bus.address) as fake, ImpatientBridge(bus) as bridge:
        yield World(bus, fake, bridge)
