# SPDX-License-Identifier: GPL-3.0-or-later
"""GPG wallets, by the real gpg."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.gpg import scratch_gnupg_home
from support.paths import VECTORS
from support.vector_reading import BAD, GOOD, TO_OPEN, check_inspected, check_refused, check_sound
from support.vectors import Vector, load_vector

from kwallet_bridge.cli.main import run
from kwallet_bridge.errors import GpgError, LimitError
from kwallet_bridge.kwl.gpg import decrypt_with_gpg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def of_gpg(vectors: Sequence[Vector]) -> list[Vector]:
    """Leave out what needs no GnuPG: ``tests/unit`` has them."""
    return [vector for vector in vectors if vector.is_gpg]


@pytest.fixture(scope="module", autouse=True)
def gnupg_home() -> Iterator[None]:
    """Have the vectors' key in a scratch home."""
    with scratch_gnupg_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", home)
        yield


@pytest.mark.parametrize("vector", of_gpg(GOOD), ids=lambda vector: vector.name)
def test_a_sound_wallet_reads_exactly(vector: Vector) -> None:
    """Folders, warnings, header and key are what the vector's JSON says."""
    check_sound(vector)


@pytest.mark.parametrize("vector", of_gpg(BAD), ids=lambda vector: vector.name)
def test_a_wallet_to_refuse_is_refused_by_its_class(vector: Vector) -> None:
    """The error's class is the vector's, and nothing is returned."""
    check_refused(vector)


@pytest.mark.parametrize("vector", of_gpg(TO_OPEN), ids=lambda vector: vector.name)
def test_every_vector_is_inspected(
    vector: Vector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contents, name, warnings, error class and exit code are the vector's, from its files."""
    check_inspected(vector, tmp_path, capsys)


def test_a_gpg_wallet_names_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    """No password is asked for, and the key's id is shown."""
    assert run(["inspect", str(VECTORS / "gpg-spec.kwl")]) == 0
    assert "key     E48F23B501C6F782" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad-gpg-cut", "damaged"),
        ("bad-gpg-garbage", "no OpenPGP message"),
        ("bad-gpg-no-key", "FAB7CF44726BD456 of this wallet is not in your"),
    ],
)
def test_gpgs_reasons_are_told_apart(name: str, reason: str) -> None:
    """Damage, no message and a missing key each have their sentence."""
    with pytest.raises(GpgError, match=reason):
        decrypt_with_gpg(load_vector(name).data[16:])


def test_a_message_that_unpacks_to_too_much() -> None:
    """The output has a limit, and what was written before it is thrown away."""
    with pytest.raises(LimitError):
        decrypt_with_gpg(load_vector("gpg-spec").data[16:], max_output=50)


def test_the_primary_key_is_told() -> None:
    """Not the subkey that the message names."""
    read = decrypt_with_gpg(load_vector("gpg-spec").data[16:])
    assert read.primary_key.endswith("E48F23B501C6F782")
