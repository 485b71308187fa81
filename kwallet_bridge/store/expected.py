# SPDX-License-Identifier: GPL-3.0-or-later
"""Places known to exist, whether or not the store that serves holds them: by digests of names.

A wallet file that was not moved yet shows in clear which folders and keys it has; other records
keep digests under a key. Either way nothing but a name that is asked about can be recognised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.errors import ElsewhereError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from kwallet_bridge.model import FolderName, Key, WalletName


class Expectation(Protocol):
    """What one record knows of one wallet. Two of them are the same only if they are one object."""

    @property
    def advice(self) -> str:
        """Say to a person why it is missing and what to do; names nothing private."""

    def may_hold(self, folder: FolderName, key: Key | None = None) -> bool:
        """Tell whether a folder (``key`` None) or entry may be there. False is certain."""

    def holds(self, folder: FolderName, key: Key | None = None) -> bool:
        """Tell whether it is there.

        Raises:
            ElsewhereError: The names cannot be recognised.
        """

    def was_begun(self, folder: FolderName, key: Key) -> bool:
        """Tell whether a write of this entry may have been cut off, so that it is there empty."""

    def has_more_folders(self, known: Iterable[FolderName]) -> bool:
        """Tell whether there may be folders besides the known ones."""

    def has_more_keys(self, folder: FolderName, known: Iterable[Key]) -> bool:
        """Tell whether there may be keys in a folder besides the known ones."""


Seen = Mapping["FolderName", Collection["Key"]]
"""What a store was seen to hold: folders, and keys of each."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What is about to be removed from a store."""

    concerns: Callable[[Expectation], bool]
    """Tells whether something of it is expected."""
    look: Callable[[], Awaitable[Seen]]
    """Gives what of it the store holds."""
    leaves_out: Callable[[Expectation, Seen], bool]
    """Tells whether something of it is expected that was not seen."""


class ExpectationSource(Protocol):
    """Knows of wallets that must not be told absent, in whole or in part."""

    def wallets(self) -> Sequence[WalletName]:
        """Name the wallets something is expected of; asked at every call, so from memory."""

    def expected(self, wallet: WalletName) -> Sequence[Expectation]:
        """Give what is expected of one of :meth:`wallets`."""

    async def refresh(self) -> None:
        """Look again at what the expectations come from: asked before a call is refused."""

    async def release(self, wallet: WalletName, removal: Removal) -> None:
        """Expect no longer what may go from the store although it is expected, if anything may."""


class NameDigests:
    """Expects folders and keys by the digests of their names."""

    def __init__(
        self,
        digest: Callable[[str], bytes],
        folders: Mapping[bytes, AbstractSet[bytes]],
        advice: str,
        *,
        begun: Container[tuple[str, str]] = (),
    ) -> None:
        """Recognise a name by ``digest``; ``folders`` maps each folder to its keys.

        ``begun`` holds the folders and keys of entries whose write may have been cut off.
        """
        self._digest = digest
        self._folders = folders
        self._begun = begun
        self.advice = advice

    def may_hold(self, folder: FolderName, key: Key | None = None) -> bool:
        """Tell whether a folder or entry is there."""
        keys = self._folders.get(self._digest(folder))
        return keys is not None and (key is None or self._digest(key) in keys)

    holds = may_hold

    def was_begun(self, folder: FolderName, key: Key) -> bool:
        """Tell whether a write of this entry may have been cut off."""
        return (folder, key) in self._begun

    def has_more_folders(self, known: Iterable[FolderName]) -> bool:
        """Tell whether there are folders besides the known ones."""
        return not self._folders.keys() <= {self._digest(name) for name in known}

    def has_more_keys(self, folder: FolderName, known: Iterable[Key]) -> bool:
        """Tell whether there are keys in a folder besides the known ones."""
        keys = self._folders.get(self._digest(folder), frozenset())
        return bool(keys) and not keys <= {self._digest(name) for name in known}

    def __repr__(self) -> str:
        return f"NameDigests({len(self._folders)} folders)"


class HiddenNames:
    """Expects anything: what is there cannot be told apart from what is not."""

    def __init__(self, advice: str, *, begun: Container[tuple[str, str]] = ()) -> None:
        """Give ``advice`` to whoever asks; ``begun`` as for :class:`NameDigests`."""
        self.advice = advice
        self._begun = begun

    def may_hold(self, folder: FolderName, key: Key | None = None) -> bool:  # noqa: ARG002  anything
        """Tell that it may."""
        return True

    def holds(self, folder: FolderName, key: Key | None = None) -> bool:
        """Refuse to tell."""
        del folder, key
        raise ElsewhereError(self.advice)

    def was_begun(self, folder: FolderName, key: Key) -> bool:
        """Tell whether a write of this entry may have been cut off."""
        return (folder, key) in self._begun

    def has_more_folders(self, known: Iterable[FolderName]) -> bool:  # noqa: ARG002  anything
        """Tell that there may be more."""
        return True

    def has_more_keys(self, folder: FolderName, known: Iterable[Key]) -> bool:  # noqa: ARG002  anything
        """Tell that there may be more."""
        return True
