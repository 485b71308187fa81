# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, each with a class of its own; none is a special case of another."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kwallet_bridge import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


class KeyringError(Exception):
    """Anything that went wrong with a keyring; its message says what, and never holds a secret.

    Every other class here derives from this one and from no other of them.
    """


class DismissedError(KeyringError):
    """A person was asked and said no, or there was nobody to ask."""


class LockedError(KeyringError):
    """The collection or the item is locked: unlock it and ask again."""


class AbsentError(KeyringError):
    """What was named is not there: the provider, the file, the collection or the item."""


class RefusedError(KeyringError):
    """The store did not do it; nothing was changed."""


class DamagedError(KeyringError):
    """The store is there and cannot be read wholly, so nothing can be said to be missing from it."""


class PasswordError(KeyringError):
    """The password does not open the file."""


class UncertainError(KeyringError):
    """The store did not answer or was lost in mid-call: whether it acted must be looked up."""


_MEANINGS: tuple[tuple[type[errors.BridgeError], type[KeyringError]], ...] = (
    (errors.PromptDismissedError, DismissedError),
    (errors.PasswordNeededError, DismissedError),
    (errors.StoreLockedError, LockedError),
    (errors.StoreMissingError, AbsentError),
    (errors.BusLostError, AbsentError),
    (errors.StoreDamagedError, DamagedError),
    (errors.StoreOutdatedError, DamagedError),
    (errors.StorePasswordError, PasswordError),
    (errors.StoreUnavailableError, UncertainError),
    (errors.StoreTimeoutError, UncertainError),
    (errors.BusTimeoutError, UncertainError),
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the store raises as one of the classes above."""
    try:
        yield
    except errors.BridgeError as error:
        for theirs, ours in _MEANINGS:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
        raise RefusedError(str(error)) from error
