# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.item_contract import ItemContract, Restart
from support.keyrings import PASSWORD, QUICK
from support.store_contract import StoreContract, World

from kwallet_bridge.cli.passwords import PasswordSource
from kwallet_bridge.cli.stores import StoreOpener
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.format import (
    Keyring,
    encode_keyring,
    hashed_names,
    parse_keyring,
)
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.model import WalletName
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.port import CollectionId
from kwallet_bridge.store.wallets import StoreSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from kwallet_bridge.store.port import ItemId

MAIN = CollectionId("default.keyring")
TARGETS = {"libsecret": False, "oo7": True}


class FileWorld(World):
    """A wallet in a keyring file, which another program uses too."""

    def __init__(self, path: Path, *, files_content_type: bool) -> None:
        """Make the file; :meth:`open` follows."""
        path.write_bytes(encode_keyring(Keyring(QUICK)))
        self.path = path
        self.collection = MAIN
        self._files_content_type = files_content_type

    def _backend(self) -> KeyringFileBackend:
        return KeyringFileBackend(
            self.path, KnownPassword(PASSWORD), files_content_type=self._files_content_type
        )

    async def add(
        self, attributes: Mapping[str, str], value: bytes = b"", content_type: str = "text/plain"
    ) -> ItemId:
        """Add an item as another program, and have the store notice.

        On a bus the signal comes before the next reply; the kernel gives no such order.
        """
        item = await super().add(attributes, value, content_type)
        await self.inside.search(MAIN, {})
        return item

    async def open(self) -> None:
        """Start the store and the other program."""
        self.inside = self._backend()
        self.store = EntryStore(self.inside, StoreSettings())
        await self.store.unlock(self.wallet)
        self.outside = self._backend()
        await self.outside.unlock(MAIN)

    async def close(self) -> None:
        """End both."""
        await self.store.close()
        await self.inside.close()
        await self.outside.close()

    async def restart(self) -> None:
        """End both and start them again."""
        await self.close()
        await self.open()


@pytest.mark.parametrize("files_content_type", TARGETS.values(), ids=TARGETS)
class TestKeyringFileStore(StoreContract):
    """The contract of stores over a keyring file, for either target."""

    @pytest.fixture
    async def world(self, tmp_path: Path, *, files_content_type: bool) -> AsyncIterator[FileWorld]:
        """Give a fresh wallet."""
        world = FileWorld(tmp_path / MAIN, files_content_type=files_content_type)
        await world.open()
        yield world
        await world.close()


class TestKeyringFileItems(ItemContract):
    """The contract of items over a keyring file."""

    @pytest.fixture
    async def backend(self, tmp_path: Path) -> AsyncIterator[KeyringFileBackend]:
        """Open a file that says which content type a secret has."""
        path = tmp_path / MAIN
        path.write_bytes(encode_keyring(Keyring(QUICK)))
        backend = KeyringFileBackend(
            path, KnownPassword(PASSWORD), label="Login", files_content_type=True
        )
        await backend.unlock(MAIN)
        yield backend
        await backend.close()

    @pytest.fixture
    def collection(self) -> CollectionId:
        """Name the default collection."""
        return MAIN

    @pytest.fixture
    def restart(self, backend: KeyringFileBackend) -> Restart:
        """Forget the file and read it again."""

        async def again() -> CollectionId:
            await backend.lock(MAIN)
            await backend.unlock(MAIN)
            return MAIN

        return again


@pytest.mark.parametrize(("spec", "tells_content_type"), [("file", False), ("oo7-file", True)])
async def test_the_word_of_the_command_line_chooses_the_form(
    tmp_path: Path, spec: str, *, tells_content_type: bool
) -> None:
    """``oo7-file:`` writes the attribute that oo7-daemon tells items apart by; ``file:`` does not."""
    password = tmp_path / "password"
    password.write_bytes(PASSWORD.reveal())
    password.chmod(0o600)
    path = tmp_path / "a.keyring"
    opened = await StoreOpener(f"{spec}:{path}", PasswordSource(str(password))).open()
    await opened.store.create_wallet(WalletName("kdewallet"))
    await opened.store.close()
    raws = parse_keyring(path.read_bytes()).items.values()
    names = frozenset().union(*(hashed_names(raw) for raw in raws))
    assert "server" in names
    assert ("xdg:content-type" in names) is tells_content_type
