# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon over a real KeePassXC that is locked, killed or hangs: never "absent"."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fault.daemon_world import ImpatientBridge
from support.client import KWALLET
from support.keepassxc import KeePassXC
from support.keepassxc_dialogs import Agreeing, Dialogs
from support.peers import PASSWORD, SECRETS, Xvfb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.client import KWalletClient, Reply
    from support.private_bus import PrivateBus

WALLET, APP = "kdewallet", "test"
SERVICE = "org.freedesktop.Secret.Service"
PATH = "/org/freedesktop/secrets"


@dataclass
class Scene:
    """KeePassXC, a daemon over it, and a client with one entry stored and saved."""

    peer: KeePassXC
    dialogs: Dialogs
    client: KWalletClient
    handle: int = 0

    def open(self) -> None:
        """Open the wallet, again if it was closed."""
        self.handle = self.client.open(WALLET, APP)

    def read(self) -> Reply:
        """Read the entry."""
        return self.client.ask("readPassword", "isss", self.handle, "F", "k", APP)

    def send_write(self, value: str) -> int:
        """Send a write of the entry."""
        client, body = self.client, (self.handle, "F", "k", value, APP)
        return client.send(
            client.service, client.object_path, KWALLET, "writePassword", "issss", body
        )

    def write(self, value: str) -> object:
        """Write the entry."""
        return self.client.wait_reply(self.send_write(value)).value

    def absent(self) -> bool:
        """Tell whether the daemon calls what is stored absent."""
        says = [
            self.client.ask("folderDoesNotExist", "ss", WALLET, "F"),
            self.client.ask("keyDoesNotExist", "sss", WALLET, "F", "k"),
        ]
        return any(answer.body == (True,) for answer in says)

    def kill(self, sign: int) -> None:
        """Send the program a signal."""
        assert self.peer.process is not None
        self.peer.process.send_signal(sign)


@pytest.fixture
def scene(bus: PrivateBus) -> Iterator[Scene]:
    """Store, save by a restart, and open again."""
    with (
        Xvfb(bus) as display,
        KeePassXC(bus, display, autosave=False) as peer,
        ImpatientBridge(bus),
    ):
        made = Scene(peer, Dialogs(bus, display), bus.client())
        made.client.listen()
        made.open()
        assert made.write("v") == 0
        peer.restart()
        made.open()
        assert made.read().value == "v"
        made.client.take_signals()
        yield made


def test_locked_in_the_middle(scene: Scene) -> None:
    """A locked database is an error until the person types its password, and then all is there."""
    (database,) = _collections(scene)
    reply = scene.client.call(SECRETS, PATH, SERVICE, "Lock", "ao", [[database]])
    if reply.body[1] != "/":
        scene.client.call(
            SECRETS, str(reply.body[1]), "org.freedesktop.Secret.Prompt", "Prompt", "s", [""]
        )
    assert scene.read().error
    scene.client.wait_signal("walletClosed")
    assert scene.client.wait_reply(scene.send_write("lost")).error
    assert not scene.absent()
    opening = _send_open(scene)
    scene.dialogs.answer(
        "Unlock Database", *("space" if char == " " else char for char in PASSWORD), "Return"
    )
    handle = scene.client.wait_reply(opening).value
    assert isinstance(handle, int)
    assert handle > 0
    scene.handle = handle
    assert scene.read().value == "v"


def test_killed_and_started_again(scene: Scene) -> None:
    """Without KeePassXC nothing is absent or acknowledged; with the next one all is there."""
    scene.peer.kill()
    scene.client.wait_signal("walletClosed")
    assert scene.client.wait_reply(scene.send_write("lost")).error
    assert not scene.absent()
    assert scene.client.ask("open", "sxs", WALLET, 0, APP).value == -1
    scene.peer.start()
    scene.open()
    assert scene.read().value == "v"


def test_killed_during_a_write(scene: Scene) -> None:
    """A write under way is answered with -1, and what was stored before is there."""
    scene.kill(signal.SIGSTOP)
    writing = scene.send_write("lost")
    scene.client.bus_call("GetId")
    scene.peer.kill()
    assert scene.client.wait_reply(writing).value == -1
    scene.peer.start()
    scene.open()
    assert scene.read().value == "v"


def test_silent_and_back(scene: Scene) -> None:
    """While KeePassXC hangs, reads are errors in time and others are served; then all is there."""
    scene.kill(signal.SIGSTOP)
    assert scene.read().error
    assert scene.client.ask("isEnabled").value is True
    assert scene.write("lost") == -1
    scene.kill(signal.SIGCONT)
    while scene.read().error:
        scene.client.flush_bus()
    assert scene.read().value in {"v", "lost"}
    with Agreeing(scene.dialogs):
        assert scene.write("w") == 0
    assert scene.read().value == "w"


def _send_open(scene: Scene) -> int:
    client = scene.client
    return client.send(client.service, client.object_path, KWALLET, "open", "sxs", [WALLET, 0, APP])


def _collections(scene: Scene) -> list[str]:
    reply = scene.client.call(
        SECRETS, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", [SERVICE, "Collections"]
    )
    assert isinstance(reply.value, tuple)
    return [str(path) for path in reply.value[1]]
