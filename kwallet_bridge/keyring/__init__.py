# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets for Python programs: the desktop's Secret Service, or an encrypted file in a sandbox.

Everything named in ``__all__`` here, in :mod:`kwallet_bridge.keyring.blocking` and in
:mod:`kwallet_bridge.keyring.errors` is public; modules and names that begin with an underscore
are not. ``API_VERSION`` grows by one in its first part where a program must be changed, in its
second where something was added.
"""

from kwallet_bridge.keyring._items import Collection, Item, ItemDetails
from kwallet_bridge.keyring._keyring import Keyring, KeyringOpening
from kwallet_bridge.keyring._watching import Change, ChangeKind, Watch
from kwallet_bridge.keyring.errors import (
    AbsentError,
    DamagedError,
    DismissedError,
    KeyringError,
    LockedError,
    PasswordError,
    RefusedError,
    UncertainError,
)

API_VERSION = (1, 0)

__all__ = [
    "API_VERSION",
    "AbsentError",
    "Change",
    "ChangeKind",
    "Collection",
    "DamagedError",
    "DismissedError",
    "Item",
    "ItemDetails",
    "Keyring",
    "KeyringError",
    "KeyringOpening",
    "LockedError",
    "PasswordError",
    "RefusedError",
    "UncertainError",
    "Watch",
]
