# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a keyring, as functions that can be done again on another version of it; no I/O."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.errors import StoreRefusedError
from kwallet_bridge.keyringfile import gvariant
from kwallet_bridge.keyringfile.format import (
    CONTENT_TYPE,
    ItemUnreadableError,
    Keyring,
    PlainItem,
    find_items,
    hashed_names,
    open_item,
    seal_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kwallet_bridge.keyringfile.keys import CipherKey

    Change = Callable[[Keyring, CipherKey], int]
    """Alters a keyring and gives the number of the item concerned.

    One that raises has altered nothing.
    """


def put_item(item: PlainItem, *, replaces: bool) -> Change:
    """Add an item, or replace one with the same attributes in its place.

    Attributes are the same when all are equal, as libsecret and oo7 compare them; the content
    type that oo7 files among them does not count.
    """

    def change(keyring: Keyring, key: CipherKey) -> int:
        now = int(time.time())
        old = _find_twin(keyring, key, item.attributes) if replaces else None
        if old is None:
            return keyring.add(seal_item(key, replace(item, created=now, modified=now)))
        number, held = old
        keyring.put(number, seal_item(key, replace(item, created=held.created, modified=now)))
        return number

    return change


def _find_twin(
    keyring: Keyring, key: CipherKey, attributes: Mapping[str, str]
) -> tuple[int, PlainItem] | None:
    wanted = {name: value for name, value in attributes.items() if name != CONTENT_TYPE}
    for number in find_items(key, keyring, wanted):
        raw = keyring.items[number]
        if hashed_names(raw) - {CONTENT_TYPE} == wanted.keys():
            try:
                return number, open_item(key, raw)
            except ItemUnreadableError:
                continue
    return None


def relabel_item(number: int, attributes: Mapping[str, str]) -> Change:
    """Give an item other attributes."""

    def change(keyring: Keyring, key: CipherKey) -> int:
        raw = keyring.items.get(number)
        if raw is None:
            raise StoreRefusedError("the item is gone")
        held = open_item(key, raw)
        kept = {k: v for k, v in held.attributes.items() if k == CONTENT_TYPE}
        item = replace(held, attributes={**kept, **attributes}, modified=int(time.time()))
        keyring.put(number, seal_item(key, item))
        return number

    return change


def drop_item(number: int) -> Change:
    """Delete an item; one that is gone already is no error."""

    def change(keyring: Keyring, key: CipherKey) -> int:  # noqa: ARG001  a Change
        keyring.remove(number)
        return number

    return change


def renumber(known: Keyring, fresh: Keyring) -> tuple[Keyring, set[int]]:
    """Give items of a version just read the numbers they are known by.

    An item is known by its bytes, which no other item can have, or else by its hashed attributes.
    Gives also the numbers of all that came, changed or went.
    """
    by_raw = {raw: number for number, raw in known.items.items()}
    gone = set(by_raw.values()) - {by_raw[r] for r in fresh.items.values() if r in by_raw}
    by_name = {_filed_under(known.items[number]): number for number in sorted(gone, reverse=True)}
    result = Keyring(fresh.header, {}, known.next_number)
    touched = set(known.items) - set(by_raw.values()) | gone
    for raw in fresh.items.values():
        number = by_raw.pop(raw, None)
        if number is None:
            number = by_name.pop(_filed_under(raw), None)
            if number is None:
                number = result.next_number
                result.next_number += 1
            touched.add(number)
        result.items[number] = raw
    return result, touched


def _filed_under(raw: bytes) -> bytes:
    try:
        return gvariant.split_pair(raw)[0]
    except gvariant.FramingError:
        return raw
