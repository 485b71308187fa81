# SPDX-License-Identifier: GPL-3.0-or-later
"""The same conversations on the last monolith, kwalletd6 6.13, in a Debian root."""

from __future__ import annotations

import pytest
from conformance.runs import explain, run


@pytest.mark.peers
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("oracle", "subject"), [("kwalletd5", "kwalletd6"), ("kwalletd6", "bridge")]
)
def test_generations_agree(oracle: str, subject: str) -> None:
    """kwalletd5, kwalletd6 6.13 and the bridge answer alike."""
    result = run(subject, ["generations"], calls=2400, oracle=oracle)
    assert not result.failing, explain(result.failing[0], subject, oracle=oracle)
