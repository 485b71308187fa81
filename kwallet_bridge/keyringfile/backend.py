# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyring files as collections: the :class:`ItemBackend` for machines without a provider.

The path given is the default collection; other collections are files of their own in the same
folder, ``<label>.keyring``. A file that does not exist yet is no collection; the first collection
made under the default wallet's name becomes it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    BridgeError,
    PromptDismissedError,
    StoreError,
    StoreIncompleteError,
    StorePasswordError,
    StoreRefusedError,
    UsageError,
)
from kwallet_bridge.keyringfile import changes
from kwallet_bridge.keyringfile.box import KeyringBox
from kwallet_bridge.keyringfile.folder import SUFFIX, can_be_made, file_name, label_of, survey
from kwallet_bridge.keyringfile.format import CONTENT_TYPE, PlainItem, open_item
from kwallet_bridge.keyringfile.keys import LEAST_PASSWORD
from kwallet_bridge.keyringfile.prompts import SharedPrompts
from kwallet_bridge.keyringfile.sources import KeyRequest
from kwallet_bridge.keyringfile.watch import FolderWatch
from kwallet_bridge.store.port import (
    DEFAULT_ALIAS,
    BackendEvent,
    Collection,
    CollectionId,
    CollectionsTouched,
    ItemId,
    ItemInfo,
    ItemSecret,
    ItemTouched,
    NewItem,
    Quirks,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from kwallet_bridge.keyringfile.sources import KeySource, PasswordKeeper
    from kwallet_bridge.secret import Secret

_LOG = logging.getLogger(__name__)
_ANSWERS = 3
"""How often a person may mistype."""
_SLICE = 200
"""Items decrypted before others get a turn; about two milliseconds."""
_MOST_EVENTS = 64


class KeyringFileBackend:
    """Collections in encrypted keyring files."""

    def __init__(  # noqa: PLR0913  what it serves, and how
        self,
        path: Path,
        keys: KeySource,
        *,
        label: str = "kdewallet",
        files_content_type: bool = False,
        served: bool = False,
        salvages: bool = False,
        opened: Callable[[Path, Secret], Awaitable[None]] | None = None,
        keeper: PasswordKeeper | None = None,
    ) -> None:
        """Use the file at ``path``, which need not exist.

        Args:
            path: The default collection's file, as ``folder.resolve_path`` gives it.
            keys: Where passwords come from.
            label: The default collection's label.
            files_content_type: Write the content type among the attributes, as oo7-daemon does;
                libsecret would then add twins instead of replacing items.
            served: The file is known to have been there: its absence is a loss.
            salvages: Search only what can be read, as a copy to another store does; else a search
                that may have missed something is an error.
            opened: Awaited with a file and the password that just opened or made it.
            keeper: Keeps that password until the file is locked.
        """
        self._path = path
        self._main = CollectionId(path.name)
        self._label = label
        self._keys = keys
        self._files_content_type = files_content_type
        self._salvages = salvages
        self._opened = opened
        self._keeper = keeper
        self._boxes: dict[CollectionId, KeyringBox] = {}
        self._seen: list[CollectionId] | None = [self._main] if served else None
        self._surveyed = False
        self._scanning = asyncio.Lock()
        self._listeners: list[Callable[[BackendEvent], None]] = []
        self._prompts: SharedPrompts[CollectionId] = SharedPrompts()
        self._watch = FolderWatch(path.parent, self._files_changed)
        self._looking: set[asyncio.Task[None]] = set()

    @property
    def destination(self) -> str:
        """Name the store as a migration's ``--to`` does."""
        return f"file:{self._path}"

    @property
    def quirks(self) -> Quirks:
        """What keyring files do their own way."""
        return Quirks(
            keeps_content_type=self._files_content_type,
            hides_locked_items=True,
            replaces_exact_only=True,
            own_default=True,
        )

    def subscribe(self, listener: Callable[[BackendEvent], None]) -> None:
        """Have ``listener`` told of every event from now on."""
        self._listeners.append(listener)

    # --- collections ----------------------------------------------------------------------------

    async def is_reachable(self) -> bool:
        """Tell whether an open may succeed: the main file can be read, and a password be had.

        A password that nobody need be asked for is tried.
        """
        box = self._boxes.get(self._main)
        if box is not None and box.key is not None:
            return True
        try:
            return await self._may_open()
        except (StoreError, UsageError):
            return False

    async def _may_open(self) -> bool:
        there = self._main in await self._scan()
        request = KeyRequest(self._label, new=not there, path=self._path)
        if there:
            await self._box(self._main).require_readable()
        elif not await asyncio.to_thread(can_be_made, self._path):
            return False
        if not await self._keys.is_ready(request):
            return False
        if not self._keys.answers_alone:
            return True
        password = await self._keys.read_password(request)
        if password is None or not there:
            return password is not None and len(password) >= LEAST_PASSWORD
        return await self._box(self._main).is_opened_by(password)

    async def collections(self) -> Sequence[Collection]:
        """List the files.

        Raises:
            StoreUnavailableError: Their folder is gone, as a disk that is no more mounted.
        """
        return [
            Collection(found, self._label_of(found), locked=self._box(found).key is None)
            for found in await self._scan()
        ]

    async def read_alias(self, alias: str) -> CollectionId | None:
        """Resolve an alias; there is only the default one."""
        return self._main if alias == DEFAULT_ALIAS and self._main in await self._known() else None

    async def create_collection(self, label: str, *, window_id: str = "") -> CollectionId:
        """Make a file, asking for a password."""
        found = self._free_name(label, await self._scan())
        await self._prompts.join(found, lambda: self._create(found, label, window_id))
        return found

    def _free_name(self, label: str, taken: Sequence[CollectionId]) -> CollectionId:
        if label == self._label and self._main not in taken:
            return self._main
        found = CollectionId(file_name(label, reserved=self._path.name))
        if found in taken:
            raise StoreRefusedError("a file of this collection's name exists already")
        return found

    async def _create(self, found: CollectionId, label: str, window_id: str) -> None:
        box = self._new_box(found)
        request = KeyRequest(label, new=True, window_id=window_id, path=box.path)
        async for password in self._answers(request):
            if len(password) < LEAST_PASSWORD and self._keys.asks_person:
                continue
            await box.create(password)
            await self._note_opened(found, box, password)
            break
        else:
            raise PromptDismissedError("no password long enough was given")
        self._boxes[found] = box
        await self._scan()

    async def delete_collection(self, collection: CollectionId) -> None:
        """Delete an unlocked file and its backup.

        Raises:
            StoreRefusedError: It also holds items that its password does not open.
        """
        box = await self._existing(collection)
        async with self._scanning:
            await box.delete()
            self._boxes.pop(collection, None)
            self._seen = [found for found in self._seen or () if found != collection]
        await self._scan()
        self._emit(CollectionsTouched())

    async def is_locked(self, collection: CollectionId) -> bool:
        """Tell whether the key is missing."""
        return (await self._existing(collection)).key is None

    async def unlock(self, collection: CollectionId, *, window_id: str = "") -> None:
        """Unlock a file, asking for its password.

        Raises:
            StorePasswordError: A password that nobody typed is wrong.
            StoreDamagedError: The file is damaged.
        """
        box = await self._existing(collection)
        if box.key is None:
            await self._prompts.join(collection, lambda: self._unlock(collection, box, window_id))

    async def _unlock(self, collection: CollectionId, box: KeyringBox, window_id: str) -> None:
        label = self._label_of(collection)
        request = KeyRequest(label, window_id=window_id, path=box.path)
        try:
            await box.require_readable()  # nobody is asked for the password of what is gone
        except StoreError as error:
            _LOG.warning("a keyring file cannot be opened: %s", error)
            raise
        async for password in self._answers(request):
            try:
                await box.unlock(password)
            except StorePasswordError:
                if not self._keys.asks_person:
                    raise
            else:
                await self._note_opened(collection, box, password)
                self._emit(CollectionsTouched())
                return
        raise PromptDismissedError("no right password was given")

    async def _note_opened(
        self, collection: CollectionId, box: KeyringBox, password: Secret
    ) -> None:
        if self._keeper is not None and box.key is not None:
            self._keeper.keep(self._label_of(collection), password)
        if self._opened is not None:
            await self._opened(box.path, password)

    def _forgot(self, collection: CollectionId) -> None:
        if self._keeper is not None:
            self._keeper.forget(self._label_of(collection))

    async def _answers(self, request: KeyRequest) -> AsyncIterator[Secret]:
        for attempt in range(_ANSWERS):
            password = await self._keys.read_password(replace(request, again=attempt > 0))
            if password is None:
                raise PromptDismissedError("a person gave no password")
            yield password

    async def lock(self, collection: CollectionId) -> None:
        """Forget the key."""
        box = await self._existing(collection)
        if box.key is not None:
            await box.lock()
            self._emit(CollectionsTouched())

    # --- items ----------------------------------------------------------------------------------

    async def search(
        self, collection: CollectionId, attributes: Mapping[str, str]
    ) -> Sequence[ItemId]:
        """Find items by their hashed attributes, decrypting none."""
        numbers, hidden = await (await self._existing(collection)).find(attributes)
        found = [_item_id(collection, number) for number in numbers]
        if hidden and not self._salvages:
            raise StoreIncompleteError(
                "the keyring file holds items that are damaged or belong to another password, and "
                "what was asked for may be among them. Put a whole copy in its place, such as "
                "the one beside it with ~ at the end of its name, or move what can be read into "
                "a new file with kwallet-bridge copy",
                found,
                [one.names for one in hidden],
            )
        return found

    async def read_items(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemInfo]:
        """Decrypt items for all but their secrets; of locked files, nothing."""
        found = {}
        async for item, plain in self._open(items, needs_key=False):
            attributes = {k: v for k, v in plain.attributes.items() if k != CONTENT_TYPE}
            found[item] = ItemInfo(
                item, plain.label, attributes, created=plain.created, modified=plain.modified
            )
        return found

    async def read_secrets(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemSecret]:
        """Decrypt secrets."""
        found = {}
        async for item, plain in self._open(items, needs_key=True):
            found[item] = ItemSecret(plain.secret, plain.attributes.get(CONTENT_TYPE, "text/plain"))
        return found

    async def _open(
        self, items: Iterable[ItemId], *, needs_key: bool
    ) -> AsyncIterator[tuple[ItemId, PlainItem]]:
        wanted: dict[CollectionId, list[ItemId]] = {}
        for item in items:
            wanted.setdefault(_home(item), []).append(item)
        for collection, asked in wanted.items():
            box = self._boxes.get(collection)
            if box is None or (box.key is None and not needs_key):
                continue
            box.require_key()
            held = (await box.refresh()).items
            for at, item in enumerate(asked, 1):
                raw = held.get(_number(item))
                if raw is not None:
                    yield item, open_item(box.require_key(), raw)
                if at % _SLICE == 0:
                    await asyncio.sleep(0)

    async def unlock_items(self, items: Iterable[ItemId], *, window_id: str = "") -> None:
        """Unlock the files that hold these items; items have no locks of their own."""
        for collection in dict.fromkeys(map(_home, items)):
            await self.unlock(collection, window_id=window_id)

    async def create_item(
        self, collection: CollectionId, item: NewItem, *, replace: bool
    ) -> ItemId:
        """Store an item; returns when it is on disk."""
        attributes = {k: v for k, v in item.attributes.items() if k != CONTENT_TYPE}
        if self._files_content_type:
            attributes[CONTENT_TYPE] = item.secret.content_type
        plain = PlainItem(attributes, item.label, 0, 0, item.secret.value)
        box = await self._existing(collection)
        number = await box.change(changes.put_item(plain, replaces=replace))
        return _item_id(collection, number)

    async def set_attributes(self, item: ItemId, attributes: Mapping[str, str]) -> None:
        """Give an item other attributes."""
        change = changes.relabel_item(_number(item), dict(attributes))
        await (await self._existing(_home(item))).change(change)

    async def delete_item(self, item: ItemId) -> None:
        """Delete an item; returns when it is gone from the disk."""
        box = self._boxes.get(_home(item))
        if box is not None:
            await box.change(changes.drop_item(_number(item)))

    async def close(self) -> None:
        """Finish what was asked and wipe every key."""
        self._listeners.clear()
        self._watch.close()
        for task in self._looking:
            task.cancel()
        for box in self._boxes.values():
            await box.lock()

    # --- inside ---------------------------------------------------------------------------------

    def unreadable(self, collection: CollectionId) -> int:
        """Count the items that the password does not open; they are kept as they are."""
        return self._box(collection).unreadable

    def _files_changed(self, names: set[str]) -> None:
        """Look at what another program may have changed, as the kernel tells."""
        changed = set(self._boxes) if "" in names else {CollectionId(name) for name in names}
        boxes = [box for found, box in self._boxes.items() if found in changed]
        for box in boxes:
            box.doubt()
        if boxes or "" in names or any(name.rstrip("~").endswith(SUFFIX) for name in names):
            task = asyncio.get_running_loop().create_task(self._look(boxes))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _look(self, boxes: Sequence[KeyringBox]) -> None:
        # What is wrong with the files is told to whoever uses them next.
        with suppress(BridgeError):
            await self._scan()
        for box in boxes:
            with suppress(BridgeError):
                if box.key is not None:
                    await box.refresh()

    async def _known(self) -> Sequence[CollectionId]:
        """Give the collections as they were last listed."""
        return self._seen if self._seen is not None and self._surveyed else await self._scan()

    async def _scan(self) -> Sequence[CollectionId]:
        """List the collections that are there, and those that were and should be.

        Raises:
            StoreUnavailableError: Their folder is gone, as a disk that is no more mounted.
            StoreError: Their folder cannot be listed.
        """
        async with self._scanning:
            if await self._watch.start():
                for box in self._boxes.values():
                    box.doubt()
            before = self._seen or ()
            names = await asyncio.to_thread(survey, self._path, before)
            found = [CollectionId(name) for name in names]
            told = self._surveyed and [*before] != found
            self._seen, self._surveyed = found, True
        if told:
            self._emit(CollectionsTouched())
        return found

    async def _existing(self, collection: CollectionId) -> KeyringBox:
        if collection not in self._boxes and collection not in await self._known():
            raise StoreError("the collection is gone")
        return self._box(collection)

    def _box(self, collection: CollectionId) -> KeyringBox:
        box = self._boxes.get(collection)
        if box is None:
            box = self._boxes[collection] = self._new_box(collection)
        return box

    def _new_box(self, collection: CollectionId) -> KeyringBox:
        return KeyringBox(
            self._path.with_name(collection),
            touched=lambda numbers: self._tell(collection, numbers),
            relocked=lambda: self._emit(CollectionsTouched()),
            forgot=lambda: self._forgot(collection),
            watched=self._watch.is_silent,
            takes_notes=not self._salvages,
        )

    def _label_of(self, collection: CollectionId) -> str:
        return self._label if collection == self._main else label_of(collection)

    def _tell(self, collection: CollectionId, numbers: Iterable[int]) -> None:
        found = list(numbers)
        if len(found) > _MOST_EVENTS:
            self._emit(ItemTouched(collection, None))
            return
        for number in found:
            self._emit(ItemTouched(collection, _item_id(collection, number)))

    def _emit(self, event: BackendEvent) -> None:
        for listener in list(self._listeners):
            listener(event)


def _item_id(collection: CollectionId, number: int) -> ItemId:
    return ItemId(f"{collection}/{number}")


def _home(item: ItemId) -> CollectionId:
    return CollectionId(item.rpartition("/")[0])


def _number(item: ItemId) -> int:
    with suppress(ValueError):
        return int(item.rpartition("/")[2])
    return -1
