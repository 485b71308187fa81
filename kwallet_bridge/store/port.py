# SPDX-License-Identifier: GPL-3.0-or-later
"""The lower port: collections, items and attributes, in the Secret Service's words.

An :class:`ItemBackend` is the Secret Service client, the keyring file or memory. ``store.wallets``
is the upper port, in KWallet's words, implemented once over any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kwallet_bridge.secret import Secret

CollectionId = NewType("CollectionId", str)
"""Names a collection while the backend stays up: an object path, or a file's own name."""

ItemId = NewType("ItemId", str)
"""Names an item while the backend stays up; never kept across :class:`BackendGone`."""

DEFAULT_ALIAS = "default"


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a provider deviates from the specification; every default is the specification.

    ``docs/reference/quirks.md`` explains each; nothing else in the program asks for a provider's
    name.
    """

    keeps_content_type: bool = True
    """False: every secret comes back as ``text/plain`` (decide by the ``type`` attribute)."""
    rewrites_text: bool = False
    """Text with placeholders, NUL or bytes that are no UTF-8 comes back altered."""
    items_lock_singly: bool = False
    """An item may be locked in an unlocked collection."""
    locked_reads_empty: bool = False
    """A locked item's secret is answered as empty, without an error."""
    hides_locked_items: bool = False
    """A locked collection shows no items: "not found" proves nothing until it is unlocked."""
    replaces_exact_only: bool = False
    """``replace`` needs equal attributes, and makes a new path."""
    delete_takes_supersets: bool = False
    """Deleting an item also deletes those whose attributes contain its own."""
    setters_forgotten: bool = False
    """SetSecret, Label and Attributes last only until the provider restarts."""
    default_alias: bool = True
    """False: there may be no ``default`` alias."""
    own_default: bool = False
    """The default collection has a place of its own, made or not: no other one stands in for it."""
    forgets_label_case: bool = False
    """A collection's label comes back in another case after a restart."""
    label_is_file_when_locked: bool = False
    """A locked collection is labelled after its file."""
    schemaless_twins: bool = False
    """Native items come without schema; set their attributes before replacing them."""
    rewrites_maps: bool = False
    """Items with ``type=map`` are parsed and rewritten as a JSON object of strings."""
    plain_only: bool = False
    """The provider offers no encrypted session."""
    hides_locked_schema: bool = False
    """Before its first unlock a collection never matches a search that names ``xdg:schema``."""
    labels_are_paths: bool = False
    """A collection's label becomes a file's path: ``/``, ``.`` and ``..`` must not reach it."""
    leaves_refused_items: bool = False
    """An item the provider refuses stays behind with an empty secret."""
    text_is_a_line: bool = False
    """Text may become a line of a key file: line ends, backslashes and blanks at its beginning come
    back altered after a restart, or make the whole collection unreadable."""
    starts_empty: bool = False
    """The provider owns its name before it shows any collection; that none is there is believed
    only once it had a while to load them."""
    collections_come_late: bool = False
    """The provider owns its name before its collections are there."""
    looks_at_clients: bool = False
    """The provider warns of a client whose program it cannot see when it first calls."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as last seen. ``label`` is the wallet's name."""

    id: CollectionId
    label: str
    locked: bool

    def __repr__(self) -> str:
        return f"Collection(locked={self.locked})"


@dataclass(frozen=True, slots=True)
class ItemInfo:
    """What an item shows without its secret. Times are seconds since the epoch, 0 unknown.

    ``asked`` is when it was asked for: a provider whose times count whole seconds may change it
    once more in that second without another time of modification.
    """

    id: ItemId
    label: str
    attributes: Mapping[str, str]
    locked: bool = False
    created: int = 0
    modified: int = 0
    asked: int = 0

    def __repr__(self) -> str:
        return f"ItemInfo(locked={self.locked})"


@dataclass(frozen=True, slots=True)
class ItemSecret:
    """An item's secret bytes and their content type."""

    value: Secret
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class NewItem:
    """What is asked to be stored."""

    label: str
    attributes: Mapping[str, str]
    secret: ItemSecret

    def __repr__(self) -> str:
        return "NewItem(...)"


@dataclass(frozen=True, slots=True)
class ItemTouched:
    """An item may have been made, changed or deleted; ``item`` None means "look at all"."""

    collection: CollectionId
    item: ItemId | None

    def __repr__(self) -> str:
        return "ItemTouched(...)"


@dataclass(frozen=True, slots=True)
class CollectionsTouched:
    """The list of collections, a label, an alias or a lock may have changed."""


@dataclass(frozen=True, slots=True)
class BackendGone:
    """The provider left the bus: every id is void, nothing is known any more."""


@dataclass(frozen=True, slots=True)
class BackendReturned:
    """A provider is there (again)."""


BackendEvent = ItemTouched | CollectionsTouched | BackendGone | BackendReturned


class ItemBackend(Protocol):
    """Collections and items.

    Events are hints to look again, delivered synchronously on the event loop, in the order the
    backend saw them and before the result of any call that the backend answered later.
    Every method may raise StoreUnavailableError, StoreTimeoutError, StoreRefusedError; those that
    write may raise StoreConflictError and StoreFullError. A call that raises changed nothing,
    except StoreTimeoutError and StoreUnavailableError, after which the caller must look.
    """

    @property
    def destination(self) -> str:
        """Name the store as a migration's ``--to`` does."""

    @property
    def quirks(self) -> Quirks:
        """The provider's row; valid after the first successful call."""

    def subscribe(self, listener: Callable[[BackendEvent], None]) -> None:
        """Have ``listener`` told of every event from now on."""

    async def is_reachable(self) -> bool:
        """Tell whether somebody could answer, without asking or starting them."""

    async def collections(self) -> Sequence[Collection]:
        """List the collections people made: no ``session`` collection, no empty label. No prompt."""

    async def read_alias(self, alias: str) -> CollectionId | None:
        """Resolve an alias; None if it names nothing. No prompt."""

    async def create_collection(self, label: str, *, window_id: str = "") -> CollectionId:
        """Make a collection, running the provider's prompt.

        Raises:
            PromptDismissedError: A person said no.
        """

    async def delete_collection(self, collection: CollectionId) -> None:
        """Delete a collection with all it holds; may prompt."""

    async def is_locked(self, collection: CollectionId) -> bool:
        """Ask the provider afresh."""

    async def unlock(self, collection: CollectionId, *, window_id: str = "") -> None:
        """Unlock, running the provider's prompt if it wants one. Unlocked already: nothing.

        Concurrent calls for one collection share one prompt. A caller that is cancelled leaves;
        the prompt is dismissed when the last caller has left.

        Raises:
            PromptDismissedError: A person said no, or the provider has nobody to ask.
        """

    async def lock(self, collection: CollectionId) -> None:
        """Lock a collection."""

    async def search(
        self, collection: CollectionId, attributes: Mapping[str, str]
    ) -> Sequence[ItemId]:
        """Find every item that has at least these attributes; ``{}`` finds all.

        The answer is complete or an error.

        Raises:
            StoreIncompleteError: Not everything can be read; it tells what was found.
            StoreLockedError: The collection is locked and the provider hides what it holds.
        """

    async def read_items(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemInfo]:
        """Read label, attributes, lock and times of many items; those that vanished are left out.

        Raises:
            StoreLockedError: One of them is locked and shows nothing of itself.
        """

    async def read_secrets(self, items: Iterable[ItemId]) -> Mapping[ItemId, ItemSecret]:
        """Read many secrets at once; items that vanished are left out.

        Raises:
            StoreLockedError: One of them is locked.
        """

    async def unlock_items(self, items: Iterable[ItemId], *, window_id: str = "") -> None:
        """Unlock single items where the provider locks them singly."""

    async def create_item(
        self, collection: CollectionId, item: NewItem, *, replace: bool
    ) -> ItemId:
        """Store an item; with ``replace`` in place of one with these attributes, by its own rule.

        Returns once the provider says it is stored.

        Raises:
            StoreLockedError: The collection is locked.
            PromptDismissedError: The provider asked and a person said no.
        """

    async def set_attributes(self, item: ItemId, attributes: Mapping[str, str]) -> None:
        """Give an item other attributes (see the quirk ``schemaless_twins``)."""

    async def delete_item(self, item: ItemId) -> None:
        """Delete one item; one that is gone already is no error."""

    async def close(self) -> None:
        """Let go of what is held; no call may follow."""
