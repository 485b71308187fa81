# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import secrets

import pytest
from conformance.runs import explain, run

SUBJECT = "bridge-keepassxc-asking"
CALLS = 250


@pytest.mark.timeout(600)  # what differs is made short before it is told
def test_nothing_differs_while_everything_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Where KeePassXC asks and a person agrees, replies and signals are kwalletd5's all the same."""
    result = run(SUBJECT, [secrets.token_hex(4)], calls=CALLS)
    with capsys.disabled():
        print(f"\n{result}")  # noqa: T201  a fresh seed must be known to be repeated
    assert not result.failing, explain(result.failing[0], SUBJECT)
    assert result.comparison.compared >= CALLS * 0.95
