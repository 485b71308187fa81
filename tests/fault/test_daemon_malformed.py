# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon under malformed and hostile messages; ``python -m fault.malformed`` goes on longer."""

from __future__ import annotations

from fault.malformed import attack

GROWTH = 1.05


def test_malformed_messages_harm_nobody() -> None:
    """Nothing crashes, memory does not grow, and another client waits under 50 ms (p99)."""
    figures = attack("7", messages=1500, huge=False)
    assert figures.sent >= 1500
    assert figures.dropped > 0
    assert figures.rss_after <= figures.rss_before * GROWTH, str(figures)
    assert figures.probes["wrong"] == 0, str(figures)
    assert figures.probes["p99"] < 50, str(figures)


def test_the_largest_messages_are_survived() -> None:
    """A million names, 61 MiB and 100 MiB are refused, and their memory is given back."""
    figures = attack("8", messages=50)
    assert figures.rss_after <= figures.rss_before + 8 * 1024, str(figures)
    assert figures.probes["wrong"] == 0, str(figures)
