# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge answers as kwalletd5 does, whatever keeps the entries."""

from __future__ import annotations

import secrets

import pytest
from conformance.runs import explain, run

CALLS = 1000
SLOW_CALLS = {"bridge-keepassxc": 600}  # it is slow, above all to start again


def compare(subject: str, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Play one seed, print the figures, and fail on a difference."""
    seed = secrets.token_hex(4) if seed == "fresh" else seed
    calls = SLOW_CALLS.get(subject, CALLS)
    result = run(subject, [seed], calls=calls)
    with capsys.disabled():
        print(f"\n{result}")  # noqa: T201  a fresh seed must be known to be repeated
    assert result.comparison.compared >= calls * 0.95 or result.failing
    assert not result.failing, explain(result.failing[0], subject)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", ["plasma", "fresh"])
@pytest.mark.parametrize("subject", ["bridge-file", "bridge-oo7-like", "bridge-keepassxc"])
def test_nothing_differs(subject: str, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Replies, errors and signals are the same but for what stands in the table."""
    compare(subject, seed, capsys)


@pytest.mark.peers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", ["plasma", "fresh"])
def test_nothing_differs_over_ksecretd(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Over KDE's own provider, too, the answers are kwalletd5's."""
    compare("bridge-ksecretd", seed, capsys)


@pytest.mark.peers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", ["plasma", "fresh"])
def test_the_last_monolith_differs_from_nothing(
    seed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """kwalletd6 6.13 answers as kwalletd5 does: what is compared with is no accident of one."""
    compare("kwalletd6", seed, capsys)


@pytest.mark.peers
@pytest.mark.timeout(600)
def test_the_suite_sees_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """KDE's own translation onto gnome-keyring differs from kwalletd5 in hundreds of calls."""
    result = run("translation", ["plasma"], calls=CALLS, first_only=False)
    with capsys.disabled():
        print(f"\n{result}")  # noqa: T201  the figure
    assert len(result.comparison.differences) >= result.comparison.compared // 5 >= CALLS // 10
