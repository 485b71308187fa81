# SPDX-License-Identifier: GPL-3.0-or-later
"""The one notification, over a stand-in for the desktop's notifications."""

from __future__ import annotations

import io
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support import wallet_files
from support.notifications import Notifications
from support.paths import ROOT

from kwallet_bridge.cli import moved, notification, offer
from kwallet_bridge.errors import UsageError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from support.private_bus import PrivateBus


@pytest.fixture
def desktop(bus: PrivateBus) -> Iterator[Notifications]:
    """A desktop that shows notifications."""
    with Notifications(bus.address) as made:
        yield made


def place_wallet(bus: PrivateBus, name: str = "kdewallet") -> None:
    """Put a wallet file where KDE keeps them; only its name is looked at."""
    folder = bus.data / "kwalletd"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.kwl").write_bytes(b"not read")


def start_offer(bus: PrivateBus) -> subprocess.Popen[bytes]:
    """Start the offer, as autostart does."""
    command = [sys.executable, "-m", "kwallet_bridge", "gui", "offer"]
    return bus.start(command, env={"PYTHONPATH": str(ROOT)})


def test_wallets_are_offered_once(bus: PrivateBus, desktop: Notifications) -> None:
    """The first login shows one notification that names no wallet; the second shows none."""
    place_wallet(bus)
    process = start_offer(bus)
    shown = desktop.wait()
    assert "kdewallet" not in repr(shown)
    assert shown[3] == "Move your wallets?"
    assert shown[4].startswith("One of KDE's wallet files can move")
    desktop.close_it()
    assert process.wait(30) == 0
    assert start_offer(bus).wait(30) == 0
    assert desktop.none_came()


def test_without_wallets_nothing_is_offered_or_remembered(
    bus: PrivateBus, desktop: Notifications
) -> None:
    """A login without wallet files shows nothing, and a wallet that comes later is offered."""
    assert start_offer(bus).wait(30) == 0
    assert desktop.none_came()
    place_wallet(bus)
    process = start_offer(bus)
    desktop.wait()
    desktop.close_it()
    assert process.wait(30) == 0


def test_wallets_with_nothing_to_move_are_not_offered(
    bus: PrivateBus, desktop: Notifications
) -> None:
    """PAM's empty wallet, and one that a person does without, show nothing."""
    wallet_files.place_wallet(bus.data, {})
    wallet_files.place_wallet(bus.data, {"F": {"k": "v"}}, name="work")
    command = [sys.executable, "-m", "kwallet_bridge", "migrate", "--start-without", "work"]
    bus.run(command, env={"PYTHONPATH": str(ROOT)})
    assert start_offer(bus).wait(30) == 0
    assert desktop.none_came()


def test_the_offer_waits_for_the_desktop(bus: PrivateBus) -> None:
    """Started before anybody shows notifications it waits for them instead of failing."""
    place_wallet(bus)
    process = start_offer(bus)
    with Notifications(bus.address) as desktop:
        desktop.wait()
        desktop.close_it()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("action", "starts"),
    [(offer.ACCEPT, True), (notification.DEFAULT, True), (offer.DECLINE, False)],
)
def test_only_a_yes_starts_the_assistant(
    bus: PrivateBus,
    desktop: Notifications,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    *,
    starts: bool,
) -> None:
    """The assistant is started when the notification or its first button is pressed."""
    started: list[Any] = []
    for name, value in bus.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(offer, "start", lambda *words: started.append(words))
    place_wallet(bus)
    desktop.answer_with(action)
    assert offer.offer() == 0
    assert started == ([("gui", "assistant")] if starts else [])


@pytest.mark.parametrize(("action", "undone"), [(moved.UNDO, True), ("", False)])
def test_what_was_moved_is_told_and_can_be_taken_back(
    bus: PrivateBus,
    desktop: Notifications,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    *,
    undone: bool,
) -> None:
    """One notification says how many entries, and its button takes that run back."""
    started: list[tuple[str, ...]] = []
    for name, value in bus.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(moved, "start", lambda *words: started.append(words))
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"run": "20261125-1200-ab", "entries": 12}'))
    if action:
        desktop.answer_with(action)
    else:
        threading.Thread(target=desktop.close_next).start()
    assert moved.tell_moved() == 0
    if action:
        assert desktop.wait()[4].startswith("12 entries are in your password store")
    assert started == ([("migrate", "--undo", "20261125-1200-ab")] if undone else [])


@pytest.mark.parametrize("line", ["", "[]", '{"run": "a b; c", "entries": 1}', '{"run": null}'])
def test_what_names_no_run_is_refused(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Nothing reaches a command line that is no run's name."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    with pytest.raises(UsageError):
        moved.tell_moved()
