# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's item port over a Secret Service provider."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from kwallet_bridge.errors import (
    StoreError,
    StoreLockedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from kwallet_bridge.secretservice import names, reading, writing
from kwallet_bridge.secretservice.client import (
    READY_TIMEOUT,
    MalformedReplyError,
    ObjectGoneError,
    next_look,
)
from kwallet_bridge.secretservice.link import ProviderLink
from kwallet_bridge.secretservice.quirks import PROMPTERS, SAVE_LATE, UNKNOWN
from kwallet_bridge.secretservice.saving import make_nudge, wait_for_save
from kwallet_bridge.secretservice.signals import resolve
from kwallet_bridge.shared import join_or_start
from kwallet_bridge.store.port import Collection, CollectionId, ItemId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.secretservice.provider import Provider
    from kwallet_bridge.store.port import BackendEvent, ItemInfo, ItemSecret, NewItem, Quirks

T = TypeVar("T")

CALL_TIMEOUT = 25.0
START_TIMEOUT = 15.0
SETTLE_TIMEOUT = 3.0
"""Seconds after which a collection that was just unlocked is believed to be empty."""
_SETTLE_LOOK = 0.1
EMPTY_TIMEOUT = 10.0
"""Seconds after which a provider that shows no collection is believed to have none."""


class SecretServiceBackend:
    """Collections and items of whoever owns the Secret Service name; see ``store.port``.

    Item ids are object paths behind the provider's serial number: after a restart an old id is
    refused instead of naming another item. Collection ids are object paths.
    """

    def __init__(  # noqa: PLR0913  keyword-only
        self,
        bus: Bus,
        *,
        service_name: str = "",
        call_timeout: float = CALL_TIMEOUT,
        start_timeout: float = START_TIMEOUT,
        may_start: bool = True,
        spares: bool = False,
    ) -> None:
        """Use ``service_name``, or what the environment names, or the standard name.

        Without ``may_start`` a provider is never started, only met once it is there. With
        ``spares`` a write ends only when the provider is at rest: for whoever makes many of them.
        """
        self._spares = spares
        name = service_name or os.environ.get(names.BUS_NAME_VARIABLE) or names.BUS_NAME
        self._link = ProviderLink(
            bus,
            name,
            call_timeout=call_timeout,
            start_timeout=start_timeout,
            may_start=may_start,
        )

    @property
    def destination(self) -> str:
        """Name the store as a migration's ``--to`` does."""
        return names.SECRET_SERVICE

    @property
    def quirks(self) -> Quirks:
        """The provider's row; before the first successful call the most careful one."""
        provider = self._link.current
        return UNKNOWN if provider is None else provider.quirks

    @property
    def provider_kind(self) -> str:
        """Which provider it is, for people to read; "" if unknown or absent."""
        provider = self._link.current
        return "" if provider is None else provider.kind

    @property
    def encrypted(self) -> bool | None:
        """Whether secrets travel encrypted; None before the first one did."""
        provider = self._link.current
        if provider is None or provider.session is None:
            return None
        return provider.session.encrypted

    def subscribe(self, listener: Callable[[BackendEvent], None]) -> None:
        """Have ``listener`` told of every event from now on."""
        self._link.listeners.append(listener)

    async def _provider(self) -> Provider:
        """Give the provider, started if need be."""
        provider = self._link.current
        if provider is not None and provider.identified:
            return provider
        return await self._link.meet()

    async def _ask(self, question: Callable[[Provider], Awaitable[T]]) -> T:
        """Ask what names no object; once more, if the provider was replaced meanwhile."""
        provider = await self._provider()
        try:
            return await question(provider)
        except StoreUnavailableError:
            if not await self._link.is_replaced(provider):
                raise
        return await question(await self._provider())

    def _provider_of(self, items: Iterable[ItemId]) -> Provider:
        """Give the provider that gave out these ids."""
        provider = self._link.current
        if provider is None or not all(map(provider.owns, items)):
            raise StoreUnavailableError("the Secret Service provider went away meanwhile")
        return provider

    @property
    def is_present(self) -> bool:
        """Whether a provider is on the bus, as far as has been told."""
        return self._link.current is not None

    async def wait(self, seconds: float) -> None:
        """Return once a provider is there, at once if one is or can be started.

        Raises:
            StoreUnavailableError: None came in so many seconds.
        """
        await self._link.wait(seconds)

    # --- collections -----------------------------------------------------------------------

    async def is_reachable(self) -> bool:
        """Tell whether a provider is on the bus or can be started, without starting it."""
        return self._link.current is not None or await self._link.can_start()

    async def can_open(self, has_display: Callable[[], Awaitable[bool]]) -> bool:
        """Tell whether a collection is unlocked, or somebody can be asked to unlock or make one.

        True of a provider that shows windows of its own, or of which that is not known.
        """
        prompter = PROMPTERS.get((await self._provider()).kind)
        if prompter is None or not all(box.locked for box in await self.collections()):
            return True
        return await self._link.is_owned(prompter) or (
            await self._link.is_activatable(prompter) and await has_display()
        )

    async def collections(self) -> Sequence[Collection]:
        """List the collections people made."""
        return await self._ask(self._collections)

    async def _collections(self, provider: Provider) -> list[Collection]:
        quirks = provider.quirks
        if not (quirks.collections_come_late or quirks.starts_empty):
            found, _ = await _list_collections(provider)
            return found
        told = asyncio.Event()
        listener: Callable[[BackendEvent], None] = lambda _: told.set()  # noqa: E731
        self._link.listeners.append(listener)
        try:
            while True:
                told.clear()
                found, complete = await _list_collections(provider)
                age = asyncio.get_running_loop().time() - provider.since
                if complete or (quirks.starts_empty and (found or age >= EMPTY_TIMEOUT)):
                    return found
                await _wait_for_collections(age, told)
        finally:
            self._link.listeners.remove(listener)

    async def read_alias(self, alias: str) -> CollectionId | None:
        """Resolve an alias."""
        writing.check_text([alias])
        return await self._ask(lambda provider: _read_alias(provider, alias))

    async def create_collection(self, label: str, *, window_id: str = "") -> CollectionId:
        """Make a collection, running the provider's prompt."""
        writing.check_text([label])
        provider = await self._provider()
        _check_label(label, provider.quirks)
        path, prompt = await provider.client.create_collection(label)
        named = await writing.accept(provider, prompt, window_id=window_id)
        made = named[0] if named else path
        if made == names.NOTHING:
            raise StoreRefusedError("the provider made no collection")
        return CollectionId(made)

    async def delete_collection(self, collection: CollectionId) -> None:
        """Delete a collection with all it holds."""
        provider = await self._provider()
        await writing.accept(provider, await provider.client.delete_collection(collection))

    async def is_locked(self, collection: CollectionId) -> bool:
        """Ask the provider afresh."""
        provider = await self._provider()
        return await provider.client.read_locked(collection, names.COLLECTION)

    async def unlock(self, collection: CollectionId, *, window_id: str = "") -> None:
        """Unlock; concurrent calls for one collection share one prompt."""
        provider = await self._provider()
        await join_or_start(
            provider.unlocking,
            collection,
            lambda: _unlock(self._link, provider, collection, window_id),
        )

    async def lock(self, collection: CollectionId) -> None:
        """Lock a collection."""
        provider = await self._provider()
        _, prompt = await provider.client.lock([collection])
        await writing.accept(provider, prompt)

    # --- items -----------------------------------------------------------------------------

    async def search(
        self, collection: CollectionId, attributes: Mapping[str, str]
    ) -> Sequence[ItemId]:
        """Find every item that has at least these attributes."""
        writing.check_text([*attributes.keys(), *attributes.values()])
        provider = await self._provider()
        hides = provider.quirks.hides_locked_items
        if hides:
            # Before, because a provider may answer a search by asking for its password.
            await _require_unlocked(provider, collection)
        client = provider.client
        # Asked for items with no attribute in particular, KeePassXC answers that there are none.
        listing = (
            client.search_items(collection, attributes)
            if attributes
            else client.list_items(collection)
        )
        paths = await listing
        if not paths and provider.quirks.starts_empty and await self._settle(provider, collection):
            return await self.search(collection, attributes)
        if not paths and (hides or _is_blind(provider.quirks, attributes)):
            await _require_unlocked(provider, collection)
        start = provider.tag[:-1]
        return [ItemId(start + path) for path in paths]

    async def _settle(self, provider: Provider, collection: CollectionId) -> bool:
        """Tell whether a collection that seemed empty has items after all; waits a while for them.

        Right after its unlocking KeePassXC calls a database unlocked that it has not filled yet.
        """
        if collection in provider.settled:
            return False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_TIMEOUT
        filled = False
        while not filled and loop.time() < deadline:
            if await provider.client.read_locked(collection, names.COLLECTION):
                return False
            filled = bool(await provider.client.list_items(collection))
            if not filled:
                await _sleep(_SETTLE_LOOK)
        provider.settled.add(collection)
        return filled

    async def read_items(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemInfo]:
        """Read label, attributes, lock and times of many items."""
        wanted = list(items)
        return await reading.read_items(self._provider_of(wanted), wanted) if wanted else {}

    async def read_secrets(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemSecret]:
        """Read many secrets at once."""
        wanted = list(items)
        if not wanted:
            return {}
        provider = self._provider_of(wanted)
        if len(wanted) > 1:
            return await reading.read_secrets(provider, wanted)
        secret = await reading.read_secret(provider, wanted[0])
        return {} if secret is None else {wanted[0]: secret}

    async def unlock_items(self, items: Iterable[ItemId], *, window_id: str = "") -> None:
        """Unlock single items where the provider locks them singly."""
        wanted = list(items)
        if not wanted:
            return
        provider = self._provider_of(wanted)
        paths = [provider.path(item) for item in wanted]
        _, prompt = await provider.client.unlock(paths)
        await writing.accept(provider, prompt, window_id=window_id)

    async def create_item(
        self, collection: CollectionId, item: NewItem, *, replace: bool
    ) -> ItemId:
        """Store an item."""
        writing.check_text([item.label, item.secret.content_type, *item.attributes.keys()])
        writing.check_text(item.attributes.values())
        provider = await self._provider()
        path = await writing.create_item(self._link, provider, collection, item, replace=replace)
        await self._spare(provider)
        return ItemId(provider.tag[:-1] + path)

    async def set_attributes(self, item: ItemId, attributes: Mapping[str, str]) -> None:
        """Give an item other attributes."""
        writing.check_text([*attributes.keys(), *attributes.values()])
        provider = self._provider_of([item])
        await provider.client.set_attributes(provider.path(item), attributes)
        await self._spare(provider)

    async def delete_item(self, item: ItemId) -> None:
        """Delete one item; one that is gone already is no error."""
        provider = self._provider_of([item])
        await writing.delete_item(provider, item)
        await self._spare(provider)

    async def save(self, collection: CollectionId) -> None:
        """Return once all that a collection was given and lost so far outlasts the provider's end.

        Whoever gave it may have been another process, so nobody knows whether something waits to
        be saved: a change of our own makes the provider save, with everything before it.

        Raises:
            StoreTimeoutError: It was not seen to be saved.
        """
        provider = await self._provider()
        if provider.kind not in SAVE_LATE:
            return
        labels = [one.label for one in await self.collections() if one.id == collection]
        if not labels:
            return
        since = time.time()
        await self.delete_item(await self.create_item(collection, make_nudge(), replace=False))
        await wait_for_save(labels[0], since)

    async def _spare(self, provider: Provider) -> None:
        if self._spares:
            await provider.rest()

    async def close(self) -> None:
        """Let go of the session and hear nothing more."""
        self._link.closed = True
        self._link.listeners.clear()
        provider, self._link.current = self._link.current, None
        if provider is not None and provider.session is not None:
            provider.client.close_session(provider.session.path)
        if provider is not None:
            provider.drop()


async def _sleep(seconds: float) -> None:
    """Sleep, in a task or in none."""
    loop = asyncio.get_running_loop()
    rested: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, rested.set_result, None)
    try:
        await rested
    finally:
        timer.cancel()


async def _wait_for_collections(age: float, told: asyncio.Event) -> None:
    """Wait for news of the collections, or a moment: oo7 sends none as it gets ready.

    Raises:
        StoreUnavailableError: It had its time. To call a wallet absent would be a guess.
    """
    if age >= READY_TIMEOUT:
        raise StoreUnavailableError("the provider does not show its collections")
    timer = asyncio.get_running_loop().call_later(next_look(age), told.set)
    try:
        await told.wait()
    finally:
        timer.cancel()


async def _read_alias(provider: Provider, alias: str) -> CollectionId | None:
    path = resolve(await provider.client.read_alias(alias), provider.aliases)
    if path is None or path == names.NOTHING:
        provider.aliases.pop(alias, None)
        return None
    provider.aliases[alias] = path
    return CollectionId(path)


async def _list_collections(provider: Provider) -> tuple[list[Collection], bool]:
    """List collections, and tell whether each that is named was there to be asked."""
    client = provider.client
    paths, session = await asyncio.gather(
        client.list_collections(), client.read_alias(names.SESSION_ALIAS)
    )
    hidden = {session, names.SESSION_COLLECTION, names.NOTHING, None}
    own = dict.fromkeys(resolve(path, provider.aliases) for path in paths)
    shown = await asyncio.gather(
        *(_read_collection(provider, path) for path in own if path and path not in hidden)
    )
    found = [collection for collection in shown if collection is not None]
    return [each for each in found if each.label], bool(paths) and len(found) == len(shown)


async def _read_collection(provider: Provider, path: str) -> Collection | None:
    try:
        shown = await provider.client.read_properties(path, names.COLLECTION)
    except ObjectGoneError:
        return None
    label, locked = shown.get("Label"), shown.get("Locked")
    if not isinstance(label, str) or not isinstance(locked, bool):
        raise MalformedReplyError("a collection shows no label or no lock")
    if locked:
        provider.settled.discard(path)
    return Collection(CollectionId(path), label, locked)


async def _unlock(link: ProviderLink, provider: Provider, collection: str, window_id: str) -> None:
    done, prompt = await provider.client.unlock([collection])
    if prompt == names.NOTHING and collection in done:
        return
    loop = asyncio.get_running_loop()
    asking = loop.create_task(writing.accept(provider, prompt, window_id=window_id))
    watching = loop.create_task(_wait_unlocked(link, provider, collection))
    try:
        await asyncio.wait({asking, watching}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            await asking
    finally:
        # A prompt that is no longer needed is dismissed by this.
        asking.cancel()
        watching.cancel()
        await asyncio.gather(asking, watching, return_exceptions=True)
    await _require_unlocked(provider, collection)


async def _wait_unlocked(link: ProviderLink, provider: Provider, collection: str) -> None:
    """Return when a collection was unlocked by other means, as in the provider's own window.

    KeePassXC leaves the prompt that was shown for it open, and without an answer.
    """
    told = asyncio.Event()
    listener: Callable[[BackendEvent], None] = lambda _: told.set()  # noqa: E731
    link.listeners.append(listener)
    try:
        while True:
            told.clear()
            with suppress(StoreError):
                if not await provider.client.read_locked(collection, names.COLLECTION):
                    return
            await told.wait()
    finally:
        link.listeners.remove(listener)


async def _require_unlocked(provider: Provider, collection: str) -> None:
    if await provider.client.read_locked(collection, names.COLLECTION):
        raise StoreLockedError("the collection is locked")


def _is_blind(quirks: Quirks, attributes: Mapping[str, str]) -> bool:
    return quirks.hides_locked_schema and names.SCHEMA_ATTRIBUTE in attributes


def _check_label(label: str, quirks: Quirks) -> None:
    # One provider never answers a call with an empty label.
    if not label:
        raise StoreRefusedError("a collection needs a label")
    if quirks.labels_are_paths and ("/" in label or not label.strip(".")):
        raise StoreRefusedError("this provider would take the label for a path")
