# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge answers random conversations as Debian's kwalletd5 does."""

from __future__ import annotations

import secrets
import xml.etree.ElementTree as ET

import pytest
from conformance.conversation import Settings
from conformance.runs import explain, run
from conformance.subjects import SUBJECTS
from support.client import KWALLET

FIXED_SEEDS = ("chromium", "subversion", "kmail")
CALLS = 1200


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [*FIXED_SEEDS, "fresh"])
def test_nothing_differs_over_gnome_keyring(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Replies, errors and signals are the same but for what stands in the table."""
    seed = secrets.token_hex(4) if seed == "fresh" else seed
    result = run("bridge", [seed], calls=CALLS)
    with capsys.disabled():
        print(f"\n{result}")  # noqa: T201  a fresh seed must be known to be repeated
    assert result.comparison.compared >= CALLS * 0.95 or result.failing
    assert not result.failing, explain(result.failing[0], "bridge")


def _described(name: str) -> list[tuple[str, ...]]:
    """Tell a daemon's own description of the interface, in its order."""
    with SUBJECTS[name].start(Settings()) as subject:
        client = subject.client()
        described = client.call(
            client.service,
            client.object_path,
            "org.freedesktop.DBus.Introspectable",
            "Introspect",
        )
    root = ET.fromstring(str(described.value))  # noqa: S314  a daemon we started
    interface = next(node for node in root.iter("interface") if node.get("name") == KWALLET)
    members: list[tuple[str, ...]] = []
    for member in interface:
        if member.tag != "annotation":
            parts = [f"{part.tag} {sorted(part.attrib.items())}" for part in member]
            members.append((member.tag, str(member.get("name")), *sorted(parts)))
    return members


def test_the_interface_is_described_alike() -> None:
    """Introspection lists the same methods and signals, arguments and annotations, in order."""
    assert _described("bridge") == _described("kwalletd5")
