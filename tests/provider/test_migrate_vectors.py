# SPDX-License-Identifier: GPL-3.0-or-later
"""Every readable wallet through gnome-keyring, read back by our store and by KDE's own program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.gpg import scratch_gnupg_home
from support.migrated import (
    KDEWALLET,
    connect,
    entries_of,
    read_everything,
    read_vector,
)
from support.migration import Seen
from support.peers import Bridge, GnomeKeyring
from support.private_bus import private_bus
from support.vectors import Vector, load_vectors

from kwallet_bridge.migrate.journal import open_journal
from kwallet_bridge.migrate.rows import Outcome, Policy
from kwallet_bridge.migrate.run import Job
from kwallet_bridge.migrate.session import Orders, carry_out
from kwallet_bridge.migrate.undo import find_run, undo_run
from kwallet_bridge.migrate.wishes import from_wallet
from kwallet_bridge.model import EntryType
from kwallet_bridge.qtstream import StreamError, decode_pairs, decode_string
from kwallet_bridge.store.codec import is_storable_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.migrated import Contents
    from support.private_bus import PrivateBus

GOOD = [vector for vector in load_vectors() if "expect_error" not in vector.expected]
ASKED_BY_KDE = 12
"""Entries per wallet that kwallet-query reads: each is a process of its own."""


@pytest.fixture(scope="module")
def shared() -> Iterator[PrivateBus]:
    """One bus with gnome-keyring and our daemon for the whole module."""
    with (
        scratch_gnupg_home() as gnupg,
        pytest.MonkeyPatch.context() as patch,
        private_bus() as bus,
        GnomeKeyring(bus),
        Bridge(bus),
    ):
        patch.setenv("GNUPGHOME", gnupg)
        yield bus


def _query(bus: PrivateBus, folder: str, key: str) -> str:
    command = ["kwallet-query", "-f", folder, "-r", key, KDEWALLET]
    return bus.run(command).stdout.removesuffix("\n")


def _lines(text: str) -> list[str]:
    """Leave line ends out of the comparison: kwallet-query and the pipe change them."""
    return text.strip().splitlines()


def _printed(text: str | None) -> bool:
    """Tell whether kwallet-query can print a text: it cuts at NUL and loses surrogates."""
    return bool(text) and is_storable_name(text or "")


def _ask_kde(bus: PrivateBus, contents: Contents) -> None:
    """Read passwords and maps with kwallet-query, which prints what it got."""
    asked = 0
    for folder, entries in contents.items():
        for key, (kind, value) in entries.items():
            if not folder or not key or asked >= ASKED_BY_KDE:
                continue
            try:
                if kind is EntryType.PASSWORD and _printed(text := decode_string(value)):
                    assert _lines(_query(bus, folder, key)) == _lines(text or "")
                    asked += 1
                elif kind is EntryType.MAP and value:
                    pairs = {name: text or "" for name, text in decode_pairs(value)}
                    if not all(_printed(f"{name} {text}") for name, text in pairs.items()):
                        continue
                    assert json.loads(_query(bus, folder, key)) == pairs
                    asked += 1
            except StreamError:
                continue


@pytest.mark.timeout(200)
@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector.name)
async def test_every_wallet_round_trips(shared: PrivateBus, vector: Vector, tmp_path: Path) -> None:
    """A migrated wallet reads back byte for byte, KDE's program agrees, and undo leaves nothing."""
    wallet = read_vector(vector)
    job = Job(KDEWALLET, from_wallet(wallet, KDEWALLET))
    orders = Orders(
        lambda: connect(shared.address),
        "secret-service",
        (vector.name,),
        lambda _: Policy.SKIP,
        Seen(),
        tmp_path / "journal",
    )
    run = await carry_out([job], orders)
    assert job.error is None
    assert {one.outcome for one in job.results} <= {Outcome.CREATED, Outcome.UNSUPPORTED}
    assert all(one.verified for one in job.results if one.outcome is Outcome.CREATED)
    opened = await connect(shared.address)
    try:
        try:
            contents = await read_everything(opened)
            assert contents == entries_of(wallet)
            _ask_kde(shared, contents)
        finally:
            if run is not None:
                with open_journal(orders.journal) as journal:
                    found = find_run(journal, run.id)
                    await undo_run(opened.backend, journal, found, default_wallet=KDEWALLET)
        collection = await opened.backend.read_alias("default")
        assert collection is not None
        assert not await opened.backend.search(collection, {})
    finally:
        await opened.close()
