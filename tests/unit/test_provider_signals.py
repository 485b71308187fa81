# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from kwallet_bridge.bus.port import Signal, Variant
from kwallet_bridge.secretservice import names
from kwallet_bridge.secretservice.prompt import PromptAnswer, read_answer
from kwallet_bridge.secretservice.quirks import KEEPASSXC, SPECIFICATION
from kwallet_bridge.secretservice.signals import interpret
from kwallet_bridge.store.port import (
    BackendEvent,
    CollectionId,
    CollectionsTouched,
    ItemId,
    ItemTouched,
    Quirks,
)

LOGIN = CollectionId("/org/freedesktop/secrets/collection/login")
DEFAULT = "/org/freedesktop/secrets/aliases/default"


def events(
    path: str,
    interface: str,
    member: str,
    *body: object,
    aliases: dict[str, str] | None = None,
    quirks: Quirks = SPECIFICATION,
) -> list[BackendEvent]:
    """Interpret one signal."""
    signal = Signal(":1.7", path, interface, member, "", body)
    return list(interpret(signal, aliases=aliases or {}, tag="3/", quirks=quirks))


@pytest.mark.parametrize("member", ["ItemCreated", "ItemChanged", "ItemDeleted"])
def test_item_signals_name_collection_and_item(member: str) -> None:
    """An item's signal becomes one event with the tagged item id."""
    item = f"{LOGIN}/5"
    expected = [ItemTouched(LOGIN, ItemId("3" + item))]
    assert events(LOGIN, names.COLLECTION, member, item) == expected


@pytest.mark.parametrize("body", [("/",), (), (7,), ("",)])
def test_signals_without_an_item_mean_all_of_them(body: tuple[object, ...]) -> None:
    """A signal with ``/``, nothing or nonsense for an item says "look at all"."""
    assert events(LOGIN, names.COLLECTION, "ItemDeleted", *body) == [ItemTouched(LOGIN, None)]


def test_alias_paths_are_the_collections_own() -> None:
    """A signal on an alias's path names the collection and item behind it."""
    seen = events(
        DEFAULT,
        names.COLLECTION,
        "ItemChanged",
        f"{DEFAULT}/5",
        aliases={"default": LOGIN},
    )
    assert seen == [ItemTouched(LOGIN, ItemId(f"3{LOGIN}/5"))]


def test_an_unknown_alias_touches_every_known_collection() -> None:
    """A signal on an alias nobody resolved is not lost."""
    seen = events(
        "/org/freedesktop/secrets/aliases/other",
        names.COLLECTION,
        "ItemCreated",
        "/x",
        aliases={"default": LOGIN},
    )
    assert seen == [ItemTouched(LOGIN, None)]


@pytest.mark.parametrize("member", ["CollectionCreated", "CollectionChanged", "CollectionDeleted"])
def test_collection_signals(member: str) -> None:
    """Each of the service's signals says that collections changed, and no more."""
    assert events(names.ROOT, names.SERVICE, member, LOGIN) == [CollectionsTouched()]


@pytest.mark.parametrize(
    ("changed", "invalidated", "expected"),
    [
        ({"Locked": Variant("b", value=True)}, [], [CollectionsTouched()]),
        ({}, ["Label"], [CollectionsTouched()]),
        ({"Items": Variant("ao", [])}, [], []),
        ({"Modified": Variant("t", 1)}, [], []),
    ],
)
def test_only_telling_properties_count(
    changed: dict[str, object], invalidated: list[str], expected: list[BackendEvent]
) -> None:
    """Lock and label of a collection matter; its list of items has signals of its own."""
    body = (names.COLLECTION, changed, invalidated)
    assert events(LOGIN, names.PROPERTIES, "PropertiesChanged", *body) == expected


def test_properties_of_an_item_touch_it() -> None:
    """An item's changed properties touch that item, even when the signal names none."""
    path = f"{LOGIN}/9"
    seen = events(path, names.PROPERTIES, "PropertiesChanged", names.ITEM, {}, [])
    assert seen == [ItemTouched(LOGIN, ItemId("3" + path))]


@pytest.mark.parametrize("body", [(), (5, 6, 7), (names.COLLECTION, None, None)])
def test_malformed_property_signals_say_nothing(body: tuple[object, ...]) -> None:
    """A PropertiesChanged of a wrong shape is no event and no error."""
    assert events(LOGIN, names.PROPERTIES, "PropertiesChanged", *body) == []


def test_lock_and_unlock_where_items_are_hidden() -> None:
    """KeePassXC's ItemDeleted may be a lock, and its CollectionChanged an unlock."""
    item = f"{LOGIN}/5"
    deleted = events(LOGIN, names.COLLECTION, "ItemDeleted", item, quirks=KEEPASSXC)
    assert CollectionsTouched() in deleted
    changed = events(names.ROOT, names.SERVICE, "CollectionChanged", LOGIN, quirks=KEEPASSXC)
    assert changed == [CollectionsTouched(), ItemTouched(LOGIN, None)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ((False, Variant("ao", [LOGIN])), PromptAnswer(dismissed=False, paths=[LOGIN])),
        ((False, Variant("o", LOGIN)), PromptAnswer(dismissed=False, paths=[LOGIN])),
        ((False, Variant("o", "/")), PromptAnswer(dismissed=False, paths=[])),
        ((False, Variant("s", "")), PromptAnswer(dismissed=False, paths=[])),
        ((False, Variant("a{sv}", {})), PromptAnswer(dismissed=False, paths=[])),
        ((False,), PromptAnswer(dismissed=False, paths=[])),
        ((True, Variant("ao", ["/"])), PromptAnswer(dismissed=True, paths=[])),
        ((True, Variant("o", LOGIN)), PromptAnswer(dismissed=True, paths=[LOGIN])),
        ((), PromptAnswer(dismissed=True, paths=[])),
        (("no", 5), PromptAnswer(dismissed=True, paths=[])),
        ((0, Variant("o", LOGIN)), PromptAnswer(dismissed=True, paths=[LOGIN])),
    ],
)
def test_completed_is_read_leniently(body: tuple[object, ...], expected: PromptAnswer) -> None:
    """Every form of ``Completed`` seen is understood, and nonsense counts as dismissed."""
    assert read_answer(body) == expected
