# SPDX-License-Identifier: GPL-3.0-or-later
"""The name gate: a store that tells nobody "absent" of what is known to exist elsewhere.

Of a place that is expected and that the store lacks it says truthfully that it is there. What needs
the value, lists that would leave it out, and writes to it are refused; so is the removal of a place
that is expected, since it would come back, unless its source says that it may go. Everything else is the store's own answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kwallet_bridge.errors import ElsewhereError
from kwallet_bridge.store.expected import Removal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from kwallet_bridge.model import Entry, EntryType, FolderName, Key, WalletName
    from kwallet_bridge.store.expected import Expectation, ExpectationSource, Seen
    from kwallet_bridge.store.port import ItemSecret
    from kwallet_bridge.store.wallets import Store, StoreEvent, StoreSettings, WalletState

_T = TypeVar("_T")
_HOLLOW = frozenset({b"", b"\0\0\0\0", b"\xff\xff\xff\xff"})
"""The bytes of nothing: of a stream, an empty text or map, a null text."""
_ATTEMPTS = 3  # questions to the store while what is expected of it changes


class GatedStore:
    """A :class:`~kwallet_bridge.store.wallets.Store` behind the name gate."""

    def __init__(self, store: Store, sources: Sequence[ExpectationSource]) -> None:
        """Pass on to ``store`` what none of ``sources`` speaks against."""
        self._store = store
        self._sources = sources

    def subscribe(self, listener: Callable[[StoreEvent], None]) -> None:
        """Have ``listener`` told of what other programs change."""
        self._store.subscribe(listener)

    def configure(self, settings: StoreSettings) -> None:
        """Use other settings from now on."""
        self._store.configure(settings)

    @property
    def destination(self) -> str:
        """Name the store as a migration's ``--to`` does."""
        return self._store.destination

    def distrust(self) -> None:
        """Take nothing for absent that was known to be so."""
        self._store.distrust()

    def canonical(self, wallet: WalletName) -> WalletName:
        """Give the name under which a wallet is listed, of several it answers to."""
        return self._store.canonical(wallet)

    # --- wallets --------------------------------------------------------------------------------

    async def is_reachable(self) -> bool:
        """Tell whether there is a store to serve from, without asking or starting it."""
        return await self._store.is_reachable()

    async def list_wallets(self) -> Sequence[WalletName]:
        """List wallets, those too that are only expected."""
        await self._refresh()
        names = await self._store.list_wallets()
        expected = {self.canonical(name) for source in self._sources for name in source.wallets()}
        return [*names, *sorted(expected.difference(names))]

    async def wallet_state(self, wallet: WalletName) -> WalletState:
        """Tell what an open would meet."""
        return await self._store.wallet_state(wallet)

    async def unlock(self, wallet: WalletName, *, window_id: str = "") -> None:
        """Unlock a wallet, prompting if needed."""
        await self._store.unlock(wallet, window_id=window_id)

    async def create_wallet(
        self, wallet: WalletName, *, window_id: str = "", made: Callable[[], None] = lambda: None
    ) -> None:
        """Make a wallet, prompting if needed."""
        await self._store.create_wallet(wallet, window_id=window_id, made=made)

    async def prepare(self, wallet: WalletName) -> bool:
        """Give an unlocked wallet that holds nothing of KWallet's its usual folders."""
        return await self._store.prepare(wallet)

    async def lock(self, wallet: WalletName) -> None:
        """Lock a wallet."""
        await self._store.lock(wallet)

    async def delete_wallet(self, wallet: WalletName) -> None:
        """Delete a wallet of which nothing is expected."""
        await self._refuse_removal(
            wallet,
            Removal(
                lambda _: True,
                lambda: self._see_wallet(wallet),
                lambda one, seen: one.has_more_folders(seen) or _has_more_keys(one, seen),
            ),
        )
        await self._store.delete_wallet(wallet)

    async def close(self) -> None:
        """Let go of what is held."""
        await self._store.close()

    # --- what is there --------------------------------------------------------------------------

    async def list_folders(self, wallet: WalletName) -> Sequence[FolderName]:
        """List folders, unless some would be left out."""
        if not self._expected(wallet):
            return await self._store.list_folders(wallet)
        return await self._whole(
            wallet,
            lambda: self._store.list_folders(wallet),
            lambda one, names: one.has_more_folders(names),
        )

    async def has_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Tell whether a folder exists, here or where it is expected from."""
        if not self._expected(wallet):
            return await self._store.has_folder(wallet, folder)
        found, short = await self._find_folder(wallet, folder)
        return found or (short is not None and short.holds(folder))

    async def list_entries(self, wallet: WalletName, folder: FolderName) -> Mapping[Key, EntryType]:
        """List keys and types, unless some would be left out."""
        if not self._expected(wallet):
            return await self._store.list_entries(wallet, folder)
        return await self._whole(
            wallet,
            lambda: self._store.list_entries(wallet, folder),
            lambda one, keys: one.has_more_keys(folder, keys),
        )

    async def has_entry(self, wallet: WalletName, folder: FolderName, key: Key) -> bool:
        """Tell whether an entry exists, here or where it is expected from."""
        if not self._expected(wallet):
            return await self._store.has_entry(wallet, folder, key)
        found, short = await self._find_entry(wallet, folder, key)
        return found or (short is not None and short.holds(folder, key))

    async def entry_type(
        self, wallet: WalletName, folder: FolderName, key: Key
    ) -> EntryType | None:
        """Tell an entry's type, unless it would be told absent wrongly."""
        if not self._expected(wallet):
            return await self._store.entry_type(wallet, folder, key)
        return await self._whole(
            wallet,
            lambda: self._store.entry_type(wallet, folder, key),
            lambda one, found: found is None and one.may_hold(folder, key),
        )

    async def might_exist(self, wallet: WalletName, folder: FolderName, key: Key | None) -> bool:
        """Tell without unlocking whether a folder (``key`` None) or entry may exist.

        No open has looked for what is expected before.
        """
        if await self._store.might_exist(wallet, folder, key):
            return True
        await self._refresh()
        found, short = await self._ask(
            wallet,
            lambda: self._store.might_exist(wallet, folder, key),
            lambda one, found: not found and one.may_hold(folder, key),
        )
        return found or short is not None

    # --- values ---------------------------------------------------------------------------------

    async def read(self, wallet: WalletName, folder: FolderName, key: Key) -> Entry | None:
        """Read one entry, unless it would be told absent wrongly."""
        if not self._expected(wallet):
            return await self._store.read(wallet, folder, key)
        found, short = await self._find_value(wallet, folder, key)
        _refuse(short)
        return found

    async def read_many(
        self, wallet: WalletName, folder: FolderName, wanted: Callable[[Key, EntryType], bool]
    ) -> Mapping[Key, Entry]:
        """Read entries of a folder, unless some would be left out, wanted or not: nobody knows."""
        if not self._expected(wallet):
            return await self._store.read_many(wallet, folder, wanted)
        await self.list_entries(wallet, folder)
        return await self._whole(
            wallet,
            lambda: self._store.read_many(wallet, folder, wanted),
            lambda one, found: any(_is_hollow(one, folder, *each) for each in found.items()),
        )

    async def read_item(
        self, wallet: WalletName, attributes: Mapping[str, str]
    ) -> ItemSecret | None:
        """Read an item, unless it may be elsewhere: no record tells attributes by their digests."""
        return await self._whole(
            wallet,
            lambda: self._store.read_item(wallet, attributes),
            lambda _one, found: found is None,
        )

    # --- changes --------------------------------------------------------------------------------

    async def create_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Make a folder that is not expected from elsewhere; False if it was there."""
        if self._expected(wallet):
            _refuse((await self._find_folder(wallet, folder))[1])
        return await self._store.create_folder(wallet, folder)

    async def remove_folder(self, wallet: WalletName, folder: FolderName) -> bool:
        """Remove a folder that is not expected, and its entries; False if it was not there."""
        await self._refuse_removal(
            wallet,
            Removal(
                lambda one: one.may_hold(folder),
                lambda: self._see_folder(wallet, folder),
                lambda one, seen: not seen or _has_more_keys(one, seen),
            ),
        )
        return await self._store.remove_folder(wallet, folder)

    async def write(self, wallet: WalletName, folder: FolderName, key: Key, entry: Entry) -> bool:
        """Write an entry, unless its place is to be filled from elsewhere."""
        if any(one.may_hold(folder, key) for one in self._expected(wallet)):
            _refuse((await self._find_value(wallet, folder, key))[1])
        return await self._store.write(wallet, folder, key, entry)

    async def remove(self, wallet: WalletName, folder: FolderName, key: Key) -> bool:
        """Remove an entry that is not expected; False if it was absent."""
        await self._refuse_entry_removal(wallet, folder, key)
        return await self._store.remove(wallet, folder, key)

    async def rename(
        self, wallet: WalletName, folder: FolderName, key: Key, *, new_key: Key
    ) -> None:
        """Move an entry that is not expected to another key, unless that is to be filled."""
        await self._refuse_entry_removal(wallet, folder, key)
        if self._expected(wallet):
            _refuse((await self._find_entry(wallet, folder, new_key))[1])
        await self._store.rename(wallet, folder, key, new_key=new_key)

    # --- the gate -------------------------------------------------------------------------------

    def _expected(self, wallet: WalletName) -> tuple[Expectation, ...]:
        """Give what is expected of a wallet under any of the names it answers to."""
        for source in self._sources:
            if source.wallets():
                return self._gather(wallet)
        return ()

    def _gather(self, wallet: WalletName) -> tuple[Expectation, ...]:
        found: tuple[Expectation, ...] = ()
        for source in self._sources:
            for name in source.wallets():
                if wallet in (name, self._store.canonical(name)):
                    found += tuple(source.expected(name))
        return found

    async def _ask(
        self,
        wallet: WalletName,
        ask: Callable[[], Awaitable[_T]],
        falls_short: Callable[[Expectation, _T], bool],
    ) -> tuple[_T, Expectation | None]:
        """Ask the store; gives its answer, and the expectation that it falls short of, if any.

        Only an expectation that was in force before the store looked speaks for its answer: what a
        migration wrote and finished meanwhile may be in neither.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            expected = self._expected(wallet)
            answer = await ask()
            short = next((one for one in expected if falls_short(one, answer)), None)
            if short is None or attempt == _ATTEMPTS:
                break
            await self._refresh()
            if self._expected(wallet) == expected:
                break
            # Whoever moved it is done; the store's signals of that may still be on their way.
            self._store.distrust()
        return answer, short

    async def _whole(
        self,
        wallet: WalletName,
        ask: Callable[[], Awaitable[_T]],
        falls_short: Callable[[Expectation, _T], bool],
    ) -> _T:
        answer, short = await self._ask(wallet, ask, falls_short)
        _refuse(short)
        return answer

    async def _find_folder(
        self, wallet: WalletName, folder: FolderName
    ) -> tuple[bool, Expectation | None]:
        return await self._ask(
            wallet,
            lambda: self._store.has_folder(wallet, folder),
            lambda one, found: not found and one.may_hold(folder),
        )

    async def _find_entry(
        self, wallet: WalletName, folder: FolderName, key: Key
    ) -> tuple[bool, Expectation | None]:
        return await self._ask(
            wallet,
            lambda: self._store.has_entry(wallet, folder, key),
            lambda one, found: not found and one.may_hold(folder, key),
        )

    async def _find_value(
        self, wallet: WalletName, folder: FolderName, key: Key
    ) -> tuple[Entry | None, Expectation | None]:
        return await self._ask(
            wallet,
            lambda: self._store.read(wallet, folder, key),
            lambda one, found: (
                one.may_hold(folder, key) if found is None else _is_hollow(one, folder, key, found)
            ),
        )

    async def _refuse_removal(self, wallet: WalletName, removal: Removal) -> None:
        if not any(removal.concerns(one) for one in self._expected(wallet)):
            return
        await self._refresh()
        for source in self._sources:
            for name in source.wallets():
                if wallet in (name, self._store.canonical(name)):
                    await source.release(name, removal)
        _refuse(next((one for one in self._expected(wallet) if removal.concerns(one)), None))

    async def _refuse_entry_removal(self, wallet: WalletName, folder: FolderName, key: Key) -> None:
        async def look() -> Seen:
            there = await self._store.has_entry(wallet, folder, key)
            return {folder: [key]} if there else {}

        await self._refuse_removal(
            wallet, Removal(lambda one: one.may_hold(folder, key), look, lambda _, seen: not seen)
        )

    async def _see_folder(self, wallet: WalletName, folder: FolderName) -> Seen:
        if not await self._store.has_folder(wallet, folder):
            return {}
        return {folder: [*await self._store.list_entries(wallet, folder)]}

    async def _see_wallet(self, wallet: WalletName) -> Seen:
        return {
            folder: [*await self._store.list_entries(wallet, folder)]
            for folder in await self._store.list_folders(wallet)
        }

    async def _refresh(self) -> None:
        for source in self._sources:
            await source.refresh()


def _has_more_keys(expected: Expectation, seen: Seen) -> bool:
    return any(expected.has_more_keys(folder, keys) for folder, keys in seen.items())


def _is_hollow(expected: Expectation, folder: FolderName, key: Key, entry: Entry) -> bool:
    """Tell whether an entry may be one whose value a migration that was cut off did not bring."""
    return entry.value.reveal() in _HOLLOW and expected.was_begun(folder, key)


def _refuse(short: Expectation | None) -> None:
    if short is not None:
        raise ElsewhereError(short.advice)
