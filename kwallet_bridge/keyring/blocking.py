# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for programs without an event loop: each call returns when it is done.

A keyring works in a thread of its own, so it may be used from any thread, and beside a running
event loop too. The errors are those of :mod:`kwallet_bridge.keyring.errors`.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self, TypeVar

from kwallet_bridge.keyring import _keyring

if TYPE_CHECKING:
    import os
    from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence

    from kwallet_bridge.keyring import _items
    from kwallet_bridge.keyring._items import ItemDetails
    from kwallet_bridge.keyring._keyring import KeyringOpening
    from kwallet_bridge.keyring._watching import Change, Watch

__all__ = ["Collection", "Item", "Keyring"]

T = TypeVar("T")


class _Worker:
    """A thread with an event loop, in which one keyring lives."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="keyring", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Have it done there, and wait for it; an interrupt cancels it."""
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("the keyring is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def end(self, work: Coroutine[object, object, None]) -> None:
        """Have it done there, unless all has ended already."""
        if self._thread.is_alive():
            self.run(work)
        else:
            work.close()

    def stop(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()


class Item:
    """One secret with its label and attributes; see :class:`kwallet_bridge.keyring.Item`."""

    __slots__ = ("_item", "_worker")

    def __init__(self, worker: _Worker, item: _items.Item) -> None:
        self._worker = worker
        self._item = item

    @property
    def id(self) -> str:
        """Name the item for as long as its keyring is open and its provider runs."""
        return self._item.id

    def details(self) -> ItemDetails:
        """Return label, attributes and times, read together."""
        return self._worker.run(self._item.details())

    def label(self) -> str:
        """Return the label."""
        return self._worker.run(self._item.label())

    def attributes(self) -> Mapping[str, str]:
        """Return the attributes."""
        return self._worker.run(self._item.attributes())

    def created(self) -> int:
        """Return when the item was made, in seconds since the epoch; 0 unknown."""
        return self._worker.run(self._item.created())

    def modified(self) -> int:
        """Return when the item was last changed, in seconds since the epoch; 0 unknown."""
        return self._worker.run(self._item.modified())

    def secret(self) -> bytes:
        """Return the secret's bytes."""
        return self._worker.run(self._item.secret())

    def secret_text(self) -> str:
        """Return the secret as text, decoded from UTF-8."""
        return self._worker.run(self._item.secret_text())

    def set_label(self, label: str) -> None:
        """Give the item another label."""
        self._worker.run(self._item.set_label(label))

    def set_secret(self, secret: bytes | str) -> None:
        """Give the item another secret."""
        self._worker.run(self._item.set_secret(secret))

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Give the item other attributes; all former ones go."""
        self._worker.run(self._item.set_attributes(attributes))

    def is_locked(self) -> bool:
        """Return whether the item must be unlocked before its secret can be read."""
        return self._worker.run(self._item.is_locked())

    def unlock(self) -> None:
        """Unlock the item, waiting for the provider's prompt."""
        self._worker.run(self._item.unlock())

    def delete(self) -> None:
        """Delete the item."""
        self._worker.run(self._item.delete())

    def __eq__(self, other: object) -> bool:
        return self._item == other._item if isinstance(other, Item) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._item)

    def __repr__(self) -> str:
        return "Item(...)"


class Collection:
    """Items locked together; see :class:`kwallet_bridge.keyring.Collection`."""

    def __init__(self, worker: _Worker, collection: _items.Collection) -> None:
        self._worker = worker
        self._collection = collection

    @property
    def id(self) -> str:
        """Name the collection for as long as its keyring is open and its provider runs."""
        return self._collection.id

    def label(self) -> str:
        """Return the label."""
        return self._worker.run(self._collection.label())

    def create_item(
        self,
        label: str,
        attributes: Mapping[str, str],
        secret: bytes | str,
        *,
        replace: bool = True,
    ) -> Item:
        """Store a secret and return its item."""
        work = self._collection.create_item(label, attributes, secret, replace=replace)
        return Item(self._worker, self._worker.run(work))

    def search_items(self, attributes: Mapping[str, str]) -> Sequence[Item]:
        """Return every item that has at least these attributes; ``{}`` finds all."""
        found = self._worker.run(self._collection.search_items(attributes))
        return [Item(self._worker, item) for item in found]

    def items(self) -> Sequence[Item]:
        """Return all items."""
        return self.search_items({})

    def delete_items(self, attributes: Mapping[str, str]) -> int:
        """Delete every item that has at least these attributes, and return how many there were."""
        return self._worker.run(self._collection.delete_items(attributes))

    def is_locked(self) -> bool:
        """Return whether the collection is locked."""
        return self._worker.run(self._collection.is_locked())

    def unlock(self) -> None:
        """Unlock the collection, waiting for the provider's prompt."""
        self._worker.run(self._collection.unlock())

    def lock(self) -> None:
        """Lock the collection."""
        self._worker.run(self._collection.lock())

    def delete(self) -> None:
        """Delete the collection with all it holds."""
        self._worker.run(self._collection.delete())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Keyring(Collection):
    """The default collection, and the way to the others; see :class:`kwallet_bridge.keyring.Keyring`.

    Use it as a context manager, or close it.
    """

    def __init__(self, worker: _Worker, keyring: _keyring.Keyring) -> None:
        super().__init__(worker, keyring)
        self._keyring = keyring

    @classmethod
    def open(cls, *, address: str | None = None) -> Self:
        """Open the host's Secret Service, or in a sandbox the program's own keyring file."""
        return cls._start(_keyring.Keyring.open(address=address))

    @classmethod
    def open_file(cls, path: str | os.PathLike[str], password: str | bytes) -> Self:
        """Open and unlock an encrypted keyring file, which is made if it was never there."""
        return cls._start(_keyring.Keyring.open_file(path, password))

    @classmethod
    def _start(cls, opening: KeyringOpening) -> Self:
        worker = _Worker()
        try:
            return cls(worker, worker.run(_awaited(opening)))
        except BaseException:
            worker.stop()
            raise

    @property
    def is_file(self) -> bool:
        """Whether this is a keyring file and not the host's Secret Service."""
        return self._keyring.is_file

    def collections(self) -> Sequence[Collection]:
        """Return the collections people made, the default one among them."""
        found = self._worker.run(self._keyring.collections())
        return [Collection(self._worker, one) for one in found]

    def create_collection(self, label: str) -> Collection:
        """Make another collection, waiting for the provider's prompt."""
        return Collection(self._worker, self._worker.run(self._keyring.create_collection(label)))

    def read_secrets(self, items: Iterable[Item]) -> Sequence[bytes]:
        """Return the secrets of many items, in their order, with few calls."""
        return self._worker.run(self._keyring.read_secrets(_wrapped(items)))

    def read_details(self, items: Iterable[Item]) -> Sequence[ItemDetails]:
        """Return label, attributes and times of many items, in their order."""
        return self._worker.run(self._keyring.read_details(_wrapped(items)))

    def watch(self) -> Iterator[Change]:
        """Return an iterator over what changes from now on; it waits for the next change."""
        return self._follow(self._worker.run(_started(self._keyring)))

    def _follow(self, watch: Watch) -> Iterator[Change]:
        try:
            while (change := self._worker.run(_following(watch))) is not None:
                yield change
        finally:
            self._worker.end(_ended(watch))

    def migrate(
        self,
        attributes_list: Iterable[Mapping[str, str]],
        *,
        replace: bool = True,
    ) -> int:
        """Move items from the host's Secret Service here, and return how many were moved."""
        return self._worker.run(self._keyring.migrate(attributes_list, replace=replace))

    def close(self) -> None:
        """Finish what was asked, and let go of the store."""
        try:
            self._worker.run(self._keyring.close())
        finally:
            self._worker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _awaited(opening: KeyringOpening) -> _keyring.Keyring:
    return await opening


async def _started(keyring: _keyring.Keyring) -> Watch:
    return keyring.watch()


async def _ended(watch: Watch) -> None:
    watch.close()


def _wrapped(items: Iterable[Item]) -> list[_items.Item]:
    return [item._item for item in items]  # noqa: SLF001  of this module's own class


async def _following(watch: Watch) -> Change | None:
    return await anext(watch, None)
