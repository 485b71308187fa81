# SPDX-License-Identifier: GPL-3.0-or-later
"""Which collection the default wallet is: one rule, for whoever serves and whoever migrates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.errors import WalletUnclearError

if TYPE_CHECKING:
    from collections.abc import Collection as AnyCollection
    from collections.abc import Mapping

    from kwallet_bridge.store.port import CollectionId, Quirks


def find_default(
    labels: Mapping[CollectionId, str],
    wanted: str,
    *,
    alias: CollectionId | None,
    quirks: Quirks,
    taken: AnyCollection[CollectionId] = (),
) -> CollectionId | None:
    """Return the collection that kwalletrc's default wallet means; None if it is to be made.

    It is the one labelled so, or else the provider's default one, or else the only one there is.

    Args:
        labels: Every collection's label, in the order in which one of several is taken.
        wanted: What kwalletrc calls the default wallet.
        alias: What the provider calls its default collection.
        quirks: The provider's row.
        taken: Collections known to be other wallets.
    """
    exact = [found for found, label in labels.items() if label == wanted]
    if exact:
        return alias if alias in exact else exact[0]
    if quirks.forgets_label_case:
        folded = wanted.casefold()
        for found, label in labels.items():
            if label.casefold() == folded:
                return found
    if alias in labels:
        return alias
    free = _free(labels, alias=alias, quirks=quirks, taken=taken)
    return free[0] if len(free) == 1 and len(labels) == 1 else None


def require_clear(
    labels: AnyCollection[CollectionId],
    *,
    alias: CollectionId | None,
    quirks: Quirks,
    taken: AnyCollection[CollectionId] = (),
) -> None:
    """Refuse to call a default wallet absent that may be one of several collections.

    Raises:
        WalletUnclearError: It may be.
    """
    if _free(labels, alias=alias, quirks=quirks, taken=taken):
        raise WalletUnclearError(
            "there are several collections, and nothing says which is the default wallet: make one"
            " the provider's default, or name it in kwalletrc as Default Wallet"
        )


def _free(
    labels: AnyCollection[CollectionId],
    *,
    alias: CollectionId | None,
    quirks: Quirks,
    taken: AnyCollection[CollectionId],
) -> list[CollectionId]:
    """List the collections that may be the default wallet where nothing says which one is."""
    if quirks.own_default or alias is not None:
        return []
    return [found for found in labels if found not in taken]
