# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.vectors import Vector, load_vectors

from kwallet_bridge.errors import GpgError, LimitError
from kwallet_bridge.kwl import files
from kwallet_bridge.kwl.files import read_source
from kwallet_bridge.kwl.folders import list_wallet_folders
from kwallet_bridge.kwl.gpg import decrypt_with_gpg
from kwallet_bridge.kwl.names import decode_stem, encode_name

if TYPE_CHECKING:
    from pathlib import Path

# openPath wallets and copies by other people have a name that is not their stem.
NAMED = [vector for vector in load_vectors() if vector.name.startswith("name-")]


@pytest.mark.parametrize("vector", NAMED, ids=lambda vector: vector.name)
def test_names_of_real_wallets(vector: Vector) -> None:
    """A real daemon's file name gives the wallet's name, and the name the file's."""
    stem, name = vector.expected["file_stem"], vector.expected["wallet_name"]
    assert decode_stem(stem) == name
    assert encode_name(name) == stem


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Größe", "Größe"),
        ("a;3Bb", "a;b"),
        ("a;b", "a;b"),
        ("a;3", "a;3"),
        (";ff", ";ff"),
        (";c3;b6", "ö"),
        ("\udcff", "\udcff"),
    ],
)
def test_names_of_older_wallets(stem: str, name: str) -> None:
    """Stems that were never encoded, or by halves, are names as they are."""
    assert decode_stem(stem) == name


def test_a_path_is_encoded_whole() -> None:
    """The salt of a wallet opened by path is named after all of it."""
    assert encode_name("/home/u/w.kwl") == ";2Fhome;2Fu;2Fw.kwl"


def test_a_name_no_path_can_have() -> None:
    """A surrogate that stands for no byte does not stop the decoding."""
    assert decode_stem("\ud83d") == "\ud83d"


@given(st.text(max_size=20))
def test_any_name_survives(name: str) -> None:
    """What is encoded decodes to itself."""
    assert decode_stem(encode_name(name)) == name


def test_the_files_beside_a_wallet(tmp_path: Path) -> None:
    """Salt and attributes are those of the same stem; nothing else is looked at."""
    (tmp_path / "a;3Bb.kwl").write_bytes(b"data")
    (tmp_path / "a;3Bb.salt").write_bytes(b"salt")
    (tmp_path / "a;b.salt").write_bytes(b"wrong")
    (tmp_path / "a;3Bb_attributes.json").write_bytes(b"{}")
    source = read_source(tmp_path / "a;3Bb.kwl")
    assert (source.name, source.data) == ("a;b", b"data")
    assert (source.salt, source.attributes) == (b"salt", b"{}")
    assert repr(source) == "WalletSource(...)"


@pytest.mark.parametrize("kind", ["none", "folder", "pipe"])
def test_a_salt_that_is_no_file_is_none(kind: str, tmp_path: Path) -> None:
    """A salt that is missing or not a regular file does not stop the wallet from being read."""
    (tmp_path / "w.kwl").write_bytes(b"data")
    if kind == "folder":
        (tmp_path / "w.salt").mkdir()
    elif kind == "pipe":
        os.mkfifo(tmp_path / "w.salt")
    assert read_source(tmp_path / "w.kwl").salt is None


def test_a_huge_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit reading stops."""
    monkeypatch.setattr(files, "MAX_SIZE", 10)
    (tmp_path / "w.kwl").write_bytes(bytes(11))
    with pytest.raises(LimitError):
        read_source(tmp_path / "w.kwl")


@pytest.mark.parametrize(
    ("data_home", "expected"),
    [
        (None, ["home/.local/share/kwalletd"]),
        ("relative", ["home/.local/share/kwalletd"]),
        ("data", ["data/kwalletd", "home/.local/share/kwalletd"]),
    ],
)
def test_where_wallets_lie(
    data_home: str | None,
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """XDG_DATA_HOME counts if absolute; the default is looked at too, as pam_kwallet uses it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if data_home is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        absolute = data_home == "data"
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / data_home) if absolute else data_home)
    assert list_wallet_folders() == [tmp_path / path for path in expected]


def test_gpg_that_is_not_there() -> None:
    """A missing gpg is class ``gpg`` and says what to install."""
    with pytest.raises(GpgError, match="install GnuPG"):
        decrypt_with_gpg(b"", program="/nonexistent/gpg")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo '[GNUPG:] ENC_TO AB 1 0' >&2; exit 2", "passphrase refused"),
        ("echo plaintext; exit 0", "no OpenPGP message"),
        ("echo '[GNUPG:] DECRYPTION_OKAY' >&2; exit 1", "no OpenPGP message"),
    ],
)
def test_a_gpg_that_does_not_say_all_is_well(script: str, reason: str, tmp_path: Path) -> None:
    """Exit code and DECRYPTION_OKAY are both needed; a key that is there but refused is told."""
    program = tmp_path / "gpg"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--list-secret-keys*) exit 0;; esac\ncat >/dev/null\n{script}\n'
    )
    program.chmod(0o700)
    with pytest.raises(GpgError, match=reason):
        decrypt_with_gpg(b"", program=str(program))


def test_a_gpg_that_names_no_key(tmp_path: Path) -> None:
    """An older gpg does not say which key it used."""
    program = tmp_path / "gpg"
    program.write_text("#!/bin/sh\ncat >/dev/null\necho x\necho '[GNUPG:] DECRYPTION_OKAY' >&2\n")
    program.chmod(0o700)
    read = decrypt_with_gpg(b"", program=str(program))
    assert (read.plain, read.primary_key) == (b"x\n", "")
