# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.peers import KWALLETRC, Bridge
from support.scripted_dialog import ScriptedDialogs

from kwallet_bridge.config import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.client import KWalletClient
    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

ASKING = KWALLETRC.replace("Prompt on Open=false", "Prompt on Open=true")
REFUSED = -1


@pytest.fixture
def dialogs(bus: PrivateBus) -> Iterator[ScriptedDialogs]:
    """Dialogs that a test decides."""
    with ScriptedDialogs(bus.folder) as made:
        yield made


@pytest.fixture
def asking(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, dialogs: ScriptedDialogs
) -> Iterator[Bridge]:
    """The bridge with Prompt on Open."""
    arguments = ("--access-dialog", str(dialogs.program))
    with Bridge(bus, config=ASKING, arguments=arguments) as peer:
        yield peer


def begin_open(client: KWalletClient, appid: str, wallet: str = "kdewallet") -> int:
    """Send an open and do not wait; gives the call's serial."""
    body = (wallet, 0, appid)
    return client.send(client.service, client.object_path, "org.kde.KWallet", "open", "sxs", body)


def finish_open(client: KWalletClient, serial: int) -> int:
    """Wait for an open's answer."""
    handle = client.wait_reply(serial).value
    assert isinstance(handle, int)
    return handle


def lists_of(bus: PrivateBus) -> tuple[object, object]:
    """Read Auto Allow and Auto Deny as they are on disk."""
    settings = read_settings(bus.env)
    return dict(settings.auto_allow), dict(settings.auto_deny)


def test_the_first_open_asks_about_the_real_program(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """The question holds the claimed name, and pid and executable as the kernel knows them."""
    client = bus.client()
    serial = begin_open(client, "my app")
    shown = dialogs.wait()
    assert shown.question == {
        "type": "access",
        "wallet": "kdewallet",
        "appid": "my app",
        "pid": os.getpid(),
        "executable": os.path.realpath("/proc/self/exe"),
        "flatpak": "",
        "may_allow_always": True,
        "may_deny_always": True,
    }
    shown.answer("allow-once")
    assert finish_open(client, serial) > 0
    assert lists_of(bus) == ({}, {})


def test_allow_once_holds_while_the_application_has_the_wallet(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """Until its session ends an allowed application is not asked about again; then it is."""
    client = bus.client()
    serial = begin_open(client, "my app")
    dialogs.wait().answer("allow-once")
    handle = finish_open(client, serial)
    assert client.open(appid="my app") == handle
    assert dialogs.none_came()
    for _ in range(2):
        client.ask("close", "ibs", handle, False, "my app")
    serial = begin_open(client, "my app")
    dialogs.wait().answer("deny")
    assert finish_open(client, serial) == REFUSED


def test_always_is_kept_over_a_restart(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """After Always kwalletrc lists the application, and a new daemon does not ask."""
    client = bus.client()
    serial = begin_open(client, "my app")
    dialogs.wait().answer("allow-always")
    assert finish_open(client, serial) > 0
    assert lists_of(bus) == ({"kdewallet": ("my app",)}, {})
    asking.restart()
    assert bus.client().open(appid="my app") > 0
    assert dialogs.none_came()


def test_never_refuses_from_then_on(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """After Never kwalletrc lists the application, and its next open fails unasked."""
    client = bus.client()
    serial = begin_open(client, "thief")
    dialogs.wait().answer("deny-always")
    assert finish_open(client, serial) == REFUSED
    assert lists_of(bus) == ({}, {"kdewallet": ("thief",)})
    assert finish_open(client, begin_open(client, "thief")) == REFUSED
    assert dialogs.none_came()


def test_equal_opens_share_one_dialog(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """Two connections of one program that claim one name are asked about once, and both served."""
    one, other = bus.client(), bus.client()
    first = begin_open(one, "my app")
    shown = dialogs.wait()
    second = begin_open(other, "my app")
    other.flush()
    shown.answer("allow-once")
    assert finish_open(one, first) == finish_open(other, second) > 0
    assert dialogs.none_came()


def test_another_program_does_not_ride_on_an_answer(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """A program that claims the name of one being asked about gets a dialog of its own."""
    client = bus.client()
    serial = begin_open(client, "my app")
    shown = dialogs.wait()
    words = ["--session", "--print-reply", "--dest=org.kde.kwalletd5", "/modules/kwalletd5"]
    rest = ["org.kde.KWallet.open", "string:kdewallet", "int64:0", "string:my app"]
    other = bus.start(["dbus-send", *words, *rest])
    shown.answer("allow-once")
    assert finish_open(client, serial) > 0
    second = dialogs.wait()
    assert second.question["executable"] == os.path.realpath("/usr/bin/dbus-send")
    second.answer("deny")
    assert other.wait(30) == 0
    assert "int32 -1" in bus.printed("dbus-send")


@pytest.mark.parametrize("member", ["open", "openAsync"])
def test_a_caller_that_leaves_takes_its_dialog_along(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs, member: str
) -> None:
    """The dialog ends when the only caller that waits for it leaves the bus."""
    client = bus.client()
    client.flush()
    if member == "open":
        begin_open(client, "my app")
    else:
        client.ask("openAsync", "sxsb", "kdewallet", 0, "my app", True)
    shown = dialogs.wait()
    client.close()
    shown.wait_withdrawn()


def test_a_dialog_stalls_nobody(bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs) -> None:
    """While one application is asked about, it and others are answered; the next is asked after it.

    Two windows at once would lie on top of each other. One whose program leaves makes room.
    """
    client, other = bus.client(), bus.client()
    serial = begin_open(client, "slow")
    slow = dialogs.wait()
    started = time.monotonic()
    client.flush()
    other.flush()
    assert time.monotonic() - started < 5
    leaving = bus.client()
    begin_open(leaving, "leaving")
    leaving.flush()
    second = begin_open(other, "quick")
    other.flush()
    assert dialogs.none_came()
    leaving.close()
    slow.answer("deny")
    assert finish_open(client, serial) == REFUSED
    quick = dialogs.wait()
    if quick.question["appid"] == "leaving":  # the bus was slower to notice than the person
        quick.wait_withdrawn()
        quick = dialogs.wait()
    assert quick.question["appid"] == "quick"
    quick.answer("allow-once")
    assert finish_open(other, second) > 0


def test_a_dialog_that_ends_without_a_word_means_no(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """An open whose dialog was seen and died is refused, and nothing is written."""
    client = bus.client()
    serial = begin_open(client, "my app")
    dialogs.wait().crash()
    assert finish_open(client, serial) == REFUSED
    assert lists_of(bus) == ({}, {})


def test_a_daemon_that_stops_closes_its_dialogs(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """Asked to stop while a dialog is up the daemon refuses that open and ends by itself."""
    client = bus.client()
    serial = begin_open(client, "my app")
    shown = dialogs.wait()
    process = asking.process
    assert process is not None
    started = time.monotonic()
    process.terminate()
    assert finish_open(client, serial) == REFUSED
    assert process.wait(30) == 0
    assert time.monotonic() - started < 8, "it waited for its deadline"
    shown.wait_withdrawn()


def test_what_cannot_be_kept_is_not_offered(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, dialogs: ScriptedDialogs
) -> None:
    """With an immutable Auto Allow list the question says that Always cannot be chosen."""
    config = ASKING + "[Auto Allow][$i]\nkdewallet=kmail\n"
    with Bridge(bus, config=config, arguments=("--access-dialog", str(dialogs.program))):
        client = bus.client()
        serial = begin_open(client, "my app")
        shown = dialogs.wait()
        assert shown.question["may_allow_always"] is False
        assert shown.question["may_deny_always"] is True
        shown.answer("allow-always")
        assert finish_open(client, serial) > 0
    assert lists_of(bus) == ({"kdewallet": ("kmail",)}, {})


def test_without_a_display_opens_are_denied_with_one_warning(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """Where our own dialog has no display only who is listed gets in; the log says why, once."""
    del bus.env["QT_QPA_PLATFORM"]
    with Bridge(bus, config=ASKING + "[Auto Allow]\nkdewallet=listed\n"):
        for appid in ("one", "two"):
            client = bus.client()
            assert finish_open(client, begin_open(client, appid)) == REFUSED
        assert bus.client().open(appid="listed") > 0
    log = bus.printed("python").splitlines()
    assert len([line for line in log if "there is no display" in line and "denied" in line]) == 1


@pytest.mark.parametrize("denies", [True, False])
def test_deny_without_dialog_decides(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, *, denies: bool
) -> None:
    """Deny Without Dialog says what becomes of an open that nobody can be asked about."""
    config = ASKING + f"[kwallet-bridge]\nDeny Without Dialog={str(denies).lower()}\n"
    with Bridge(bus, config=config, arguments=("--access-dialog", str(bus.folder / "none"))):
        client = bus.client()
        handle = finish_open(client, begin_open(client, "my app"))
        assert handle == REFUSED if denies else handle > 0
    assert "cannot be started" in bus.printed("python")


def test_the_daemon_never_loads_a_toolkit(
    bus: PrivateBus, asking: Bridge, dialogs: ScriptedDialogs
) -> None:
    """With a dialog up no Qt library is mapped into the daemon's process."""
    client = bus.client()
    serial = begin_open(client, "my app")
    shown = dialogs.wait()
    assert asking.process is not None
    maps = Path(f"/proc/{asking.process.pid}/maps").read_text(encoding="utf-8")
    assert "libpython" in maps or "python" in maps
    assert "Qt6" not in maps
    shown.answer("deny")
    assert finish_open(client, serial) == REFUSED
