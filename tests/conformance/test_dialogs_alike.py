# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a person's answer to Prompt on Open is the same at both daemons.

kwalletd5's dialog is answered by keys on a display; ours by a program in the dialog's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conformance.asked import ask
from support.kwalletd_dialogs import KwalletdDialogs
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Kwalletd, Xvfb
from support.private_bus import private_bus
from support.scripted_dialog import ScriptedDialogs

from kwallet_bridge.config import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.private_bus import PrivateBus

WALLET = "kdewallet"
FRIEND = "friend"
ASKING = KWALLETRC.replace("Prompt on Open=false", "Prompt on Open=true")
ASKING += f"[Auto Allow]\n{WALLET}={FRIEND}\n"
ANSWERS = {
    "alt+o": "allow-once",
    "alt+a": "allow-always",
    "alt+d": "deny",
    "alt+f": "deny-always",
    "Escape": "deny",
}


def decide(bus: PrivateBus, answer: Callable[[], object]) -> list[object]:
    """Have one application in unasked and another after an answer; tell all that can be seen."""
    client = bus.client()
    client.listen()
    handle = client.open(WALLET, FRIEND)
    reply, told = ask(client, "open", "sxs", WALLET, 0, "stranger", meanwhile=answer)
    settings = read_settings(bus.env)
    users = client.ask("users", "s", WALLET).value
    assert isinstance(users, list)  # out of a hash whose order is another one in each process
    return [
        "a handle" if reply.value == handle else reply,
        told,
        sorted(users),
        client.ask("isOpen", "s", WALLET),
        dict(settings.auto_allow),
        dict(settings.auto_deny),
        client.ask("hasFolder", "iss", handle, "nowhere", FRIEND),
        client.ask("hasFolder", "iss", handle, "nowhere", "stranger"),
    ]


@pytest.mark.parametrize(("keys", "word"), ANSWERS.items())
def test_an_answer_counts_alike(bus: PrivateBus, keys: str, word: str) -> None:
    """The caller, listeners, users and kwalletrc see the same of each answer a person can give."""
    with private_bus() as old, Xvfb(old) as display:
        dialogs = KwalletdDialogs(old, display)
        with Kwalletd(old, config=ASKING):
            expected = decide(old, lambda: dialogs.answer(keys))
    with ScriptedDialogs(bus.folder) as scripted, GnomeKeyring(bus):
        arguments = ("--access-dialog", str(scripted.program))
        with Bridge(bus, config=ASKING, arguments=arguments):
            assert decide(bus, lambda: scripted.wait().answer(word)) == expected
