# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader must make of each wallet vector, asked of the reader and of the command line."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from kwallet_bridge.cli.main import run
from kwallet_bridge.errors import KwlError
from kwallet_bridge.kwl.describe import describe_folders
from kwallet_bridge.kwl.gpg import decrypt_with_gpg
from kwallet_bridge.kwl.reader import (
    WalletFile,
    read_gpg_wallet,
    read_wallet,
    read_wallet_with_key,
)
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret
from support.vectors import load_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from support.vectors import Vector

VECTORS = load_vectors()
GOOD = [vector for vector in VECTORS if "expect_error" not in vector.expected]
BAD = [vector for vector in VECTORS if "expect_error" in vector.expected]
# Those whose password is known; the key derivation makes each cost a twentieth of a second.
TO_OPEN = [vector for vector in VECTORS if vector.is_gpg or vector.expected["password"] is not None]
EXIT_CODES = {
    "not-a-wallet": 30,
    "unsupported": 31,
    "corrupt": 32,
    "salt": 33,
    "auth": 6,
    "damaged": 34,
    "gpg": 35,
}


def read_vector(vector: Vector) -> WalletFile:
    """Read a vector with what its JSON gives to open it."""
    name = WalletName(vector.expected.get("wallet_name", vector.name))
    if vector.is_gpg:
        return read_gpg_wallet(vector.data, name=name, decrypt=decrypt_with_gpg)
    if "key_hex" in vector.expected:
        key = Secret(bytes.fromhex(vector.expected["key_hex"]))
        return read_wallet_with_key(vector.data, name=name, cipher_key=key)
    return read_wallet(
        vector.data,
        name=name,
        password=Secret.from_text(vector.expected["password"]),
        salt=vector.salt,
        attributes=vector.attributes,
    )


def check_sound(vector: Vector) -> None:
    """Folders, warnings, header, profile and GPG key must be what the vector's JSON says."""
    expected = vector.expected
    read = read_vector(vector)
    assert describe_folders(read.wallet.folders, reveal=True) == vector.folders
    assert list(read.wallet.warnings) == expected["expect_warnings"]
    header = {"cipher": read.header.cipher, "hash": read.header.hash}
    header["major"], header["minor"] = read.header.version
    assert header == expected["header"]
    assert (read.profile.value if read.profile else None) == expected.get("profile")
    assert read.gpg_key == expected.get("gpg_key_id", "")


def check_refused(vector: Vector) -> None:
    """The error's class must be the vector's, and nothing returned."""
    with pytest.raises(KwlError) as caught:
        read_vector(vector)
    assert caught.value.kind == vector.expected["expect_error"]


def lay_out(vector: Vector, folder: Path) -> tuple[str, str]:
    """Lay a vector out as KDE does; gives the paths of the wallet and of a password file."""
    stem = vector.expected.get("file_stem", vector.name)
    wallet = folder / f"{stem}.kwl"
    shutil.copyfile(vector.path, wallet)
    if vector.salt is not None:
        (folder / f"{stem}.salt").write_bytes(vector.salt)
    if vector.attributes is not None:
        (folder / f"{stem}_attributes.json").write_bytes(vector.attributes)
    password = folder / "password"
    password.write_text(vector.expected["password"] or "")
    return str(wallet), str(password)


def inspect(*args: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """Run ``inspect --json``; gives the exit code and the object."""
    code = run(["inspect", "--json", *args])
    return code, json.loads(capsys.readouterr().out)


def check_inspected(vector: Vector, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the command shows must be the vector's: contents, name, warnings, error, exit code."""
    wallet, password = lay_out(vector, folder)
    before = sorted(folder.iterdir())
    code, shown = inspect(wallet, "--reveal", "--password-file", password, capsys=capsys)
    assert sorted(folder.iterdir()) == before
    expected = vector.expected
    if "expect_error" in expected:
        assert (shown["error"], code) == (expected["expect_error"], EXIT_CODES[shown["error"]])
        assert "folders" not in shown
    else:
        assert shown["folders"] == vector.folders
        assert shown["warnings"] == expected["expect_warnings"]
        assert shown["wallet_name"] == expected["wallet_name"]
        assert code == (3 if shown["warnings"] else 0)
