# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a provider that saves late has saved.

ksecretd saves a wallet five seconds after a change, and not when it is ended: what it had not saved
is there after its next start, without its value. It tells nobody when it saves, but its file does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import StoreTimeoutError
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import ItemSecret, NewItem

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE: Final = 20.0
"""Seconds within which a wallet is saved; ksecretd waits five, and writes a large one for some."""
_LOOK: Final = 0.1
NUDGE_SCHEMA: Final = "org.kwallet_bridge.Nudge"
"""The migrator's own, and so no program's entry, should one be left by a process that was killed."""


def make_nudge() -> NewItem:
    """Return an item that is stored and deleted for nothing but to have a provider save."""
    attributes = {"xdg:schema": NUDGE_SCHEMA}
    return NewItem("kwallet-bridge: save", attributes, ItemSecret(Secret(b"nothing to hide")))


async def wait_for_save(label: str, since: float, *, patience: float = PATIENCE) -> None:
    """Return once a wallet's file was written after ``since``, in seconds since 1970.

    Raises:
        StoreTimeoutError: It was not.
    """
    # A daemon that waits for nobody's file does not load what reads wallet files.
    from kwallet_bridge.kwl.folders import list_wallet_folders  # noqa: PLC0415
    from kwallet_bridge.kwl.names import WALLET_SUFFIX, encode_name  # noqa: PLC0415

    places = [folder / (encode_name(label) + WALLET_SUFFIX) for folder in list_wallet_folders()]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not await asyncio.to_thread(_is_written, places, since):
        if loop.time() > deadline:
            raise StoreTimeoutError(
                "the provider was not seen to save what was changed; if it ends now, the change is lost"
            )
        await asyncio.sleep(_LOOK)


def _is_written(places: list[Path], since: float) -> bool:
    return any(path.stat().st_mtime > since for path in places if path.exists())
