# SPDX-License-Identifier: GPL-3.0-or-later
"""An open keyring: the store that serves this program, and its default collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.keyring import _opening as opening
from kwallet_bridge.keyring._items import Collection, Item, ItemDetails, ids_of
from kwallet_bridge.keyring._migrating import move_items
from kwallet_bridge.keyring._watching import Watch
from kwallet_bridge.keyring.errors import AbsentError, translated

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence

    from kwallet_bridge.keyring._opening import Opened
    from kwallet_bridge.store.port import BackendEvent


class KeyringOpening:
    """A keyring about to be opened: await it, or enter it with ``async with``."""

    __slots__ = ("_keyring", "_open")

    def __init__(self, work: Callable[[], Awaitable[Opened]]) -> None:
        self._open = work
        self._keyring: Keyring | None = None

    async def _work(self) -> Keyring:
        with translated():
            return Keyring(await self._open())

    def __await__(self) -> Generator[object, None, Keyring]:
        return self._work().__await__()

    async def __aenter__(self) -> Keyring:
        self._keyring = await self._work()
        return self._keyring

    async def __aexit__(self, *_: object) -> None:
        if self._keyring is not None:
            await self._keyring.close()


class Keyring(Collection):
    """The default collection of the store that serves this program, and the way to the others."""

    __slots__ = ("_opened", "_watches")

    def __init__(self, opened: Opened) -> None:
        """Take an open store; use :meth:`open` or :meth:`open_file`."""
        super().__init__(opened.backend, opened.default)
        self._opened = opened
        self._watches: set[Watch] = set()
        opened.backend.subscribe(self._tell)

    @classmethod
    def open(cls, *, address: str | None = None) -> KeyringOpening:
        """Open the host's Secret Service, or in a sandbox the program's own keyring file.

        Nobody is asked for a password to open the Secret Service: see :meth:`unlock`. ``address``
        is a bus other than the session's. What is opened must be closed.

        Raises:
            AbsentError: There is no bus, no provider, or no default collection.
        """

        async def work() -> Opened:
            if await opening.is_in_sandbox():
                return await opening.open_portal_file(address)
            return await opening.open_service(address)

        return KeyringOpening(work)

    @classmethod
    def open_file(cls, path: str | os.PathLike[str], password: str | bytes) -> KeyringOpening:
        """Open and unlock an encrypted keyring file, which is made if it was never there.

        libsecret's file backend and oo7 read and write the same file.

        Raises:
            PasswordError: The password does not open it.
            AbsentError: It was there and is gone.
            DamagedError: It cannot be read.
            RefusedError: It would be new, and the password has fewer than four bytes.
        """
        return KeyringOpening(lambda: opening.open_password_file(Path(path), password))

    @property
    def is_file(self) -> bool:
        """Whether this is a keyring file and not the host's Secret Service."""
        return self._opened.is_file

    async def collections(self) -> Sequence[Collection]:
        """Return the collections people made, the default one among them."""
        with translated():
            seen = await self._backend.collections()
        return [Collection(self._backend, one.id) for one in seen]

    async def create_collection(self, label: str) -> Collection:
        """Make another collection, awaiting the provider's prompt.

        Raises:
            DismissedError: A person said no.
        """
        with translated():
            return Collection(self._backend, await self._backend.create_collection(label))

    async def read_secrets(self, items: Iterable[Item]) -> Sequence[bytes]:
        """Return the secrets of many items, in their order, with few calls.

        Raises:
            LockedError: One of them is locked.
            AbsentError: One of them is gone.
        """
        wanted = ids_of(items)
        with translated():
            found = await self._backend.read_secrets(wanted)
        if any(item not in found for item in wanted):
            raise AbsentError("one of the items is gone")
        return [found[item].value.reveal() for item in wanted]

    async def read_details(self, items: Iterable[Item]) -> Sequence[ItemDetails]:
        """Return label, attributes and times of many items, in their order.

        Raises:
            AbsentError: One of them is gone.
        """
        wanted = ids_of(items)
        with translated():
            found = await self._backend.read_items(wanted)
        if any(item not in found for item in wanted):
            raise AbsentError("one of the items is gone")
        infos = [found[item] for item in wanted]
        return [ItemDetails(one.label, one.attributes, one.created, one.modified) for one in infos]

    def watch(self) -> Watch:
        """Return an iterator over what changes from now on.

        Changes are hints to look again; several may be told as one. Close it when done.
        """
        made = Watch(self._watches.discard)
        self._watches.add(made)
        return made

    async def migrate(
        self,
        attributes_list: Iterable[Mapping[str, str]],
        *,
        replace: bool = True,
        source: Keyring | None = None,
    ) -> int:
        """Move items from the host's Secret Service here, and return how many were moved.

        Each is written, read back and compared, and only then deleted where it was. Locked
        collections that hold some are unlocked, which may ask a person. ``source`` is another
        keyring to move from.

        Raises:
            ValueError: Some attributes are empty, which would move everything.
            DismissedError: A person said no; what was moved before is here.
            DamagedError: What was read back differs; it was not deleted where it was.
        """
        wanted = [dict(attributes) for attributes in attributes_list]
        if not all(wanted):
            raise ValueError("no attributes would match every item")
        if source is not None:
            return await self._move(source, wanted, replace=replace)
        with translated():
            opened = await opening.open_service(None)
        host = Keyring(opened)
        try:
            return await self._move(host, wanted, replace=replace)
        finally:
            await host.close()

    async def _move(
        self, source: Keyring, wanted: Sequence[Mapping[str, str]], *, replace: bool
    ) -> int:
        with translated():
            return await move_items(
                source._backend,
                self._backend,
                self._id,
                wanted,
                replaces=replace,
            )

    async def close(self) -> None:
        """Finish what was asked, end every watch, and let go of the store."""
        for watch in list(self._watches):
            watch.close()
        with translated():
            await self._opened.close()

    def _tell(self, event: BackendEvent) -> None:
        for watch in self._watches:
            watch._hear(event)  # noqa: SLF001  of our own class

    def __repr__(self) -> str:
        return f"Keyring(is_file={self.is_file})"
