# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that answers in the provider's place cannot make a password absent, or another."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from dbus_fast import Message, Variant
from support.forger import Forger

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.peers import Bridge, GnomeKeyring
    from support.private_bus import PrivateBus

APP = "forged"
CALLS_OF_A_READ = 5
"""That many at most are made of the provider before a password is called absent."""
GONE = "org.freedesktop.DBus.Error.UnknownObject"


def _say_gone(call: Message) -> Message:
    """Say of every item that it is not there, and of its collection that it is unlocked."""
    if call.member == "Get" and call.body[0] == "org.freedesktop.Secret.Collection":
        return Message.new_method_return(call, "v", [Variant("b", value=False)])
    return Message.new_error(call, GONE, "")


def _say_refused(call: Message) -> Message:
    return Message.new_error(call, "org.freedesktop.DBus.Error.Failed", "")


@pytest.mark.parametrize("answer", [_say_gone, _say_refused])
def test_a_password_comes_from_the_provider_alone(
    bus: PrivateBus,
    gnome_keyring: GnomeKeyring,
    bridge: Bridge,
    answer: Callable[[Message], Message],
) -> None:
    """A forger that hears every call and answers it first changes nothing."""
    client, other = bus.client(), bus.client()
    handle = client.open("kdewallet", APP)
    assert client.ask("writePassword", "issss", handle, "F", "k", "true", APP).value == 0
    victim = client.name_owner(bridge.name)
    assert gnome_keyring.process is not None
    with Forger.connect(bus.address) as forger:
        forger.eavesdrop(victim, answer)
        gnome_keyring.process.send_signal(signal.SIGSTOP)
        try:
            serial = client.send(
                client.service,
                client.object_path,
                "org.kde.KWallet",
                "readPassword",
                "isss",
                [handle, "F", "k", APP],
            )
            forger.wait_until_answered(1)
            for _ in range(CALLS_OF_A_READ):
                other.flush()  # the bridge has seen the forged answer, and asked on if it fell for it
                forger.flush()
        finally:
            gnome_keyring.process.send_signal(signal.SIGCONT)
        reply = client.wait_reply(serial)
    assert (reply.error, reply.value) == ("", "true")
    assert "answered a call that it was not sent" in bus.printed(bridge.argv()[0])
