# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrator's own items in the provider: what a run replaced, and the key of its digests.

Both have schemas of their own and neither ``server`` nor ``user``: no program lists them as
entries. What was replaced is kept whole (label, attributes, content type, secret) inside the
secret, so that nothing of it is readable while the provider is locked.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.errors import MigrationError
from kwallet_bridge.migrate.wishes import OWN_SCHEMA_PREFIX
from kwallet_bridge.secret import Secret
from kwallet_bridge.store import codec
from kwallet_bridge.store.port import CollectionId, ItemInfo, ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.store.port import ItemBackend, ItemId

REPLACED_SCHEMA = OWN_SCHEMA_PREFIX + "Replaced"
KEY_SCHEMA = OWN_SCHEMA_PREFIX + "JournalKey"
Pair = tuple[ItemInfo, ItemSecret]

_RUN = "run"
_ROW = "row"
_OF = "of"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Kept:
    """One item that a run replaced, and where it is kept."""

    id: ItemId
    step: int
    item: NewItem


async def ensure_key(backend: ItemBackend, collection: CollectionId, run: str) -> Secret:
    """Give the key of a run's digests, made at its first use."""
    found = await find_key(backend, collection, run)
    if found is not None:
        return found
    fresh = base64.b64encode(secrets.token_bytes(_KEY_BYTES))
    attributes = {codec.SCHEMA: KEY_SCHEMA, _RUN: run}
    item = NewItem("kwallet-bridge: undo of a migration", attributes, ItemSecret(Secret(fresh)))
    await backend.create_item(collection, item, replace=False)
    return Secret(fresh)


async def find_key(backend: ItemBackend, collection: CollectionId, run: str) -> Secret | None:
    """Find the key of a run's digests."""
    query = {codec.SCHEMA: KEY_SCHEMA, _RUN: run}
    found = await backend.read_secrets(await backend.search(collection, query))
    keys = sorted(secret.value.reveal() for secret in found.values())
    return Secret(keys[0]) if keys else None


async def keep(
    backend: ItemBackend,
    collection: CollectionId,
    *,
    run: str,
    row: int,
    items: Sequence[Pair],
) -> None:
    """Keep items before a run replaces them, unless an earlier attempt has kept them already.

    Raises:
        MigrationError: The provider does not give back what it was asked to keep.
    """
    query = {codec.SCHEMA: REPLACED_SCHEMA, _RUN: run, _ROW: str(row)}
    found = await backend.read_items(await backend.search(collection, query))
    if any(info.attributes.get(_OF) == str(len(found)) for info in found.values()):
        return
    for info in found.values():  # cut off in the middle, so nothing was replaced yet
        await backend.delete_item(info.id)
    attributes = query | {_OF: str(len(items))}
    for info, secret in items:
        packed = _pack(info, secret)
        item = NewItem("kwallet-bridge: replaced by a migration", attributes, ItemSecret(packed))
        kept = await backend.create_item(collection, item, replace=False)
        back = (await backend.read_secrets([kept])).get(kept)
        if back is None or back.value != packed:
            raise MigrationError("the provider does not keep what would be replaced")


async def find_kept(backend: ItemBackend, collection: CollectionId, run: str) -> list[Kept]:
    """Find everything a run replaced."""
    query = {codec.SCHEMA: REPLACED_SCHEMA, _RUN: run}
    found = await backend.search(collection, query)
    infos = await backend.read_items(found)
    values = await backend.read_secrets(found)
    return [
        Kept(item, int(infos[item].attributes[_ROW]), _unpack(values[item].value))
        for item in found
        if item in infos and item in values
    ]


async def forget(backend: ItemBackend, collection: CollectionId, run: str) -> int:
    """Remove what is kept of a run and its key; gives the number of kept items removed."""
    kept = await backend.search(collection, {codec.SCHEMA: REPLACED_SCHEMA, _RUN: run})
    keys = await backend.search(collection, {codec.SCHEMA: KEY_SCHEMA, _RUN: run})
    for item in [*kept, *keys]:
        await backend.delete_item(item)
    return len(kept)


def _pack(info: ItemInfo, secret: ItemSecret) -> Secret:
    fields = {
        "label": info.label,
        "attributes": codec.own_attributes(info.attributes),
        "content_type": secret.content_type,
        "secret": base64.b64encode(secret.value.reveal()).decode(),
    }
    # base64 once more: providers that expand placeholders in text find none.
    return Secret(base64.b64encode(json.dumps(fields).encode()))


def _unpack(packed: Secret) -> NewItem:
    try:
        fields = json.loads(base64.b64decode(packed.reveal(), validate=True))
        value = base64.b64decode(fields["secret"], validate=True)
        secret = ItemSecret(Secret(value), fields["content_type"])
        return NewItem(fields["label"], fields["attributes"], secret)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise MigrationError("an item kept for undoing is damaged") from error
