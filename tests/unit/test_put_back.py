# SPDX-License-Identifier: GPL-3.0-or-later
"""A write that fails, or wins, removes what it made itself and what it replaced; nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.entries import password, stream

from kwallet_bridge.errors import (
    ReadBackError,
    StoreConflictError,
    StoreError,
    StoreRefusedError,
    StoreTimeoutError,
)
from kwallet_bridge.model import FolderName, Key, WalletName
from kwallet_bridge.store.entries import EntryStore
from kwallet_bridge.store.memory import MemoryBackend
from kwallet_bridge.store.port import Quirks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kwallet_bridge.model import Entry

W = WalletName("kdewallet")
F = FolderName("Chrome")
K = Key("Safe Storage")
OURS = {"server": F, "user": K, "type": "plaintext", "xdg:schema": "org.qt.keychain"}
OTHER_TYPE = OURS | {"type": "base64"}
OLD_STREAM = b"b2xk"
"""As the item of the stream ``old`` holds it."""
QUIRKS = [
    Quirks(),
    Quirks(replaces_exact_only=True, delete_takes_supersets=True),
    Quirks(schemaless_twins=True, rewrites_maps=True),
]


class Fixture:
    """A store over memory, and another program that writes at a chosen moment."""

    def __init__(self, quirks: Quirks | None = None) -> None:
        self.memory = MemoryBackend(quirks or Quirks())
        self.box = self.memory.add_collection(W, alias="default")
        self.store = EntryStore(self.memory)

    def values(self) -> list[bytes]:
        """Every value there is."""
        return sorted(value for _, _, value, _ in self.memory.dump(self.box))

    def then(
        self, call: str, deed: Callable[[], None], *, error: StoreError | None, after: int = 0
    ) -> None:
        """Do ``deed`` and fail when ``call`` is made once more than ``after`` times."""
        left = [after]

        async def gate(called: str) -> None:
            if called != call:
                return
            left[0] -= 1
            if left[0] == -1:
                deed()
                if error is not None:
                    raise error

        self.memory.gate = gate

    def add(self, attributes: Mapping[str, str], value: bytes) -> Callable[[], None]:
        """Give another program's write of an item of its own."""
        return lambda: void(self.memory.add_item(self.box, attributes, value))


def void(_: object) -> None:
    """Want no answer."""


@pytest.mark.parametrize("quirks", QUIRKS)
@pytest.mark.parametrize("theirs", [OURS, OTHER_TYPE])
@pytest.mark.parametrize("old", [None, password("old"), stream(b"old")])
@pytest.mark.parametrize(
    ("call", "after", "error"),
    [
        ("create_item", 0, StoreRefusedError("no")),
        ("create_item", 0, StoreTimeoutError("late")),
        ("read_secrets", 1, StoreRefusedError("no")),
    ],
)
async def test_a_failed_write_leaves_what_others_wrote_meanwhile(
    quirks: Quirks,
    theirs: Mapping[str, str],
    old: Entry | None,
    call: str,
    after: int,
    error: StoreError,
) -> None:
    """An item that another program put under the key while we failed is there afterwards."""
    it = Fixture(quirks)
    if old is not None:
        await it.store.write(W, F, K, old)
    it.then(call, it.add(theirs, b"theirs"), error=error, after=after - (old is None and after > 0))
    with pytest.raises(type(error)):
        await it.store.write(W, F, K, password("new"))
    it.memory.gate = None
    assert b"theirs" in it.values()
    assert b"new" not in it.values()


async def test_a_failed_write_restores_nothing_that_others_changed() -> None:
    """An old item that another program wrote over keeps the newer value."""
    it = Fixture(Quirks(items_lock_singly=True))
    await it.store.write(W, F, K, password("old"))
    (item,) = await it.memory.search(it.box, {})
    it.then(
        "create_item",
        lambda: it.memory.change_item(item, b"theirs"),
        error=StoreRefusedError("no"),
    )
    with pytest.raises(StoreRefusedError):
        await it.store.write(W, F, K, password("new"))
    it.memory.gate = None
    assert it.values() == [b"theirs"]


@pytest.mark.parametrize("quirks", QUIRKS)
async def test_an_answer_that_was_lost_costs_nobody_anything(quirks: Quirks) -> None:
    """Of an item whose making was never answered and its older copy none is removed by guess."""
    it = Fixture(quirks)
    await it.store.write(W, F, K, stream(b"old"))
    create = it.memory.create_item

    async def create_and_lose(*arguments: object, **keywords: object) -> object:
        await create(*arguments, **keywords)  # type: ignore[arg-type]
        raise StoreTimeoutError("late")

    it.memory.create_item = create_and_lose  # type: ignore[assignment]
    with pytest.raises(StoreTimeoutError):
        await it.store.write(W, F, K, password("new"))
    del it.memory.create_item
    assert await it.store.read(W, F, K) in (password("new"), stream(b"old"))
    assert OLD_STREAM in it.values() or it.memory.quirks.replaces_exact_only


async def test_a_write_leaves_what_others_wrote_at_the_same_time() -> None:
    """An item made while ours was is no older copy of it."""
    it = Fixture()
    await it.store.write(W, F, K, stream(b"old"))
    it.then("read_secrets", it.add(OTHER_TYPE, b"theirs"), error=None, after=1)
    await it.store.write(W, F, K, password("new"))
    it.memory.gate = None
    assert it.values() == [b"new", b"theirs"]


async def test_older_copies_go_although_nobody_told_of_them() -> None:
    """A twin from before the write is replaced, known or not."""
    it = Fixture()
    await it.store.write(W, F, K, password("old"))
    it.then(
        "read_secrets",
        lambda: void(it.memory.add_item(it.box, OTHER_TYPE, b"twin", modified=9)),
        error=None,
        after=1,
    )
    await it.store.write(W, F, K, password("new"))
    it.memory.gate = None
    assert it.values() == [b"new"]


async def test_a_spoiled_write_over_a_twin_of_others() -> None:
    """What the provider altered goes, the old value comes back, theirs stays."""
    it = Fixture()
    await it.store.write(W, F, K, stream(b"old"))
    it.memory.spoil = lambda value: value + b"!" if value == b"new" else value
    made: list[object] = []

    async def gate(called: str) -> None:
        if called == "create_item" and not made:
            made.append(it.memory.add_item(it.box, {**OURS, "type": "map"}, b"{}"))

    it.memory.gate = gate
    with pytest.raises(ReadBackError):
        await it.store.write(W, F, K, password("new"))
    it.memory.gate = None
    assert it.values() == [OLD_STREAM, b"{}"]


async def test_a_rename_removes_no_value_that_it_did_not_move() -> None:
    """What another program writes under the old key meanwhile stays there."""
    it = Fixture()
    await it.store.write(W, F, K, password("old"))
    (item,) = await it.memory.search(it.box, {})
    it.then("create_item", lambda: it.memory.change_item(item, b"theirs"), error=None)
    with pytest.raises(StoreConflictError):
        await it.store.rename(W, F, K, new_key=Key("moved"))
    it.memory.gate = None
    assert it.values() == [b"old", b"theirs"]
