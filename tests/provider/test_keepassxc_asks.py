# SPDX-License-Identifier: GPL-3.0-or-later
"""KeePassXC with its confirmations on: a person decides, and nobody else waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.keepassxc import KeePassXC
from support.keepassxc_dialogs import (
    ACCESS,
    ALLOW,
    DELETE,
    DELETION,
    REFUSE,
    REFUSE_ALL,
    Dialogs,
)
from support.peers import Bridge, Xvfb

from kwallet_bridge.model import EntryType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.client import KWalletClient, Reply
    from support.private_bus import PrivateBus

KWALLET = "org.kde.KWallet"
FOLDER = "Passwords"
STORED = {"mail": "m4il", "chat": "ch4t"}


class Application:
    """A program with the wallet open."""

    def __init__(self, client: KWalletClient) -> None:
        self.client = client
        self.handle = client.open()

    def send(self, member: str, signature: str, *names: str) -> int:
        """Call without waiting."""
        client = self.client
        body = [self.handle, FOLDER, *names, "test"]
        return client.send(client.service, client.object_path, KWALLET, member, signature, body)

    def ask(self, member: str, signature: str, *names: str) -> Reply:
        """Call and wait."""
        return self.client.wait_reply(self.send(member, signature, *names))

    def read(self, key: str) -> Reply:
        """Read a password."""
        return self.ask("readPassword", "isss", key)


@pytest.fixture
def dialogs(bus: PrivateBus) -> Iterator[Dialogs]:
    """A KeePassXC that asks, with entries that an earlier bridge stored."""
    with (
        Xvfb(bus) as display,
        KeePassXC(bus, display, autosave=False, confirmations=True),
    ):
        with Bridge(bus):
            writer = Application(bus.client())
            for key, value in STORED.items():
                assert writer.ask("writePassword", "issss", key, value).value == 0
        with Bridge(bus):
            yield Dialogs(bus, display)


def test_allowing_is_asked_once_and_nobody_else_waits(bus: PrivateBus, dialogs: Dialogs) -> None:
    """A read waits for the person; others are served; what was allowed is not asked again."""
    reader, other = Application(bus.client()), Application(bus.client())
    assert other.ask("writePassword", "issss", "mine", "w").value == 0
    waiting = reader.send("readPassword", "isss", "mail")
    window = dialogs.wait(ACCESS)
    assert other.client.ask("isEnabled").value is True
    assert other.read("mine").value == "w"
    assert other.ask("entryType", "isss", "mail").value == EntryType.PASSWORD
    assert dialogs.shown(ACCESS) == [window]
    dialogs.press(window, *ALLOW)
    assert reader.client.wait_reply(waiting).value == STORED["mail"]
    for program in (reader, other):
        assert program.read("mail").value == STORED["mail"]
    assert dialogs.shown(ACCESS) == []


def test_many_entries_are_one_question(bus: PrivateBus, dialogs: Dialogs) -> None:
    """A folder's passwords are asked for together."""
    reader = Application(bus.client())
    waiting = reader.send("passwordList", "iss")
    dialogs.answer(ACCESS, *ALLOW)
    shown = reader.client.wait_reply(waiting).value
    assert shown == {key: ("s", value) for key, value in STORED.items()}
    assert dialogs.shown(ACCESS) == []


def test_a_refusal_is_an_error_and_not_for_ever(bus: PrivateBus, dialogs: Dialogs) -> None:
    """Refused, an entry is there but cannot be read; the next read asks again."""
    reader = Application(bus.client())
    waiting = reader.send("readPassword", "isss", "mail")
    dialogs.answer(ACCESS, *REFUSE)
    assert reader.client.wait_reply(waiting).error
    assert reader.ask("hasEntry", "isss", "mail").value is True
    waiting = reader.send("readPassword", "isss", "mail")
    dialogs.answer(ACCESS, *ALLOW)
    assert reader.client.wait_reply(waiting).value == STORED["mail"]


def test_refused_for_ever_nothing_is_absent_or_overwritten(
    bus: PrivateBus, dialogs: Dialogs
) -> None:
    """Denied once and for all, reads are errors and writes -1 without a question."""
    reader = Application(bus.client())
    waiting = reader.send("readPassword", "isss", "mail")
    dialogs.answer(ACCESS, *REFUSE_ALL)
    assert reader.client.wait_reply(waiting).error
    for key in STORED:
        assert reader.read(key).error
        assert reader.ask("hasEntry", "isss", key).value is True
        assert reader.ask("writePassword", "issss", key, "new").value == -1
    assert reader.ask("entryList", "iss").value == sorted(STORED)
    assert dialogs.shown(ACCESS) == []


def test_overwriting_and_deleting_wait_for_the_person(bus: PrivateBus, dialogs: Dialogs) -> None:
    """An old entry is replaced or deleted once that is allowed; refused, it stays."""
    writer = Application(bus.client())
    waiting = writer.send("writePassword", "issss", "mail", "new")
    dialogs.answer(ACCESS, *ALLOW)
    assert writer.client.wait_reply(waiting).value == 0
    for answer, result in ((REFUSE, -1), (DELETE, 0)):
        assert writer.read("mail").value == "new"
        waiting = writer.send("removeEntry", "isss", "mail")
        dialogs.answer(DELETION, *answer)
        assert writer.client.wait_reply(waiting).value == result
    assert writer.ask("hasEntry", "isss", "mail").value is False
