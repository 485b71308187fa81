# SPDX-License-Identifier: GPL-3.0-or-later
"""The windows for passwords, as a screen reader finds them on the accessibility bus."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.accessibility import Desktop
from support.paths import ROOT
from support.peers import Xvfb

from kwallet_bridge.question import PasswordQuestion, Purpose, WaitingProgram

if TYPE_CHECKING:
    from support.private_bus import PrivateBus

KMAIL = WaitingProgram("kmail-says", "/usr/bin/kmail")
QUESTIONS = {
    "unlock": PasswordQuestion(Purpose.UNLOCK, "kdewallet", (KMAIL,)),
    "wrong": PasswordQuestion(Purpose.UNLOCK, "kdewallet", (KMAIL,), again=True),
    "choose": PasswordQuestion(Purpose.CREATE, "kdewallet", least=4),
    "move": PasswordQuestion(Purpose.MOVE, "kdewallet", (KMAIL,), may_start_without=True),
}
READ = {
    "unlock": {
        "Unlock the wallet",
        "Wallet: kdewallet",
        "Wanted by: /usr/bin/kmail",
        "Calls itself: kmail-says",
        "Password",
        "Unlock",
        "Later",
    },
    "wrong": {"This password did not open it. Please try again.", "Password", "Unlock", "Later"},
    "choose": {
        "Choose a password for the new wallet",
        "Password",
        "Password, once more",
        "Strength of the password",
        "Create",
        "Later",
    },
    "move": {
        "Open your KDE wallet once more",
        "Password",
        "Open and Move",
        "Start Without It",
        "Later",
    },
}
TYPED = {"unlock": "pass\n", "wrong": "pass\n", "choose": "pass\tpass\n", "move": "pass\n"}
"""By keyboard alone: the field has the focus, Tab leads to the next, Enter ends."""


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_screen_reader_reads_it_and_a_keyboard_answers_it(bus: PrivateBus, name: str) -> None:
    """Every field, button and reason has a name there; what is typed is read out nowhere."""
    with Xvfb(bus) as display, Desktop(bus, display) as desktop:
        env = bus.env | display.env | {"QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1"}
        command = [sys.executable, "-P", "-m", "kwallet_bridge", "gui", "password"]
        with subprocess.Popen(
            command,
            env=env | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as window:
            assert window.stdin is not None
            assert window.stdout is not None
            window.stdin.write(QUESTIONS[name].to_line())
            window.stdin.flush()
            assert json.loads(window.stdout.readline()) == {"shown": True}
            for text in READ[name]:
                desktop.wait_for_text(text)
            field, _, last = TYPED[name].rstrip("\n").partition("\t")
            find = ["xdotool", "search", "--sync", "--onlyvisible", "--pid", str(window.pid)]
            shown = bus.run(find, env=display.env).stdout.split()[-1]
            bus.run(["xdotool", "windowfocus", "--sync", shown, "type", field], env=display.env)
            assert field not in desktop.texts()
            if last:
                bus.run(["xdotool", "key", "Tab"], env=display.env)
                bus.run(["xdotool", "type", last], env=display.env)
            bus.run(["xdotool", "key", "Return"], env=display.env)
            expected = base64.b64encode(b"pass").decode()
            assert json.loads(window.stdout.readline()) == {"password": expected}
            window.stdin.close()
            assert window.wait(20) == 0
