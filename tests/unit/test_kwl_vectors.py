# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.vector_reading import BAD, GOOD, check_refused, check_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.vectors import Vector


def without_gpg(vectors: Sequence[Vector]) -> list[Vector]:
    """Leave out what needs GnuPG: ``tests/oracle`` has them."""
    return [vector for vector in vectors if not vector.is_gpg]


def test_every_vector_is_here() -> None:
    """Nobody took a vector away: 77 wallets to read and 57 to refuse."""
    assert (len(GOOD), len(BAD)) == (77, 57)


@pytest.mark.parametrize("vector", without_gpg(GOOD), ids=lambda vector: vector.name)
def test_a_sound_wallet_reads_exactly(vector: Vector) -> None:
    """Folders, warnings, header and profile are what the vector's JSON says."""
    check_sound(vector)


@pytest.mark.parametrize("vector", without_gpg(BAD), ids=lambda vector: vector.name)
def test_a_wallet_to_refuse_is_refused_by_its_class(vector: Vector) -> None:
    """The error's class is the vector's, and nothing is returned."""
    check_refused(vector)
