# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocking face over a real gnome-keyring and over a file."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.keyring import AbsentError, Change, ChangeKind, LockedError
from kwallet_bridge.keyring.blocking import Keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.peers import GnomeKeyring
    from support.private_bus import PrivateBus

SITE = {"service": "example.org", "user": "ann"}


@pytest.fixture
def over_service(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[Keyring]:
    """A keyring over the real program."""
    with Keyring.open(address=bus.address) as opened:
        yield opened


@pytest.fixture
def over_file(tmp_path: Path) -> Iterator[Keyring]:
    """A keyring file."""
    with Keyring.open_file(tmp_path / "t.keyring", "testpw") as opened:
        yield opened


@pytest.fixture(params=["over_service", "over_file"])
def keyring(request: pytest.FixtureRequest) -> Keyring:
    """Either of them."""
    found: Keyring = request.getfixturevalue(request.param)
    return found


def test_what_is_stored_is_found_changed_and_deleted(keyring: Keyring) -> None:
    """An item goes through its whole life by blocking calls."""
    made = keyring.create_item("a", SITE, "one")
    (found,) = keyring.search_items({"user": "ann"})
    assert found == made
    found.set_secret("two")
    found.set_label("b")
    assert (found.secret_text(), found.label()) == ("two", "b")
    assert list(keyring.read_secrets([found])) == [b"two"]
    assert [one.label for one in keyring.read_details([found])] == ["b"]
    keyring.lock()
    with pytest.raises(LockedError):
        found.secret()


def test_deleted_is_absent(keyring: Keyring) -> None:
    """What was deleted is neither found nor read."""
    made = keyring.create_item("a", SITE, "one")
    made.delete()
    assert list(keyring.items()) == []
    with pytest.raises(AbsentError):
        made.secret()


def test_a_watch_tells_of_another_threads_doing(keyring: Keyring) -> None:
    """A change made by one thread is told to the one that waits for it."""
    keyring.items()
    told: list[Change] = []
    changes = keyring.watch()
    waiting = threading.Thread(target=lambda: told.append(next(changes)))
    waiting.start()
    keyring.create_item("a", SITE, "one")
    waiting.join(20)
    assert not waiting.is_alive()
    assert told[0].kind in {ChangeKind.ITEMS, ChangeKind.COLLECTIONS}


def test_closed_is_closed(tmp_path: Path) -> None:
    """After closing, a call fails at once, and no thread is left."""
    with Keyring.open_file(tmp_path / "t.keyring", "testpw") as keyring:
        item = keyring.create_item("a", SITE, "one")
    with pytest.raises(RuntimeError):
        item.secret()
    assert not [one for one in threading.enumerate() if one.name == "keyring"]
