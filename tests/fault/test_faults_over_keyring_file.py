# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon on its keyring file, while the file suffers: an error or -1, never "absent"."""

from __future__ import annotations

import resource
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.keyrings import PASSWORD
from support.peers import Bridge

from kwallet_bridge.keyringfile.format import hashed_names, parse_keyring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.client import KWalletClient, Reply
    from support.private_bus import PrivateBus

WALLET, APP = "kdewallet", "test"


@dataclass
class Scene:
    """A daemon, its file, and a client with one entry stored."""

    bridge: Bridge
    path: Path
    client: KWalletClient
    handle: int = 0

    def open(self) -> None:
        """Open the wallet, again if it was closed."""
        self.handle = self.client.open(WALLET, APP)

    def read(self, key: str = "k") -> Reply:
        """Read an entry."""
        return self.client.ask("readPassword", "isss", self.handle, "F", key, APP)

    def write(self, value: str, key: str = "k") -> object:
        """Write an entry."""
        body = (self.handle, "F", key, value, APP)
        return self.client.ask("writePassword", "issss", *body).value

    def absent(self) -> bool:
        """Tell whether the daemon calls what is stored absent, in any of its ways."""
        says = [
            self.client.ask("folderDoesNotExist", "ss", WALLET, "F"),
            self.client.ask("keyDoesNotExist", "sss", WALLET, "F", "k"),
        ]
        asked = [
            self.client.ask("hasEntry", "isss", self.handle, "F", "k", APP),
            self.client.ask("hasFolder", "iss", self.handle, "F", APP),
        ]
        return any(a.body == (True,) for a in says) or any(a.body == (False,) for a in asked)


@pytest.fixture
def scene(bus: PrivateBus, tmp_path: Path) -> Iterator[Scene]:
    """Keep everything in a folder of its own."""
    password = tmp_path / "password"
    password.write_bytes(PASSWORD.reveal())
    password.chmod(0o600)
    path = tmp_path / "wallets" / "w.keyring"
    arguments = ("--store-password-file", str(password))
    with Bridge(bus, store=f"file:{path}", arguments=arguments) as bridge:
        made = Scene(bridge, path, bus.client())
        made.open()
        assert made.write("v") == 0
        yield made


@contextmanager
def replaced(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Have other bytes in the file's place, as a sync program that broke off leaves them."""
    data = path.read_bytes()
    _put(path, change(data))
    yield
    _put(path, data)


def _put(path: Path, data: bytes) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(data)
    fresh.chmod(0o600)
    fresh.replace(path)


def truncated(path: Path) -> AbstractContextManager[None]:
    """Cut the file in two."""
    return replaced(path, lambda data: data[: len(data) // 2])


def emptied(path: Path) -> AbstractContextManager[None]:
    """Leave nothing in the file."""
    return replaced(path, lambda _: b"")


def overwritten(path: Path) -> AbstractContextManager[None]:
    """Have bytes there that are no keyring."""
    return replaced(path, lambda data: b"x" * len(data))


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Have what nobody can read there, not even root: a folder, put there in one step."""
    data = path.read_bytes()
    link = path.with_name("link")
    link.symlink_to(path.parent)
    link.replace(path)
    yield
    _put(path, data)


@contextmanager
def folder_away(path: Path) -> Iterator[None]:
    """Take the folder away, as an unmounted disk."""
    aside = path.parent.with_name("elsewhere")
    path.parent.rename(aside)
    yield
    shutil.rmtree(path.parent, ignore_errors=True)
    aside.rename(path.parent)


@pytest.mark.parametrize("suffer", [truncated, emptied, overwritten, unreadable, folder_away])
def test_a_file_that_cannot_be_read_is_no_empty_wallet(
    scene: Scene, suffer: Callable[[Path], AbstractContextManager[None]]
) -> None:
    """Nothing is called absent, nothing is acknowledged, and afterwards all is there."""
    with suffer(scene.path):
        assert scene.read().error
        assert scene.write("lost") == -1
        assert not scene.absent()
        assert scene.client.ask("isEnabled").value is True
    scene.open()
    assert scene.read().value == "v"
    assert scene.write("w") == 0
    assert scene.read().value == "w"


def test_an_older_file_is_an_error_until_a_person_decides(scene: Scene) -> None:
    """An older copy put back lacks what came since: nothing is called absent, nothing overwritten.

    Who removes the note beside the file has decided that the older one is right.
    """
    copy = scene.path.read_bytes()
    assert scene.write("newer") == 0
    assert scene.write("more", "other") == 0
    newest = scene.path.read_bytes()
    _put(scene.path, copy)
    other = ("hasEntry", "isss", scene.handle, "F", "other", APP)
    assert scene.read().error
    assert scene.client.ask(*other).value is not False
    assert scene.write("lost", "third") == -1
    assert scene.path.read_bytes() == copy
    _put(scene.path, newest)
    assert scene.read("other").value == "more"
    _put(scene.path, copy)
    scene.path.with_name(f".{scene.path.name}.lock").unlink()
    assert scene.read().value == "v"
    assert scene.client.ask(*other).value is False
    assert scene.write("again", "other") == 0
    assert scene.read("other").value == "again"


@pytest.mark.parametrize("left", ["all", "copy", "nothing"])
def test_a_file_lost_between_two_lives(scene: Scene, left: str) -> None:
    """A daemon that finds its file gone makes none: its note, its copy or the state file tells."""
    assert scene.write("w") == 0
    scene.bridge.stop()
    data = scene.path.read_bytes()  # with the wallet's mark, which is written at the end
    copy = scene.path.with_name(scene.path.name + "~")
    kept = copy.read_bytes()
    scene.path.unlink()
    if left != "all":
        scene.path.with_name(f".{scene.path.name}.lock").unlink()
    if left == "nothing":
        copy.unlink()
    scene.bridge.start()
    assert scene.client.ask("open", "sxs", WALLET, 0, APP).value == -1
    assert scene.client.ask("folderDoesNotExist", "ss", WALLET, "F").body != (True,)
    assert scene.client.ask("keyDoesNotExist", "sss", WALLET, "F", "k").body != (True,)
    assert not scene.path.exists()
    assert left == "nothing" or copy.read_bytes() == kept
    _put(scene.path, data)
    scene.open()
    assert scene.read().value == "w"


def test_a_flipped_bit_is_an_error_after_a_restart(scene: Scene) -> None:
    """An entry whose item is damaged is neither read nor called absent, nor written over."""
    assert scene.write("w", "other") == 0
    scene.bridge.stop()
    data = bytearray(scene.path.read_bytes())
    items = parse_keyring(bytes(data)).items.values()
    entry = next(raw for raw in items if "user" in hashed_names(raw))
    data[data.index(entry) + len(entry) - 60] ^= 1  # inside of what is encrypted
    scene.path.write_bytes(data)
    scene.bridge.start()
    scene.open()
    assert scene.handle > 0
    answers = [
        scene.client.ask("hasEntry", "isss", scene.handle, "F", key, APP) for key in ("k", "other")
    ]
    assert all(answer.body != (False,) for answer in answers)
    assert any(answer.error for answer in answers)
    assert scene.client.ask("entryList", "iss", scene.handle, "F", APP).error
    before = parse_keyring(scene.path.read_bytes()).items
    assert -1 in {scene.write("new"), scene.write("new", "other")}
    after = set(parse_keyring(scene.path.read_bytes()).items.values())
    assert len(after & set(before.values())) >= len(before) - 1


def test_where_nothing_can_be_written_everything_can_be_read(scene: Scene) -> None:
    """A full disk refuses writes, loses nothing, and is forgotten once there is room."""
    assert scene.bridge.process is not None
    pid = scene.bridge.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (16, before[1]))
    assert scene.write("lost") == -1
    assert scene.read().value == "v"
    assert not scene.absent()
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert scene.write("w") == 0
    assert scene.read().value == "w"
