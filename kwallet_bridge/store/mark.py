# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of a collection that wallets are served from: an item that holds no secret. Pure.

It is found by one attribute, without its secret and without its schema, so that a locked collection
of gnome-keyring can be recognised too. It has neither folder nor key, so no KWallet program, KDE's
own translation layer included, shows it; the migrator leaves it where it is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kwallet_bridge.secret import Secret
from kwallet_bridge.store.codec import SCHEMA
from kwallet_bridge.store.port import ItemSecret, NewItem

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK_SCHEMA = "org.kwallet_bridge.Wallet"
MARK_QUERY = {SCHEMA: MARK_SCHEMA}
"""The attributes every mark has."""
MARK_LABEL = "KWallet Bridge: this keyring is a wallet (holds no password, please keep)"
_IDENTITY = "kwallet-bridge-wallet"


def draw_identity() -> str:
    """Return the identity of a collection that has none yet: 32 hex digits."""
    return os.urandom(16).hex()


def identity_query(identity: str) -> dict[str, str]:
    """Return the attributes by which the mark of this identity is found."""
    return {_IDENTITY: identity}


def identity_of(attributes: Mapping[str, str]) -> str:
    """Return the identity that an item gives to its collection; "" for any other item."""
    return attributes.get(_IDENTITY, "") if attributes.get(SCHEMA) == MARK_SCHEMA else ""


def mark_item(identity: str) -> NewItem:
    """Build the mark of this identity."""
    attributes = identity_query(identity) | MARK_QUERY
    return NewItem(MARK_LABEL, attributes, ItemSecret(Secret(b"")))
