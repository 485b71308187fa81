# SPDX-License-Identifier: GPL-3.0-or-later
"""What another program has stored is what the next call reads, of another type or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.keyring_admin import KeyringAdmin

if TYPE_CHECKING:
    from support.peers import Bridge
    from support.private_bus import PrivateBus

APP, FOLDER = "twins", "folder"
ROUNDS = 20


@pytest.mark.parametrize("member", ["readPassword", "entryType", "readMapList", "passwordList"])
def test_another_type_is_seen_at_once(bus: PrivateBus, bridge: Bridge, member: str) -> None:
    """Another program's item of another type stands for the entry in the very next call."""
    client, admin = bus.client(), KeyringAdmin(bus.client())
    handle = client.open("kdewallet", APP)
    for number in range(ROUNDS):
        key = f"key {number}"
        place = (handle, FOLDER, key, APP)
        written = client.ask("writePassword", "issss", *place[:3], "old", APP)
        assert written.value == 0
        # All there is to know is known: from here on it is answered out of memory.
        assert client.ask("entryList", "iss", handle, FOLDER, APP).value
        assert client.ask("readPassword", "isss", *place).value == "old"
        attributes = {"server": FOLDER, "user": key, "type": "map", "xdg:schema": "org.qt.keychain"}
        admin.add_item(admin.default(), attributes, b'{"a":"new"}')
        if member == "passwordList":
            listed = client.ask(member, "iss", handle, FOLDER, APP).value
            assert listed == {}, f"round {number}"
        elif member == "readMapList":
            found = client.ask(member, "isss", *place).value
            assert isinstance(found, dict)
            assert set(found) == {key}, f"round {number}"
        else:
            expected: object = {"readPassword": "", "entryType": 3}[member]
            assert client.ask(member, "isss", *place).value == expected, f"round {number}"
