# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider dies, errs, lies, stays silent: what our backend says of it."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from support.backends import make_item, store_text
from support.fake_provider import FakeProvider, Fault

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import (
    StoreError,
    StoreLockedError,
    StoreRefusedError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from kwallet_bridge.secretservice import client as client_module
from kwallet_bridge.secretservice import dh
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.port import BackendGone, BackendReturned, CollectionId, ItemId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.private_bus import PrivateBus

    Deed = Callable[[SecretServiceBackend, CollectionId, ItemId], Awaitable[object]]

DEEDS: dict[str, tuple[str, Deed]] = {
    "list": ("Get", lambda b, c, i: b.collections()),
    "list, labels": ("GetAll", lambda b, c, i: b.collections()),
    "alias": ("ReadAlias", lambda b, c, i: b.read_alias("default")),
    "locked": ("Get", lambda b, c, i: b.is_locked(c)),
    "search": ("SearchItems", lambda b, c, i: b.search(c, {"user": "k"})),
    "items": ("GetAll", lambda b, c, i: b.read_items([i])),
    "secret": ("GetSecret", lambda b, c, i: b.read_secrets([i])),
    "secrets": ("GetSecrets", lambda b, c, i: b.read_secrets([i, ItemId(f"{i}0")])),
    "write": ("CreateItem", lambda b, c, i: b.create_item(c, make_item("k", b"w"), replace=True)),
    "attributes": ("Set", lambda b, c, i: b.set_attributes(i, {"user": "k"})),
    "delete": ("Delete", lambda b, c, i: b.delete_item(i)),
    "create": ("CreateCollection", lambda b, c, i: b.create_collection("new")),
    "create, prompt": ("Prompt", lambda b, c, i: b.create_collection("new")),
    "drop": ("Delete", lambda b, c, i: b.delete_collection(c)),
    "lock": ("Lock", lambda b, c, i: b.lock(c)),
    "unlock": ("Unlock", lambda b, c, i: b.unlock(c)),
}
# The end of a prompt is a signal: it may come though its call is never answered.
CALLS = [name for name in DEEDS if name != "create, prompt"]
# Setting attributes is answered by nothing, so that nothing can be wrong with the answer.
ANSWERED = [name for name in CALLS if name != "attributes"]


@pytest.fixture
async def fake(bus: PrivateBus) -> AsyncIterator[FakeProvider]:
    """A well-behaved stand-in, so far."""
    running = FakeProvider(bus.address)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def backend(bus: PrivateBus, fake: FakeProvider) -> AsyncIterator[SecretServiceBackend]:
    """Our backend, with little patience."""
    connection = await BusConnection.connect(bus.address)
    made = SecretServiceBackend(connection, service_name=fake.name, call_timeout=1.0)
    yield made
    await made.close()
    connection.close()


@pytest.fixture
async def collection(backend: SecretServiceBackend) -> CollectionId:
    """The stand-in's collection."""
    (found,) = await backend.collections()
    return found.id


@pytest.fixture
async def item(backend: SecretServiceBackend, collection: CollectionId) -> ItemId:
    """An item with the secret ``v``."""
    return await store_text(backend, collection, "k", "v")


async def gone(backend: SecretServiceBackend) -> None:
    """Wait until the backend noticed."""
    left = asyncio.Event()
    backend.subscribe(lambda event: left.set() if isinstance(event, BackendGone) else None)
    if backend._link.current is not None:
        await left.wait()


async def secret_of(backend: SecretServiceBackend, collection: CollectionId) -> bytes:
    """Search and read the item anew."""
    (found,) = await backend.search(collection, {"user": "k"})
    return (await backend.read_secrets([found]))[found].value.reveal()


@pytest.mark.parametrize(
    ("name", "when"),
    [("create, prompt", "before"), *itertools.product(CALLS, ["before", "during"])],
)
async def test_death_is_unavailable_and_life_goes_on(
    backend: SecretServiceBackend,
    collection: CollectionId,
    item: ItemId,
    fake: FakeProvider,
    name: str,
    when: str,
) -> None:
    """A provider that dies before answering is unavailable, never "not found"; its heir serves."""
    if name == "unlock":
        fake.set_locked(fake.vault.collections[collection], locked=True)
    seen: list[object] = []
    backend.subscribe(seen.append)
    member, deed = DEEDS[name]
    fake.fail(member, Fault(die=when))
    with pytest.raises(StoreUnavailableError):
        await deed(backend, collection, item)
    await gone(backend)
    assert BackendGone() in seen
    with pytest.raises(StoreUnavailableError):
        await backend.read_secrets([item])
    await fake.restart()
    if name == "drop" and when == "during":
        assert await backend.collections() == []
        return
    await backend.collections()
    assert BackendReturned() in seen
    fake.set_locked(fake.vault.collections[collection], locked=False)
    if name == "delete" and when == "during":
        assert await backend.search(collection, {"user": "k"}) == []
    else:
        written = name == "write" and when == "during"
        assert await secret_of(backend, collection) == (b"w" if written else b"v")


@pytest.mark.parametrize("name", CALLS)
async def test_death_after_the_answer_spoils_nothing(
    backend: SecretServiceBackend,
    collection: CollectionId,
    item: ItemId,
    fake: FakeProvider,
    name: str,
) -> None:
    """What was answered before the end was answered, or the deed failed as unavailable."""
    member, deed = DEEDS[name]
    fake.fail(member, Fault(die="after"))
    try:
        await deed(backend, collection, item)
    except StoreUnavailableError:
        assert name in {"list", "list, labels", "secrets", "create"}  # these need a second call


@pytest.mark.parametrize("name", DEEDS)
async def test_an_error_is_a_refusal(
    backend: SecretServiceBackend,
    collection: CollectionId,
    item: ItemId,
    fake: FakeProvider,
    name: str,
) -> None:
    """An unknown error fails the call, keeps its name, and the next call works."""
    member, deed = DEEDS[name]
    fake.fail(member, Fault(error="org.example.Odd"))
    with pytest.raises(StoreError) as caught:
        await deed(backend, collection, item)
    assert caught.value.dbus_name == "org.example.Odd"
    assert await secret_of(backend, collection) == b"v"


@pytest.mark.parametrize("name", CALLS)
async def test_silence_ends_in_time(
    backend: SecretServiceBackend,
    collection: CollectionId,
    item: ItemId,
    fake: FakeProvider,
    name: str,
) -> None:
    """A call never answered fails as timed out."""
    member, deed = DEEDS[name]
    fake.fail(member, Fault(silent=True, act=False))
    with pytest.raises(StoreTimeoutError):
        await deed(backend, collection, item)
    assert await secret_of(backend, collection) == b"v"


@pytest.mark.parametrize(
    "answer",
    [("", []), ("i", [5]), ("ss", ["x", "y"]), ("as", [["no path"]]), ("(s)", [["x"]])],
)
@pytest.mark.parametrize("name", ANSWERED)
async def test_a_wrong_type_is_an_error(
    backend: SecretServiceBackend,
    collection: CollectionId,
    item: ItemId,
    fake: FakeProvider,
    name: str,
    answer: tuple[str, list[object]],
) -> None:
    """A reply of a wrong shape is never taken for an answer."""
    member, deed = DEEDS[name]
    fake.fail(member, Fault(reply=answer, act=False))
    with pytest.raises(StoreError):
        await deed(backend, collection, item)
    assert await secret_of(backend, collection) == b"v"


async def test_a_late_reply_is_nobodys(
    backend: SecretServiceBackend, collection: CollectionId, item: ItemId, fake: FakeProvider
) -> None:
    """A reply after the deadline disturbs nobody."""
    late = asyncio.Event()
    fake.fail("GetSecret", Fault(wait=late))
    with pytest.raises(StoreTimeoutError):
        await backend.read_secrets([item])
    late.set()
    assert await secret_of(backend, collection) == b"v"


@pytest.mark.parametrize("size", [1, 15, 16, 32])
async def test_a_cut_secret_is_no_secret(
    backend: SecretServiceBackend, item: ItemId, fake: FakeProvider, size: int
) -> None:
    """A ciphertext that lost bytes is refused, alone and among many."""
    fake.sessions.cut_secrets = size
    with pytest.raises(StoreRefusedError):
        await backend.read_secrets([item])
    with pytest.raises(StoreRefusedError):
        await backend.read_secrets([item, ItemId(f"{item}0")])


@pytest.mark.parametrize(
    "key", [b"", b"\0", b"\1", bytes(128), (dh.PRIME - 1).to_bytes(128, "big"), b"\2" * 129]
)
async def test_impossible_keys_are_refused(
    backend: SecretServiceBackend, collection: CollectionId, fake: FakeProvider, key: bytes
) -> None:
    """With a public key that gives the session key away, nothing is stored; nor in clear."""
    fake.sessions.public_key = key
    with pytest.raises(StoreRefusedError):
        await store_text(backend, collection, "k", "v")
    assert fake.calls["CreateItem"] == 0
    fake.sessions.public_key = None
    await store_text(backend, collection, "k", "v")
    assert backend.encrypted


async def test_another_key_decrypts_nothing(
    backend: SecretServiceBackend, collection: CollectionId, fake: FakeProvider
) -> None:
    """When the two sides disagree on the key, the failure is told, after one more try."""
    vault = fake.vault.collection(collection)
    made = fake.vault.add_item(vault, "x", {"user": "k"}, b"v" * 100)
    (found,) = await backend.search(collection, {"user": "k"})
    fake.sessions.public_key = dh.public_key(12345)
    # A wrong key yields right padding once in 256 reads: then the answer is garbage, not ours.
    try:
        read = await backend.read_secrets([found])
    except StoreRefusedError:
        assert fake.calls["OpenSession"] == 2
    else:
        assert read[found].value.reveal() != made.secret


@pytest.mark.parametrize("size", [1, 64, 126, 127])
async def test_short_keys_are_numbers(
    backend: SecretServiceBackend, fake: FakeProvider, size: int
) -> None:
    """A right key that lost its leading zeros on the way is understood."""
    await backend.collections()
    fake.sessions.public_key = b"\x03".rjust(1, b"\0") + bytes(size - 1)
    session = await backend._link.current.ensure_session()  # type: ignore[union-attr]
    assert session.encrypted


async def test_a_lost_session_is_opened_again(
    backend: SecretServiceBackend, collection: CollectionId, item: ItemId, fake: FakeProvider
) -> None:
    """NoSession costs one more handshake, and no caller notices."""
    other = await store_text(backend, collection, "other", "o")
    for deed in (
        backend.read_secrets([item]),
        backend.read_secrets([item, other]),
        store_text(backend, collection, "k", "v"),
    ):
        fake.sessions.forget()
        await deed
    assert fake.calls["OpenSession"] == 4
    assert await secret_of(backend, collection) == b"v"
    assert len(fake.vault.collection(collection).items) == 2


async def test_callers_share_one_handshake(
    backend: SecretServiceBackend, collection: CollectionId, fake: FakeProvider
) -> None:
    """Fifty first writes open one session."""
    await asyncio.gather(*(store_text(backend, collection, f"k{n}", "v") for n in range(50)))
    assert fake.calls["OpenSession"] == 1


async def test_plain_only_where_encryption_is_refused(
    bus: PrivateBus, backend: SecretServiceBackend, fake: FakeProvider
) -> None:
    """A refused algorithm leads to a plain session, a silent provider to none."""
    (found,) = await backend.collections()
    fake.fail("OpenSession", Fault(silent=True, act=False))
    with pytest.raises(StoreTimeoutError):
        await store_text(backend, found.id, "k", "v")
    assert backend.encrypted is None
    fake.fail("OpenSession", Fault(error="org.freedesktop.DBus.Error.NotSupported"))
    await store_text(backend, found.id, "k", "v")
    assert backend.encrypted is False
    assert await secret_of(backend, found.id) == b"v"


@pytest.mark.parametrize(
    "error",
    [
        "org.freedesktop.DBus.Error.Failed",
        "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.DBus.Error.LimitsExceeded",
        "org.freedesktop.Secret.Error.IsLocked",
        "org.freedesktop.Secret.Error.NoSuchObject",
    ],
)
async def test_one_failed_handshake_is_an_error_and_no_more(
    backend: SecretServiceBackend, collection: CollectionId, fake: FakeProvider, error: str
) -> None:
    """Nothing travels in clear because of it, and the next write is encrypted."""
    fake.fail("OpenSession", Fault(error=error))
    with pytest.raises(StoreError) as caught:
        await store_text(backend, collection, "k", "v")
    assert caught.value.dbus_name == error
    assert fake.calls["CreateItem"] == 0
    await store_text(backend, collection, "k", "v")
    assert backend.encrypted is True


@pytest.mark.parametrize("word", ["UnknownObject", "UnknownMethod", "UnknownInterface"])
async def test_a_provider_without_its_objects_is_waited_for(
    bus: PrivateBus, backend: SecretServiceBackend, fake: FakeProvider, word: str
) -> None:
    """A provider owns its name before its objects are there: asked again, and encrypted."""
    error = f"org.freedesktop.DBus.Error.{word}"
    for member in ("Get", "ReadAlias", "OpenSession"):
        fake.fail(member, *[Fault(error=error)] * 2)
    (found,) = await backend.collections()
    await store_text(backend, found.id, "k", "v")
    assert backend.encrypted is True
    assert await secret_of(backend, found.id) == b"v"


async def test_a_provider_that_never_has_objects_is_an_error(
    bus: PrivateBus,
    backend: SecretServiceBackend,
    fake: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is given up in time, and not for one that has no encryption."""
    (found,) = await backend.collections()
    monkeypatch.setattr(client_module, "READY_TIMEOUT", 0.1)
    fake.fail("OpenSession", *[Fault(error="org.freedesktop.DBus.Error.UnknownMethod")] * 50)
    with pytest.raises(StoreUnavailableError):
        await store_text(backend, found.id, "k", "v")
    assert backend.encrypted is None


async def test_an_item_left_out_is_told_apart(
    backend: SecretServiceBackend, collection: CollectionId, item: ItemId, fake: FakeProvider
) -> None:
    """An item missing in a bulk answer is read alone; locked, the whole read fails."""
    other = await store_text(backend, collection, "other", "o")
    fake.fail("GetSecrets", Fault(reply=("a{o(oayays)}", [{}])))
    read = await backend.read_secrets([item, other])
    assert [secret.value.reveal() for secret in read.values()] == [b"v", b"o"]
    fake.set_locked(fake.vault.collection(collection), locked=True)
    with pytest.raises(StoreLockedError):
        await backend.read_secrets([item, other])


async def test_a_flood_leaves_room(
    backend: SecretServiceBackend, collection: CollectionId, item: ItemId, fake: FakeProvider
) -> None:
    """While a bulk read waits for a slow provider, a single read passes it."""
    others = [await store_text(backend, collection, f"k{n}", "v") for n in range(100)]
    slow = asyncio.Event()
    fake.fail("GetAll", *(Fault(wait=slow) for _ in range(24)))
    bulk = asyncio.get_running_loop().create_task(_read_all(backend, others))
    while fake.calls["GetAll"] < 24:
        await backend.is_locked(collection)
    assert len(await backend.read_secrets([item])) == 1
    assert not bulk.done()
    slow.set()
    assert await bulk == 100


async def _read_all(backend: SecretServiceBackend, items: list[ItemId]) -> int:
    return len(await backend.read_items(items))
