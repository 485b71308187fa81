# SPDX-License-Identifier: GPL-3.0-or-later
"""The slot that opens a keyring file at login."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.keyringfile.loginslot import LoginSlot, derive_login_key
from kwallet_bridge.kwl.kdf import derive_pbkdf2_key
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

SALT = bytes(range(56))
OLD, NEW, FILE = (Secret.from_text(text) for text in ("old login", "new login", "the file's own"))


@pytest.fixture
def slot(tmp_path: Path) -> LoginSlot:
    """A slot beside a keyring file, sealed at a login with the old password."""
    salt = tmp_path / "kdewallet.salt"
    salt.write_bytes(SALT)
    made = LoginSlot(tmp_path / "default.keyring", salt)
    assert made.write(derive_login_key(OLD, SALT), FILE)
    return made


def test_it_opens_by_the_key_of_the_same_login(slot: LoginSlot) -> None:
    """The password comes back, for the key that sealed it and no other."""
    assert slot.read(derive_login_key(OLD, SALT)) == FILE
    assert slot.read(derive_login_key(NEW, SALT)) is None


def test_its_key_is_the_one_kde_derives() -> None:
    """PAM's key is that of a wallet under the login password."""
    assert derive_login_key(OLD, SALT) == derive_pbkdf2_key(OLD, SALT)


def test_the_former_login_password_opens_it_until_the_salt_changes(slot: LoginSlot) -> None:
    """Who changed the login password may type the former one; a new salt ends that."""
    assert slot.read_by_former_password(OLD) == FILE
    assert slot.read_by_former_password(NEW) is None
    assert not slot.salt_changed()
    slot.wallet_salt.write_bytes(SALT[::-1])
    assert slot.salt_changed()
    assert slot.read_by_former_password(OLD) is None


def test_nothing_of_it_is_readable(slot: LoginSlot) -> None:
    """The slot is its owner's, and holds neither password nor key."""
    assert stat.S_IMODE(slot.path.stat().st_mode) == 0o600
    data = slot.path.read_bytes()
    assert FILE.reveal() not in data
    assert derive_login_key(OLD, SALT).reveal().hex().encode() not in data


@pytest.mark.parametrize("part", ["version", "salt", "sealed", "wallet_salt"])
def test_a_damaged_slot_is_no_slot(slot: LoginSlot, part: str) -> None:
    """A slot with a part missing, of another version, or altered asks the person instead."""
    whole = json.loads(slot.path.read_text())
    for altered in (
        {name: value for name, value in whole.items() if name != part},
        whole | {part: 99 if part == "version" else "00"},
    ):
        slot.path.write_text(json.dumps(altered))
        if part == "wallet_salt" and part in altered:
            assert slot.salt_changed()
        else:
            assert slot.read(derive_login_key(OLD, SALT)) is None


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"\xff" * 64, b"null", b"{}" + b" " * (1 << 17)]
)
def test_rubbish_is_no_slot(slot: LoginSlot, data: bytes) -> None:
    """Whatever lies there, nothing is raised."""
    slot.path.write_bytes(data)
    assert slot.read(derive_login_key(OLD, SALT)) is None


def test_a_pipe_or_a_link_in_its_place_is_no_slot(slot: LoginSlot, tmp_path: Path) -> None:
    """What others may have put there is not waited for and not followed."""
    kept = tmp_path / "elsewhere"
    slot.path.rename(kept)
    slot.path.symlink_to(kept)
    assert slot.read(derive_login_key(OLD, SALT)) is None
    slot.path.unlink()
    os.mkfifo(slot.path)
    assert slot.read(derive_login_key(OLD, SALT)) is None


def test_without_a_salt_none_is_written(tmp_path: Path) -> None:
    """Where PAM has derived nothing there is nothing to seal under."""
    slot = LoginSlot(tmp_path / "a.keyring", tmp_path / "kdewallet.salt")
    assert not slot.write(derive_login_key(OLD, SALT), FILE)
    assert not slot.path.exists()


@pytest.mark.parametrize("damage", [b"[" * 100_000, b'{"version": 1}', b"[]", b"null", b"\xff"])
def test_a_slot_of_no_use_is_none(slot: LoginSlot, damage: bytes) -> None:
    """Whatever lies there, the file's password can still be typed, and writes it anew."""
    slot.path.write_bytes(damage)
    key = derive_login_key(OLD, SALT)
    assert slot.read(key) is None
    assert slot.read_by_former_password(OLD) is None
    assert slot.write(key, FILE)
