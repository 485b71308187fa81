# SPDX-License-Identifier: GPL-3.0-or-later
"""One file, our store and libsecret's real ``secret-tool`` in turn; no bus is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.keyrings import PASSWORD, entry_attributes
from support.secret_tool import SecretTool

from kwallet_bridge.errors import StoreIncompleteError, StorePasswordError
from kwallet_bridge.keyringfile import gvariant
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.format import parse_keyring
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import CollectionId, ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MAIN = CollectionId("t.keyring")


@pytest.fixture
def tool(tmp_path: Path) -> SecretTool:
    """Use a file that does not exist yet."""
    return SecretTool(tmp_path / MAIN)


@pytest.fixture
async def backend(tool: SecretTool) -> AsyncIterator[KeyringFileBackend]:
    """Open our store on the same file, which it makes if need be."""
    backend = KeyringFileBackend(tool.path, KnownPassword(PASSWORD))
    yield backend
    await backend.close()


def new_item(folder: str, key: str, value: bytes) -> NewItem:
    """A password to be stored."""
    return NewItem(f"{folder}/{key}", entry_attributes(folder, key), ItemSecret(Secret(value)))


async def test_theirs_is_read_by_us(tool: SecretTool, backend: KeyringFileBackend) -> None:
    """What secret-tool stores we find, with its label, attributes, times and sorted names."""
    tool.store("F", "K", b"s3cret")
    tool.store("Ördner", "schlüssel mit\nZeile", "Grüße".encode())
    await backend.unlock(MAIN)
    found = await backend.search(MAIN, {"user": "K"})
    info = (await backend.read_items(found))[found[0]]
    assert info.label == "F/K"
    assert info.attributes == entry_attributes("F", "K")
    assert info.created == info.modified > 1_500_000_000
    assert (await backend.read_secrets(found))[found[0]].value == Secret(b"s3cret")
    assert len(await backend.search(MAIN, {"server": "Ördner"})) == 1
    for raw in parse_keyring(tool.path.read_bytes()).items.values():
        names = list(gvariant.parse_bytes_dict(gvariant.split_pair(raw)[0]))
        assert names == sorted(names)


@pytest.mark.parametrize("value", [b"x", b"two words", "Grüße 😀".encode(), b"y" * 70_000])
async def test_ours_is_read_by_them(
    tool: SecretTool, backend: KeyringFileBackend, value: bytes
) -> None:
    """What we store secret-tool looks up byte for byte, and lists with its label."""
    made = await backend.create_collection("kdewallet")
    await backend.create_item(made, new_item("F", "K", value), replace=True)
    await backend.create_item(made, new_item("G", "K", b"other"), replace=True)
    assert tool.lookup("F", "K") == (0, value)
    code, text = tool.run("search", "--all", "server", "F")
    assert code == 0
    assert b"label = F/K" in text
    assert b"attribute.user = K" in text
    assert b"G/K" not in text


async def test_they_replace_ours_and_we_theirs(
    tool: SecretTool, backend: KeyringFileBackend
) -> None:
    """Storing the same attributes in turn leaves one item and the time it was made."""
    made = await backend.create_collection("kdewallet")
    await backend.create_item(made, new_item("F", "K", b"ours"), replace=True)
    born = tool.items()[0].created
    tool.store("F", "K", b"theirs")
    (item,) = tool.items()
    assert (item.secret, item.created) == (Secret(b"theirs"), born)
    await backend.create_item(made, new_item("F", "K", b"ours again"), replace=True)
    (item,) = tool.items()
    assert (item.secret, item.created) == (Secret(b"ours again"), born)
    assert tool.lookup("F", "K") == (0, b"ours again")


async def test_the_others_stay_bit_for_bit(tool: SecretTool, backend: KeyringFileBackend) -> None:
    """Neither a clear of theirs nor a write of ours touches another item's bytes."""
    tool.store("theirs", "K", b"1")
    await backend.unlock(MAIN)
    await backend.create_item(MAIN, new_item("ours", "K", b"2"), replace=True)
    await backend.create_item(MAIN, new_item("doomed", "K", b"3"), replace=True)
    before = list(parse_keyring(tool.path.read_bytes()).items.values())
    assert tool.run("clear", "server", "doomed")[0] == 0
    after = list(parse_keyring(tool.path.read_bytes()).items.values())
    assert after == before[:2]
    await backend.create_item(MAIN, new_item("more", "K", b"4"), replace=True)
    assert list(parse_keyring(tool.path.read_bytes()).items.values())[:2] == before[:2]


async def test_wrong_password(tool: SecretTool, backend: KeyringFileBackend) -> None:
    """Under a wrong password they find nothing, and we say so and leave the file alone."""
    made = await backend.create_collection("kdewallet")
    await backend.create_item(made, new_item("F", "K", b"v"), replace=True)
    before = tool.path.read_bytes()
    assert tool.lookup("F", "K", password="wrong") == (1, b"")
    stranger = KeyringFileBackend(tool.path, KnownPassword(Secret(b"wrong")))
    with pytest.raises(StorePasswordError):
        await stranger.unlock(MAIN)
    assert tool.path.read_bytes() == before


async def test_items_of_two_passwords(tool: SecretTool, backend: KeyringFileBackend) -> None:
    """What libsecret wrote under a wrong password is counted and kept, and never called absent."""
    tool.store("F", "K", b"v")
    words = [word for pair in entry_attributes("F", "L").items() for word in pair]
    assert tool.run("store", "--label=x", *words, given=b"w", password="wrong")[0] == 0
    await backend.unlock(MAIN)
    assert backend.unreadable(MAIN) == 1
    with pytest.raises(StoreIncompleteError) as told:
        await backend.search(MAIN, {})
    assert len(told.value.found) == 1
    assert len(await backend.search(MAIN, {"account": "nobody"})) == 0
    before = list(parse_keyring(tool.path.read_bytes()).items.values())
    await backend.create_item(MAIN, new_item("F", "M", b"x"), replace=True)
    assert list(parse_keyring(tool.path.read_bytes()).items.values())[:2] == before
    assert tool.lookup("F", "L", password="wrong") == (0, b"w")
