# SPDX-License-Identifier: GPL-3.0-or-later
"""Plasma's real prompter, started by the bus and typed into, in front of our real daemon."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.client import KWALLET
from support.keyrings import PASSWORD, keyring_bytes
from support.peers import KWALLETRC, Bridge, Xvfb
from support.private_bus import PrivateBus, private_bus

from kwallet_bridge.daemon.plasma import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.client import KWalletClient

pytestmark = pytest.mark.peers

TITLE = "Unlock Wallet"
OURS = "Password of a Wallet"
OWN = "[kwallet-bridge]\n"
PATIENCE = 60
PROGRAM = "/usr/lib/x86_64-linux-gnu/libexec/ksecretprompter"
TYPED = PASSWORD.reveal().decode()


@pytest.fixture
def session() -> Iterator[PrivateBus]:
    """A Plasma session's bus and display, with the prompter of the root that KWB_SID_ROOT names."""
    root = Path(os.environ["KWB_SID_ROOT"])
    with private_bus(root) as bus, Xvfb(bus) as display, _share_display(root, display):
        bus.env.update(display.env, XDG_CURRENT_DESKTOP="KDE")
        inner = bus.inner_env() | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={_inside(bus, 'bus')}"}
        words = [f"{name}={value}" for name, value in inner.items() if " " not in value]
        bus.make_activatable(NAME, ["/usr/sbin/chroot", str(root), "/usr/bin/env", *words, PROGRAM])
        file = bus.data / "keyrings/own.keyring"
        file.parent.mkdir(parents=True)
        file.write_bytes(keyring_bytes(1))
        file.chmod(0o600)
        yield bus


def _inside(bus: PrivateBus, name: str) -> str:
    return str(bus.folder / name).removeprefix(str(bus.root))


@contextlib.contextmanager
def _share_display(root: Path, display: Xvfb) -> Iterator[None]:
    """Have the display's socket inside of the root too."""
    socket = Path("tmp/.X11-unix") / f"X{display.env['DISPLAY'].removeprefix(':')}"
    inside = root / socket
    inside.parent.mkdir(exist_ok=True)
    inside.unlink(missing_ok=True)
    os.link("/" / socket, inside)
    try:
        yield
    finally:
        inside.unlink()


def _begin_open(client: KWalletClient) -> int:
    body = ["kdewallet", 0, "app"]
    return client.send(client.service, client.object_path, KWALLET, "open", "sxs", body)


def _find(bus: PrivateBus, title: str) -> str:
    """Wait for a window by its title, and give it the keyboard."""
    command = ["xdotool", "search", "--sync", "--onlyvisible", "--name", title]
    window = bus.run(command, timeout=PATIENCE).stdout.split()[0]
    bus.run(["xdotool", "windowfocus", "--sync", window])
    return window


def _press(bus: PrivateBus, window: str, key: str, text: str = "") -> None:
    """Type into a window, end it with a key, and wait until it is gone."""
    bus.run(["xdotool", "windowfocus", "--sync", window, "type", "--delay", "20", text])
    bus.run(["xdotool", "key", key])
    _wait_gone(bus, window)


def _wait_gone(bus: PrivateBus, window: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not bus.run(["xdotool", "getwindowname", window], check=False).returncode:
        assert time.monotonic() < deadline, "the window stayed"


def _windows(bus: PrivateBus, title: str) -> list[str]:
    command = ["xdotool", "search", "--onlyvisible", "--name", title]
    return bus.run(command, check=False).stdout.split()


@contextlib.contextmanager
def _serving(bus: PrivateBus, settings: str = "") -> Iterator[KWalletClient]:
    bus.write_config("kwalletrc", KWALLETRC.replace("[kwallet-bridge]\n", f"{OWN}{settings}\n"))
    with Bridge(bus, store=f"file:{bus.data}/keyrings/own.keyring"):
        yield bus.client()


def test_it_unlocks_the_file(session: PrivateBus) -> None:
    """A slip is asked about anew, the right password opens the wallet; no window of ours comes."""
    with _serving(session) as client:
        serial = _begin_open(client)
        _press(session, _find(session, TITLE), "Return", "a slip")
        _press(session, _find(session, TITLE), "Return", TYPED)
        handle = client.wait_reply(serial).value
        assert isinstance(handle, int)
        assert handle > 0
        assert _windows(session, OURS) == []


def test_cancelling_is_no_answer_to_the_next_program(session: PrivateBus) -> None:
    """Who cancelled refused this open; the next one is asked about anew, by the same prompter."""
    with _serving(session) as client:
        serial = _begin_open(client)
        _press(session, _find(session, TITLE), "Escape")
        assert client.wait_reply(serial).value == -1
        serial = _begin_open(client)
        _press(session, _find(session, TITLE), "Return", TYPED)
        assert client.wait_reply(serial).value != -1


def test_it_goes_with_the_program_that_waits(session: PrivateBus) -> None:
    """Its window is taken away, and the next program is asked for anew."""
    with _serving(session) as client:
        _begin_open(client)
        window = _find(session, TITLE)
        client.close()
        _wait_gone(session, window)
        later = session.client()
        serial = _begin_open(later)
        _press(session, _find(session, TITLE), "Return", TYPED)
        assert later.wait_reply(serial).value != -1


def test_our_window_comes_when_it_is_killed(session: PrivateBus) -> None:
    """Whoever waits is still answered."""
    with _serving(session) as client:
        serial = _begin_open(client)
        _find(session, TITLE)
        os.kill(session.process_of(NAME), signal.SIGKILL)
        _press(session, _find(session, OURS), "Return", TYPED)
        assert client.wait_reply(serial).value != -1


def test_the_setting_switches_it_off(session: PrivateBus) -> None:
    """Our own window comes instead, and the prompter is not even started."""
    with _serving(session, "Use Plasma Prompter=false\n") as client:
        serial = _begin_open(client)
        _press(session, _find(session, OURS), "Return", TYPED)
        assert client.wait_reply(serial).value != -1
        assert client.name_owner(NAME) == ""


def test_it_says_who_waits(session: PrivateBus) -> None:
    """The question is in the same window, which is higher by what it says above its field."""
    client = session.client()
    body = ["/x", "", "", "kdewallet"]
    assert not client.call(
        NAME, "/SecretPrompter", NAME, "UnlockCollectionPrompt", "osss", body
    ).error
    window = _find(session, TITLE)
    plain = _height(session, window)
    os.kill(session.process_of(NAME), signal.SIGKILL)
    _wait_gone(session, window)
    with _serving(session) as asking:
        _begin_open(asking)
        window = _find(session, TITLE)
        deadline = time.monotonic() + PATIENCE
        while _height(session, window) <= plain:
            assert time.monotonic() < deadline, "it says nothing"


def _height(bus: PrivateBus, window: str) -> int:
    shown = bus.run(["xdotool", "getwindowgeometry", "--shell", window]).stdout
    return int(dict(line.split("=") for line in shown.split())["HEIGHT"])
