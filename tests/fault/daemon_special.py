# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults with a story of their own: silence, prompts, keys, cut secrets, forgeries, crowds."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from typing import TYPE_CHECKING

from fault.daemon_case import EITHER, FAILED, MANY, RIGHT, Case, meet, row
from fault.daemon_deeds import BY_NAME
from fault.daemon_world import APP, CANARY, WALLET, World
from support.fake_items import ROOT
from support.fake_provider import SECRET, FakeProvider, Fault

from kwallet_bridge import qtstream
from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.secretservice import dh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fault.daemon_deeds import Deed
    from support.client import KWalletClient

READ = BY_NAME["read a password"]
OVERWRITE = BY_NAME["overwrite a password"]
REMOVE = BY_NAME["remove an entry"]
PASSWORD = ("f", "password")

# --- silence ------------------------------------------------------------------------------------


def _late(world: World, *, deed: Deed, member: str) -> str:
    """The provider answers after our patience; its answer must then be nobody's."""
    late = asyncio.Event()

    def arm(world: World) -> None:
        world.fake.fail(member, *[Fault(wait=late)] * MANY)

    def release(world: World) -> None:
        world.fake.do(lambda fake: fake.faults.clear())
        world.fake.do(lambda _: late.set())

    return meet(world, deed, arm, expected=FAILED, heal=release)


def _silences() -> Iterator[Case]:
    pairs = (
        ("open a wallet", "Get"),
        ("unlock a wallet", "Unlock"),
        ("create a wallet", "CreateCollection"),
        ("list wallets", "GetAll"),
        ("list entries", "SearchItems"),
        ("test an entry", "SearchItems"),
        ("read a password", "GetSecret"),
        ("read a password", "OpenSession"),
        ("read a folder's entries", "GetSecrets"),
        ("write a new password", "CreateItem"),
        ("overwrite a password", "CreateItem"),
        ("rename an entry", "CreateItem"),
        ("remove an entry", "Delete"),
        ("remove a folder", "Delete"),
    )
    for name, member in pairs:
        yield row(
            f"{name}, {member}, late",
            f"{name}: the provider answers {member} after our patience ended",
            FAILED,
            functools.partial(_late, deed=BY_NAME[name], member=member),
        )


# --- errors by name -----------------------------------------------------------------------------

ERRORS = {
    "org.freedesktop.Secret.Error.IsLocked": "locked",
    "org.freedesktop.Secret.Error.NoSession": "no session, whatever we open",
    "org.freedesktop.Secret.Error.NoSuchObject": "no such object, though there is",
    "org.freedesktop.DBus.Error.AccessDenied": "access denied",
    "org.freedesktop.DBus.Error.LimitsExceeded": "limits exceeded",
    "org.freedesktop.DBus.Error.NoMemory": "out of memory",
    "org.freedesktop.DBus.Error.FileNotFound": "its file is gone",
    "org.freedesktop.DBus.Error.IOError": "its disk is full",
    "org.freedesktop.DBus.Error.TimedOut": "timed out",
    "org.freedesktop.DBus.Error.UnknownMethod": "unknown method",
}


def _error(world: World, *, deed: Deed, member: str, name: str) -> str:
    faults = [Fault(error=name)] * MANY
    return meet(world, deed, lambda w: w.fake.fail(member, *faults), expected=FAILED)


def _errors() -> Iterator[Case]:
    for (name, words), (deed, member) in itertools.product(
        ERRORS.items(), ((READ, "GetSecret"), (OVERWRITE, "CreateItem"), (REMOVE, "Delete"))
    ):
        yield row(
            f"{deed.name}, {name.rpartition('.')[2]}",
            f"{deed.name}: the provider says of {member}: {words}",
            FAILED,
            functools.partial(_error, deed=deed, member=member, name=name),
        )
    yield row(
        "remove an entry, gone",
        "remove an entry: somebody else removed it at the same moment",
        RIGHT,
        _gone,
    )


def _gone(world: World) -> str:
    """An item that is gone when it is to be deleted was deleted."""

    def arm(world: World) -> None:
        # Without a signal, as when the signal is still under way.
        world.fake.do(_drop_password)

    return meet(world, REMOVE, arm, expected=RIGHT)


def _drop_password(fake: FakeProvider) -> None:
    for collection in fake.vault.collections.values():
        for path, item in list(collection.items.items()):
            if item.attributes.get("user") == PASSWORD[1]:
                del collection.items[path]


# --- secrets that are none ----------------------------------------------------------------------


def _cut(world: World, *, deed: Deed, size: int) -> str:
    def arm(world: World) -> None:
        world.fake.provider.sessions.cut_secrets = size

    return meet(world, deed, arm, expected=FAILED)


def _key(world: World, *, deed: Deed, key: bytes) -> str:
    """A wrong public key; nothing that is written may then reach the provider in clear."""

    def arm(world: World) -> None:
        world.forget()
        world.open()
        world.fake.provider.sessions.public_key = key

    answer = meet(world, deed, arm, expected=FAILED)
    items = world.fake.provider.vault.collections[world.collection].items.values()
    assert all(b" new" not in item.secret for item in items)
    return answer


KEYS = {
    "of no bytes": b"",
    "zero": bytes(128),
    "one": b"\1",
    "p - 1": (dh.PRIME - 1).to_bytes(128, "big"),
    "longer than the group": b"\2" * 129,
    "of somebody else": dh.public_key(12345),
}


def _secrets() -> Iterator[Case]:
    for deed, size in itertools.product((READ, OVERWRITE), (1, 15, 16)):
        yield row(
            f"{deed.name}, cut by {size}",
            f"{deed.name}: every secret comes back {size} bytes too short",
            FAILED,
            functools.partial(_cut, deed=deed, size=size),
        )
    for deed, (words, key) in itertools.product((READ, OVERWRITE), KEYS.items()):
        yield row(
            f"{deed.name}, key {words}",
            f"{deed.name}: the provider's public key is {words}",
            FAILED,
            functools.partial(_key, deed=deed, key=key),
        )
    for deed in (READ, OVERWRITE, BY_NAME["read a folder's entries"]):
        yield row(
            f"{deed.name}, session lost",
            f"{deed.name}: the provider has forgotten our session",
            RIGHT,
            functools.partial(
                meet,
                deed=deed,
                arm=lambda world: world.fake.do(lambda fake: fake.sessions.forget()),
                expected=RIGHT,
            ),
        )


# --- prompts ------------------------------------------------------------------------------------

STYLES = {
    "dismiss": ("the person says no", FAILED),
    "slash": ("the person says no, and the prompt names /", FAILED),
    "error": ("the prompt cannot be shown", FAILED),
    "twice": ("the prompt is completed twice, with two answers", RIGHT),
    "bad-variant": ("the prompt is completed with a variant of a wrong type", EITHER),
    "half-made": ("the prompt fails when half of the work is done", EITHER),
}
PROMPTED = {
    "unlock a wallet": "Unlock",
    "create a wallet": "CreateCollection",
    "write a new password": "CreateItem",
    "overwrite a password": "CreateItem",
    "remove an entry": "Delete",
}


def _style(world: World, *, deed: Deed, member: str, style: str, expected: str) -> str:
    def arm(world: World) -> None:
        world.fake.provider.prompts_for.add(member)
        world.fake.provider.prompts.style = style

    return meet(world, deed, arm, expected=expected)


def _prompts() -> Iterator[Case]:
    for (name, member), (style, (words, expected)) in itertools.product(
        PROMPTED.items(), STYLES.items()
    ):
        yield row(
            f"{name}, prompt, {style}",
            f"{name}: {words}",
            expected,
            functools.partial(
                _style, deed=BY_NAME[name], member=member, style=style, expected=expected
            ),
        )


def _ask_open(world: World) -> int:
    return world.client.send(
        world.client.service,
        world.client.object_path,
        "org.kde.KWallet",
        "open",
        "sxs",
        [WALLET, 0, APP],
    )


def _start_prompt(world: World) -> int:
    world.lock()
    world.fake.do(lambda fake: fake.prompts.shown.clear())
    world.fake.provider.prompts.style = "never"
    serial = _ask_open(world)
    world.wait_for_prompt()
    return serial


def _others_meanwhile(world: World) -> str:
    """A prompt nobody answers holds up its own caller only, and is answered at last."""
    before = world.begin()
    serial = _start_prompt(world)
    with world.bus.client() as other:
        assert other.ask("isEnabled").value is True
        assert other.ask("wallets").value == [WALLET]
    world.fake.do(lambda fake: fake.prompts.answer(next(iter(fake.prompts.open))))
    handle = world.client.wait_reply(serial).value
    assert isinstance(handle, int)
    assert handle > 0
    world.handle = handle
    world.compare(before, before, done=True)
    world.check_log()
    return "the right answer, at last"


def _shared_prompt(world: World) -> str:
    """Twenty programs that open a locked wallet cost one prompt."""
    world.begin()
    world.fake.provider.prompts.windows.clear()
    first = _start_prompt(world)
    others = [_ask_open(world) for _ in range(20)]
    world.client.flush()
    world.fake.do(lambda fake: fake.prompts.answer(next(iter(fake.prompts.open))))
    handles = {world.client.wait_reply(serial).value for serial in (first, *others)}
    assert len(handles) == 1
    assert len(world.fake.provider.prompts.windows) == 1
    world.check_log()
    return "one prompt, one handle for all"


def _prompt_dies(world: World) -> str:
    """The provider dies under an open prompt: the open fails, the next one works."""
    before = world.begin()
    serial = _start_prompt(world)
    world.fake.run(world.fake.provider.stop())
    assert world.client.wait_reply(serial).value == -1
    world.serve_again()
    world.compare(before, before, done=True)
    world.check_log()
    return "-1"


def _prompt_left(world: World) -> str:
    """Who waits for an asynchronous open and leaves takes the prompt along."""
    before = world.begin()
    world.lock()
    world.fake.do(lambda fake: fake.prompts.shown.clear())
    world.fake.do(lambda fake: fake.prompts.gone.clear())
    world.fake.provider.prompts.style = "never"
    leaver = world.bus.client()
    assert leaver.ask("openAsync", "sxsb", WALLET, 0, "leaver", True).value != -1
    world.wait_for_prompt()
    leaver.close()

    async def gone() -> None:
        async with asyncio.timeout(10):
            await world.fake.provider.prompts.gone.wait()

    world.fake.run(gone())
    world.fake.provider.prompts.style = "accept"
    world.serve_again(restart=False)
    world.compare(before, before, done=True)
    world.check_log()
    return "the prompt was taken back"


# --- lies and forgeries -------------------------------------------------------------------------


def _signals_of_loss(fake: FakeProvider) -> None:
    for path, collection in fake.vault.collections.items():
        for item in collection.items:
            fake.emit(path, "Collection", "ItemDeleted", "o", [item])
        fake.emit(ROOT, "Service", "CollectionDeleted", "o", [path])


def _signals_of_nonsense(fake: FakeProvider) -> None:
    for member, signature, body in (
        ("CollectionCreated", "i", [5]),
        ("CollectionChanged", "", []),
        ("CollectionDeleted", "o", ["/"]),
        ("CollectionDeleted", "as", [["x"]]),
        ("Completed", "s", ["x"]),
    ):
        fake.emit(ROOT, "Service", member, signature, list(body))
        fake.emit(f"{ROOT}/prompt/p1", "Prompt", member, signature, list(body))
        fake.emit(next(iter(fake.vault.collections)), "Collection", member, signature, list(body))


async def _forge(address: str, path: str) -> None:
    stranger = await BusConnection.connect(address)
    for member in ("CollectionDeleted", "CollectionChanged"):
        stranger.emit(ROOT, SECRET + "Service", member, "o", [path])
    stranger.emit(path, SECRET + "Collection", "ItemDeleted", "o", [f"{path}/1"])
    stranger.emit(
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
        "NameOwnerChanged",
        "sss",
        ["org.freedesktop.secrets", ":1.1", ""],
    )
    await stranger.flush()
    stranger.close()
    await asyncio.wait([stranger.lost])


def _forgery(world: World) -> str:
    """Signals that a stranger sends in the provider's name change nothing."""
    before = world.begin()
    world.fake.run(_forge(world.bus.address, world.collection))
    world.client.flush()
    assert world.client.ask("isOpen", "i", world.handle).value is True
    world.note_signals()
    assert world.handle not in world.closed
    world.compare(before, before, done=True)
    world.check_log()
    return "nothing changes"


def _lie(lie: Callable[[FakeProvider], None]) -> Callable[[World], None]:
    return lambda world: world.fake.do(lie)


# --- comings and goings -------------------------------------------------------------------------


def _replaced_while_idle(world: World) -> str:
    before = world.begin()
    world.fake.restart()
    world.serve_again(restart=False)
    world.compare(before, before, done=True)
    world.check_log()
    return "the handle was announced closed"


def _replaced_often(world: World) -> str:
    before = world.begin()
    for _ in range(10):
        world.fake.restart()
    world.serve_again(restart=False)
    world.compare(before, before, done=True)
    world.check_log()
    return "the handle was announced closed"


def _replaced_under_reads(world: World) -> str:
    """Of a hundred reads under way each is answered rightly or fails; none finds nothing."""
    before = world.begin()
    target = (world.client.service, world.client.object_path, "org.kde.KWallet")
    body = [world.handle, *PASSWORD, APP]
    world.fake.fail("GetSecret", *[Fault()] * 20, Fault(die="before"))
    serials = [world.client.send(*target, "readPassword", "isss", body) for _ in range(100)]
    answers = [world.client.wait_reply(serial) for serial in serials]
    world.note_signals()
    right = sum(answer.body == (CANARY,) for answer in answers)
    for answer in answers:
        # After the wallet was announced closed, its handle is refused as kwalletd refuses it.
        assert answer.error or answer.body == (CANARY,) or world.handle in world.closed
    assert right >= 20
    world.serve_again()
    world.compare(before, before, done=True)
    world.check_log()
    return "right before, a D-Bus error at, refused after the announced closing"


def _away(world: World) -> str:
    """Without a provider everything fails soon, and nothing answers "absent"."""
    before = world.begin()
    world.fake.run(world.fake.provider.stop())
    client = world.client
    client.flush()
    assert client.ask("open", "sxs", WALLET, 0, APP).value == -1
    # Only now: as long as opens wait for the provider, one may yet succeed.
    assert client.ask("isEnabled").value is False
    assert client.ask("wallets").error
    assert client.ask("keyDoesNotExist", "sss", WALLET, *PASSWORD).error
    assert client.ask("deleteWallet", "s", WALLET).value == -1
    world.serve_again()
    world.compare(before, before, done=True)
    world.check_log()
    return "-1 or a D-Bus error"


def _locked_behind(world: World) -> str:
    """A wallet locked by somebody else is announced closed, and reads are refused."""
    before = world.begin()
    world.lock()
    reply = world.client.ask("readPassword", "isss", world.handle, *PASSWORD, APP)
    assert reply.error or reply.value == ""
    assert world.handle in world.closed
    world.serve_again(restart=False)
    world.compare(before, before, done=True)
    world.check_log()
    return "the handle was announced closed"


def _client_gone(world: World) -> str:
    """A write whose client is gone before the answer is carried out all the same."""
    before = world.begin()
    late = asyncio.Event()
    world.fake.fail("CreateItem", Fault(wait=late))
    body = [world.handle, "f", "new", CANARY, APP]
    with world.bus.client() as leaver:
        leaver.send(
            leaver.service, leaver.object_path, "org.kde.KWallet", "writePassword", "issss", body
        )
        leaver.flush_bus()
    world.client.flush()
    world.fake.do(lambda _: late.set())
    world.serve_again(restart=False)
    after = before | {("f", "new"): qtstream.encode_string(CANARY)}
    # The next write waits for the one before it: both hold the folder.
    assert world.client.ask("createFolder", "iss", world.handle, "f", APP).value is False
    world.compare(before, after, done=True)
    world.check_log()
    return "written"


def _crowd(world: World) -> str:
    """A thousand clients at once are all answered rightly."""
    before = world.begin()
    with contextlib.ExitStack() as stack:
        _ask_all([stack.enter_context(world.bus.client()) for _ in range(1000)], world.handle)
    world.compare(before, before, done=True)
    world.check_log()
    return "all answered rightly"


def _ask_all(clients: list[KWalletClient], handle: int) -> None:
    """Have every client open the wallet and read, all before the first answer is taken."""
    target = (clients[0].service, clients[0].object_path, "org.kde.KWallet")
    opens = [client.send(*target, "open", "sxs", [WALLET, 0, APP]) for client in clients]
    handles = {
        client.wait_reply(serial).value for client, serial in zip(clients, opens, strict=True)
    }
    assert handles == {handle}
    body = [handle, *PASSWORD, APP]
    reads = [client.send(*target, "readPassword", "isss", body) for client in clients]
    for client, serial in zip(clients, reads, strict=True):
        assert client.wait_reply(serial).value == CANARY


STORIES = (
    row("prompt unanswered", "a prompt that nobody answers for long", RIGHT, _others_meanwhile),
    row("prompt shared", "twenty programs wait for one prompt", RIGHT, _shared_prompt),
    row("prompt dies", "the provider dies while its prompt is open", FAILED, _prompt_dies),
    row("prompt left", "the program that waits for a prompt ends", RIGHT, _prompt_left),
    row(
        "lies of loss",
        "the provider announces that everything is gone, which is not true",
        RIGHT,
        functools.partial(meet, deed=READ, arm=_lie(_signals_of_loss), expected=RIGHT),
    ),
    row(
        "nonsense",
        "the provider sends signals of wrong types",
        RIGHT,
        functools.partial(meet, deed=READ, arm=_lie(_signals_of_nonsense), expected=RIGHT),
    ),
    row(
        "forgery", "a stranger sends signals in the provider's and the bus's name", RIGHT, _forgery
    ),
    row(
        "replaced, idle",
        "the provider is replaced under a new unique name",
        RIGHT,
        _replaced_while_idle,
    ),
    row("replaced, often", "the provider is replaced ten times in a row", RIGHT, _replaced_often),
    row(
        "replaced, busy",
        "the provider is replaced while a hundred reads are under way",
        EITHER,
        _replaced_under_reads,
    ),
    row("away", "there is no provider for a while", FAILED, _away),
    row("locked behind", "another program locks the wallet", RIGHT, _locked_behind),
    row("client gone", "the client is gone before its write is answered", RIGHT, _client_gone),
    row("crowd", "a thousand clients at once", RIGHT, _crowd),
)

CASES = (*_silences(), *_errors(), *_secrets(), *_prompts(), *STORIES)
