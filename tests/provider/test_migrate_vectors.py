# SPDX-License-Identifier: GPL-3.0-or-later
"""Every readable wallet through gnome-keyring, read back by our store and by KDE's own program."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from support.fake_provider import FakeProvider
from support.gpg import scratch_gnupg_home
from support.keepassxc import KeePassXC
from support.keepassxc_dialogs import Agreeing, Dialogs
from support.keyrings import PASSWORD, QUICK
from support.migrated import (
    KDEWALLET,
    connect,
    entries_of,
    join_vectors,
    read_everything,
    read_vector,
)
from support.migration import Seen
from support.peers import Bridge, GnomeKeyring, Ksecretd, Xvfb
from support.private_bus import private_bus
from support.vectors import Vector, load_vectors

from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.format import Keyring, encode_keyring
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.migrate import values
from kwallet_bridge.migrate.journal import open_journal
from kwallet_bridge.migrate.model import Outcome, Policy
from kwallet_bridge.migrate.orders import Orders, carry_out
from kwallet_bridge.migrate.plan import ALTERED_NAME, NO_MAP, PLACEHOLDER
from kwallet_bridge.migrate.run import Job, OpenStore
from kwallet_bridge.migrate.undo import Undone, find_run, undo_run
from kwallet_bridge.migrate.wishes import UNKNOWN_TYPE, UNSTORABLE_NAME, from_wallet
from kwallet_bridge.model import Entry, EntryType
from kwallet_bridge.qtstream import StreamError, decode_pairs, decode_string, encode_map
from kwallet_bridge.secret import Secret
from kwallet_bridge.secretservice.quirks import ROWS
from kwallet_bridge.store.codec import is_storable_name
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.mark import MARK_QUERY
from kwallet_bridge.store.wallets import StoreSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from support.migrated import Contents
    from support.peers import Peer
    from support.private_bus import PrivateBus

    from kwallet_bridge.migrate.model import Result
    from kwallet_bridge.model import Wallet
    from kwallet_bridge.store.port import Quirks

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


@pytest.mark.timeout(600)  # gnome-keyring writes its whole file for each of 2,000 entries
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
        left = set(await opened.backend.search(collection, {}))
        # Our daemon marked the collection when KDE's program asked it.
        assert left <= set(await opened.backend.search(collection, MARK_QUERY))
    finally:
        await opened.close()


# --- every wallet at once, and the provider restarted before anything is read back ---------------


OpenNow = Callable[[], Awaitable[OpenStore]]


class Ground:
    """A provider to migrate into: how it is opened, and how it is restarted."""

    lacks: Collection[str] = (UNKNOWN_TYPE, UNSTORABLE_NAME)
    """Why an entry may be left out."""

    def __init__(self, open_store: OpenNow, restart: Callable[[], Awaitable[None]]) -> None:
        self._open = open_store
        self.restart = restart
        self._opened = 0

    async def open(self) -> OpenStore:
        """Open it; before the second time, which is for verifying, it is restarted."""
        self._opened += 1
        if self._opened == 2:
            await self.restart()
        return await self._open()


def _over(peer: Peer) -> Ground:
    async def restart() -> None:
        await asyncio.to_thread(peer.restart)

    return Ground(lambda: connect(peer.bus.address), restart)


@contextlib.asynccontextmanager
async def encrypted_keyring() -> AsyncIterator[Ground]:
    """A gnome-keyring as it usually is, which encrypts its whole file anew at each write."""
    with private_bus() as bus, GnomeKeyring(bus) as peer:
        yield _over(peer)


@contextlib.asynccontextmanager
async def text_keyring() -> AsyncIterator[Ground]:
    """A gnome-keyring without a password."""
    with private_bus() as bus, GnomeKeyring(bus, password="") as peer:
        yield _over(peer)


@contextlib.asynccontextmanager
async def keepassxc() -> AsyncIterator[Ground]:
    """KeePassXC, which saves when it ends."""
    with (
        private_bus() as bus,
        Xvfb(bus) as display,
        KeePassXC(bus, display, autosave=False) as peer,
        Agreeing(Dialogs(bus, display)),
    ):
        ground = _over(peer)
        ground.lacks = (*Ground.lacks, ALTERED_NAME, PLACEHOLDER)
        yield ground


@contextlib.asynccontextmanager
async def oo7_stand_in() -> AsyncIterator[Ground]:
    """The stand-in with oo7's temper."""
    with private_bus() as bus, pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast("dict[str, Quirks]", ROWS), "", ROWS["oo7"])
        fake = FakeProvider(bus.address, ROWS["oo7"])
        fake.vault.late = False
        next(iter(fake.vault.collections.values())).label = KDEWALLET
        await fake.start()

        async def restart() -> None:
            await fake.restart()
            fake.show_late_collections()

        yield Ground(lambda: connect(bus.address), restart)
        await fake.stop()


@contextlib.asynccontextmanager
async def keyring_file(*, for_oo7: bool) -> AsyncIterator[Ground]:
    """A keyring file, read from the disk again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "default.keyring"
        path.write_bytes(encode_keyring(Keyring(QUICK)))

        async def open_store() -> OpenStore:
            backend = KeyringFileBackend(path, KnownPassword(PASSWORD), files_content_type=for_oo7)
            return OpenStore(backend, EntryStore(backend, StoreSettings()), KDEWALLET)

        async def nothing() -> None:
            """No process is left that could remember."""

        yield Ground(open_store, nothing)


@contextlib.asynccontextmanager
async def ksecretd() -> AsyncIterator[Ground]:
    """KDE's own provider, ended as a logout ends it: what it had not saved by then is lost."""
    with (
        pytest.MonkeyPatch.context() as patch,
        private_bus(Path(os.environ["KWB_SID_ROOT"])) as bus,
        Ksecretd(bus) as peer,
    ):
        patch.setenv("XDG_DATA_HOME", str(bus.data))

        async def restart() -> None:
            await asyncio.to_thread(peer.stop)
            await asyncio.to_thread(peer.start)

        ground = Ground(lambda: connect(bus.address), restart)
        ground.lacks = (*Ground.lacks, NO_MAP)
        yield ground


GROUNDS: dict[str, Callable[[], AbstractAsyncContextManager[Ground]]] = {
    "gnome-keyring": encrypted_keyring,
    "gnome-keyring as text": text_keyring,
    "keepassxc": keepassxc,
    "oo7 stand-in": oo7_stand_in,
    "keyring file": lambda: keyring_file(for_oo7=False),
    "keyring file for oo7": lambda: keyring_file(for_oo7=True),
}


@functools.cache
def _everything() -> Wallet:
    """Read all vectors; large ones last, as some providers write all they have at every change."""
    with scratch_gnupg_home() as gnupg, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", gnupg)
        return join_vectors(sorted(GOOD, key=lambda vector: len(vector.data)))


def _canonical(contents: Contents) -> dict[str, dict[str, bytes]]:
    """Leave the order of maps out of the comparison, and null for empty: ksecretd keeps neither."""
    return {
        folder: {
            key: values.canonical_entry(Entry(kind, Secret(_without_null(kind, value))))
            for key, (kind, value) in entries.items()
        }
        for folder, entries in contents.items()
    }


def _without_null(kind: EntryType, value: bytes) -> bytes:
    if kind is not EntryType.MAP or not value:
        return value
    with contextlib.suppress(StreamError):
        return encode_map({name: text or "" for name, text in decode_pairs(value)})
    return value


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [*GROUNDS, pytest.param("ksecretd", marks=pytest.mark.peers)])
async def test_every_wallet_is_there_after_a_restart(name: str, tmp_path: Path) -> None:
    """Each readable vector migrated, the provider restarted, verified, read, and taken back."""
    wallet = _everything()
    job = Job(KDEWALLET, from_wallet(wallet, KDEWALLET))
    async with (GROUNDS | {"ksecretd": ksecretd})[name]() as ground:
        orders = Orders(
            ground.open, name, ("vectors",), lambda _: Policy.SKIP, Seen(), tmp_path / "journal"
        )
        run = await carry_out([job], orders)
        assert job.error is None
        assert run is not None
        left_out = [one for one in job.results if not one.verified]
        bad = [one for one in left_out if one.reason not in ground.lacks]
        assert [(one.reason, one.step.place.folder, one.step.place.key) for one in bad] == []
        opened = await ground.open()
        try:
            contents = await read_everything(opened)
            kept = _without(entries_of(wallet), left_out)
            there = {folder: contents.get(folder, {}) for folder in entries_of(wallet)}
            assert there.keys() <= contents.keys()
            if name == "ksecretd":
                assert _canonical(there) == _canonical(kept)
            else:
                assert there == kept
            with open_journal(orders.journal) as journal:
                found = find_run(journal, run.id)
                ended = await undo_run(
                    opened.backend,
                    journal,
                    found,
                    default_wallet=opened.default_wallet,
                    save=opened.save,
                )
            assert {one.outcome for one in ended} == {Undone.REMOVED}
        finally:
            await opened.close()
        await ground.restart()
        opened = await ground.open()
        try:
            assert await read_everything(opened) == {}
        finally:
            await opened.close()


def _without(wanted: Contents, left_out: Sequence[Result]) -> Contents:
    """Take out what a provider does not take."""
    missing = {(one.step.place.folder, one.step.place.key) for one in left_out}
    return {
        folder: {key: value for key, value in entries.items() if (folder, key) not in missing}
        for folder, entries in wanted.items()
    }
