# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client does while the provider fails: one row per kind of call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fault.daemon_world import APP, CANARY, SEED, WALLET, Data, World

from kwallet_bridge import qtstream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.client import Reply

NEW = f"{CANARY} new"
NEW_STORED = qtstream.encode_string(NEW)
PASSWORD = ("f", "password")


def a_handle(value: object) -> bool:
    """Tell whether an open succeeded."""
    return isinstance(value, int) and value > 0


@dataclass(frozen=True, slots=True)
class Deed:
    """A call, what answers are right, which answer says that it failed, and what it changes.

    ``stage``: ``warm`` (the wallet is open and known), ``cold`` (open, nothing known), ``closed``
    or ``locked``. ``asks`` are the provider's members that it needs.
    """

    name: str
    member: str
    signature: str
    arguments: Callable[[World], Sequence[object]]
    right: Callable[[object], bool]
    asks: tuple[str, ...]
    stage: str = "warm"
    refused: tuple[object, ...] = ()
    change: Callable[[Data], Data] = dict

    def prepare(self, world: World, arm: Callable[[World], None]) -> None:
        """Bring about the stage, and the fault.

        A daemon looks at once what came back with its provider, and need not ask again later: what
        is to fail at a closed wallet must fail from the first moment on.
        """
        if self.stage == "closed":
            world.forget(arm)
            return
        if self.stage == "cold":
            world.forget()
            world.open()
        if self.stage == "locked":
            world.lock()
        arm(world)

    def do(self, world: World) -> Reply:
        """Make the call."""
        return world.client.ask(self.member, self.signature, *self.arguments(world))

    def judge(self, reply: Reply) -> str:
        """Name the answer: ``right``, or how it reports failure; a wrong one fails the test."""
        if reply.error:
            return "a D-Bus error"
        if self.right(reply.value):
            return "the right answer"
        assert reply.value in self.refused, f"{self.member} answered wrongly: {reply.body!r}"
        return str(reply.value).lower()


def _with(place: tuple[str, str], value: bytes | None) -> Callable[[Data], Data]:
    def change(data: Data) -> Data:
        changed = {other: old for other, old in data.items() if other != place}
        return changed if value is None else changed | {place: value}

    return change


def _renamed(data: Data) -> Data:
    moved = _with(PASSWORD, None)(data)
    return moved | {("f", "renamed"): data[PASSWORD]}


def _without(folder: str) -> Callable[[Data], Data]:
    return lambda data: {place: value for place, value in data.items() if place[0] != folder}


def _is(*wanted: object) -> Callable[[object], bool]:
    return lambda value: any(value == one and type(value) is type(one) for one in wanted)


def _folder(world: World) -> Sequence[object]:
    return world.handle, "f", APP


def _entry(world: World) -> Sequence[object]:
    return world.handle, *PASSWORD, APP


_PASSWORDS = {"password": ("s", CANARY)}
_LIST = sorted(key for folder, key in SEED if folder == "f")

DEEDS = (
    Deed(
        "open a wallet",
        "open",
        "sxs",
        lambda _: (WALLET, 0, APP),
        a_handle,
        ("Get", "GetAll"),
        stage="closed",
        refused=(-1,),
    ),
    Deed(
        "unlock a wallet",
        "open",
        "sxs",
        lambda _: (WALLET, 0, APP),
        a_handle,
        ("Unlock", "Prompt"),
        stage="locked",
        refused=(-1,),
    ),
    Deed(
        "create a wallet",
        "open",
        "sxs",
        lambda _: ("second", 0, APP),
        a_handle,
        ("CreateCollection", "Prompt", "CreateItem"),
        refused=(-1,),
    ),
    Deed(
        "list wallets",
        "wallets",
        "",
        lambda _: (),
        _is([WALLET]),
        ("Get", "GetAll"),
        stage="closed",
    ),
    Deed(
        "list folders",
        "folderList",
        "is",
        lambda w: (w.handle, APP),
        lambda value: isinstance(value, list) and {"f", "g"} <= set(value),
        ("Get", "GetAll"),
        stage="cold",
    ),
    Deed("test a folder", "hasFolder", "iss", _folder, _is(True), ("SearchItems",), stage="cold"),
    Deed(
        "list entries",
        "entryList",
        "iss",
        _folder,
        lambda value: value == _LIST,
        ("SearchItems", "GetAll"),
        stage="cold",
    ),
    Deed(
        "test an entry",
        "hasEntry",
        "isss",
        _entry,
        _is(True),
        ("SearchItems", "GetAll"),
        stage="cold",
    ),
    Deed(
        "test without opening",
        "keyDoesNotExist",
        "sss",
        lambda _: (WALLET, *PASSWORD),
        _is(False),
        ("Get", "SearchItems"),
        stage="closed",
    ),
    Deed(
        "read a password",
        "readPassword",
        "isss",
        _entry,
        _is(CANARY),
        ("SearchItems", "OpenSession", "GetSecret"),
        stage="cold",
    ),
    Deed(
        "read a folder's passwords",
        "passwordList",
        "iss",
        _folder,
        lambda value: value in ({"password": ["s", CANARY]}, _PASSWORDS),
        ("SearchItems", "GetSecret"),
        stage="cold",
    ),
    Deed(
        "read a folder's entries",
        "entriesList",
        "iss",
        _folder,
        lambda value: isinstance(value, dict) and sorted(value) == _LIST,
        ("GetSecrets",),
    ),
    Deed(
        "write a new password",
        "writePassword",
        "issss",
        lambda w: (w.handle, "f", "new", NEW, APP),
        _is(0),
        ("CreateItem", "GetSecret"),
        refused=(-1,),
        change=_with(("f", "new"), NEW_STORED),
    ),
    Deed(
        "overwrite a password",
        "writePassword",
        "issss",
        lambda w: (w.handle, *PASSWORD, NEW, APP),
        _is(0),
        ("GetSecret", "CreateItem"),
        refused=(-1,),
        change=_with(PASSWORD, NEW_STORED),
    ),
    Deed(
        "rename an entry",
        "renameEntry",
        "issss",
        lambda w: (w.handle, *PASSWORD, "renamed", APP),
        _is(0),
        ("GetSecret", "CreateItem", "Delete"),
        refused=(-1,),
        change=_renamed,
    ),
    Deed(
        "remove an entry",
        "removeEntry",
        "isss",
        _entry,
        _is(0),
        ("Delete",),
        refused=(-1,),
        change=_with(PASSWORD, None),
    ),
    Deed(
        "create a folder",
        "createFolder",
        "iss",
        lambda w: (w.handle, "made", APP),
        _is(True),
        ("CreateItem", "SearchItems"),
        refused=(False,),
    ),
    Deed(
        "remove a folder",
        "removeFolder",
        "iss",
        _folder,
        _is(True),
        ("Delete",),
        refused=(False,),
        change=_without("f"),
    ),
    Deed(
        "delete a wallet",
        "deleteWallet",
        "s",
        lambda _: (WALLET,),
        _is(0),
        ("Delete",),
        refused=(-1,),
        change=lambda _: {},
    ),
    Deed(
        "close a wallet for good",
        "close",
        "ibs",
        lambda w: (w.handle, True, APP),
        _is(0),
        ("Lock",),
        refused=(-1,),
    ),
)
BY_NAME = {deed.name: deed for deed in DEEDS}
