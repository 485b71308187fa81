# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that pose as others: what the access dialog says of them, and what it leaves out."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.flatpaks import APPLICATION, Flatpaks, wait_for
from support.peers import KWALLETRC, Bridge
from support.private_bus import end_process
from support.scripted_dialog import ScriptedDialogs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

ASKING = KWALLETRC.replace("Prompt on Open=false", "Prompt on Open=true")
SENDER = "/usr/bin/dbus-send"
POSED = "/usr/bin/kwallet-query"
PROXY = "/usr/bin/xdg-dbus-proxy"
SERVICE = "org.kde.kwalletd5"
OPEN = (
    *("--session", "--print-reply", f"--dest={SERVICE}", "/modules/kwalletd5"),
    *("org.kde.KWallet.open", "string:kdewallet", "int64:0", "string:my app"),
)
WORDS = ("executable", "flatpak")


@pytest.fixture
def dialogs(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[ScriptedDialogs]:
    """Dialogs that a test decides, of a bridge with Prompt on Open."""
    with ScriptedDialogs(bus.folder) as made:
        arguments = ("--access-dialog", str(made.program))
        with Bridge(bus, config=ASKING, arguments=arguments):
            yield made


def about(bus: PrivateBus, dialogs: ScriptedDialogs, command: Sequence[str]) -> dict[str, object]:
    """Have a program open a wallet, deny it; give what the question said of the program."""
    process = bus.start(list(command))
    try:
        shown = dialogs.wait()
        shown.answer("deny")
        process.wait(30)
    finally:
        end_process(process)
    return {word: shown.question[word] for word in WORDS}


def test_an_ordinary_program_is_named(bus: PrivateBus, dialogs: ScriptedDialogs) -> None:
    """A program in no sandbox and under its own name is told of by its path."""
    assert about(bus, dialogs, [SENDER, *OPEN]) == {
        "executable": os.path.realpath(SENDER),
        "flatpak": "",
    }


def test_a_program_bound_over_another_is_unknown(bus: PrivateBus, dialogs: ScriptedDialogs) -> None:
    """In file systems of its own a program has another's path, which is not shown."""
    script = f'mount --bind {SENDER} {POSED}; exec {POSED} "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *OPEN]
    assert about(bus, dialogs, command) == {"executable": "", "flatpak": ""}


def test_a_program_that_is_the_same_elsewhere_is_named(
    bus: PrivateBus, dialogs: ScriptedDialogs
) -> None:
    """In file systems of its own, where the path leads to the same file as here, it is shown."""
    command = ["unshare", "--mount", SENDER, *OPEN]
    assert about(bus, dialogs, command)["executable"] == os.path.realpath(SENDER)


@pytest.mark.parametrize("how", ["namespace", "chroot"])
def test_a_root_with_a_made_up_flatpak_is_unknown(
    bus: PrivateBus, dialogs: ScriptedDialogs, how: str
) -> None:
    """A .flatpak-info of the program's own making is not believed, only that something is odd."""
    command = Flatpaks(bus).sandbox(SENDER, *OPEN, tells=False)
    if how == "chroot":
        root = bus.folder / "root"
        places = " ".join(("usr", "lib", "lib64", "bin", str(bus.folder).lstrip("/")))
        script = (
            f"for each in {places}; do mkdir -p {root}/$each; mount --bind /$each {root}/$each;"
            f' done; cp {bus.folder}/info {root}/.flatpak-info; exec chroot {root} "$@"'
        )
        command = ["unshare", "--mount", "sh", "-c", script, "sh", SENDER, *OPEN]
    assert about(bus, dialogs, command)["flatpak"] == "unknown"


def test_another_instances_file_is_not_enough(bus: PrivateBus, dialogs: ScriptedDialogs) -> None:
    """A copy of a running Flatpak's file vouches for nobody outside of that Flatpak."""
    flatpaks = Flatpaks(bus)
    running = bus.start(flatpaks.sandbox("sleep", "600"))
    try:
        wait_for(flatpaks.instance / "bwrapinfo.json")
        flatpaks.vouch()
        command = flatpaks.sandbox(SENDER, *OPEN, tells=False)
        assert about(bus, dialogs, command)["flatpak"] == "unknown"
    finally:
        end_process(running)


def test_a_flatpak_is_named(bus: PrivateBus, dialogs: ScriptedDialogs) -> None:
    """A program in the mount namespace of an instance that Flatpak keeps is that application."""
    flatpaks = Flatpaks(bus)
    flatpaks.vouch()
    assert about(bus, dialogs, flatpaks.sandbox(SENDER, *OPEN)) == {
        "executable": os.path.realpath(SENDER),
        "flatpak": APPLICATION,
    }


def test_a_flatpak_behind_its_proxy_is_named(bus: PrivateBus, dialogs: ScriptedDialogs) -> None:
    """The proxy that was started for an instance, as most Flatpaks have one, is that application."""
    flatpaks = Flatpaks(bus)
    flatpaks.vouch()
    socket = bus.folder / "proxy"
    proxy = [PROXY, bus.address, str(socket), "--filter", f"--talk={SERVICE}"]
    beside = flatpaks.sandbox(*proxy, tells=False)
    inside = ["sh", "-c", f'until [ -S {socket} ]; do sleep 0.1; done; exec "$@"']
    words = shlex.join(beside)
    address = f"--bus=unix:path={socket}"
    app = flatpaks.sandbox(*inside, "sh", SENDER, address, *OPEN[1:])
    # As flatpak run: it starts the proxy, then becomes the sandbox.
    command = ["sh", "-c", f'{words} & exec "$@"', "sh", *app]
    assert about(bus, dialogs, command) == {"executable": PROXY, "flatpak": APPLICATION}


@pytest.mark.parametrize("kind", ["fifo", "link", "endless"])
def test_what_stands_in_the_files_place_stalls_nobody(
    bus: PrivateBus, dialogs: ScriptedDialogs, kind: str
) -> None:
    """A FIFO, a link or a file without end in place of .flatpak-info is looked at in no time."""
    flatpaks = Flatpaks(bus)
    flatpaks.info.unlink()
    if kind == "fifo":
        os.mkfifo(flatpaks.info)
    elif kind == "endless":
        with flatpaks.info.open("wb") as file:
            file.truncate(1 << 40)
    else:
        flatpaks.info = Path("/dev/zero")
    started = time.monotonic()
    command = flatpaks.sandbox(SENDER, *OPEN, tells=False)
    assert about(bus, dialogs, command)["flatpak"] == "unknown"
    assert time.monotonic() - started < 20


BECOME = """\
import asyncio, os, sys
from dbus_fast import Message
from dbus_fast.aio import MessageBus
def call(member, signature="", *body):
    return Message(destination="org.kde.kwalletd5", path="/modules/kwalletd5",
                   interface="org.kde.KWallet", member=member, signature=signature,
                   body=list(body))
async def run():
    bus = await MessageBus(bus_address=sys.argv[1]).connect()
    # Answered once the service has looked at who asks.
    await bus.call(Message(destination="org.kde.kwalletd5", path="/org/kwallet_bridge/Monitor",
                           interface="org.kwallet_bridge.Monitor1", member="Refusals"))
    going, gone = os.pipe()
    os.set_inheritable(gone, False)
    if os.fork():
        os.execv("/bin/sleep", ["sleep", "600"])
    os.close(gone)
    os.read(going, 1)  # the pipe ends when the parent has become another program
    await bus.call(call("open", "sxs", "kdewallet", 0, "my app"))
asyncio.run(run())
"""


def test_one_that_became_another_program_is_unknown(
    bus: PrivateBus, dialogs: ScriptedDialogs
) -> None:
    """A process that called, handed its connection on and runs another program has no name."""
    script = bus.folder / "become.py"
    script.write_text(BECOME)
    env = {"PYTHONPATH": sysconfig.get_path("purelib")}
    process = bus.start([sys.executable, str(script), bus.address], env=env)
    try:
        shown = dialogs.wait()
        assert shown.question["pid"] == process.pid
        assert (Path(f"/proc/{process.pid}/exe").resolve()).name == Path(
            "/bin/sleep"
        ).resolve().name
        assert [shown.question[word] for word in WORDS] == ["", ""]
        shown.answer("deny")
    finally:
        end_process(process)
