# SPDX-License-Identifier: GPL-3.0-or-later
"""KDE's daemon where it is the Secret Service provider itself, as up to KDE Frameworks 6.13.

One process then owns the KWallet names and ``org.freedesktop.secrets``. Nothing starts it again for
the second once it was ended, and what is written into it would end with it: so it is no destination,
and it is not ended while programs of the Secret Service would find no longer what they keep there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import FileUnreadableError, JournalError, LimitError, SessionError
from kwallet_bridge.kwl.attributes import parse_attributes
from kwallet_bridge.kwl.files import read_source
from kwallet_bridge.kwl.folders import list_wallet_folders
from kwallet_bridge.kwl.names import WALLET_SUFFIX
from kwallet_bridge.migrate.coverage import digest_content
from kwallet_bridge.migrate.journal import journal_path, peek_records
from kwallet_bridge.session.census import SECRETS, find_owner, has_owner, list_activatable
from kwallet_bridge.statefile import Decision, StoreKind
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.session.census import Owner

OTHER_PROVIDER: Final = (
    "install gnome-keyring, KeePassXC or oo7; have KDE's daemon leave the name to it with"
    " `kwriteconfig6 --file kwalletrc --group org.freedesktop.secrets --key apiEnabled --type bool"
    " false`; log out and in; then run `kwallet-bridge migrate` and `kwallet-bridge session install`"
)
OWN_FILE: Final = (
    "have an encrypted file serve: `kwallet-bridge session install --store file`; programs of the"
    " Secret Service itself, such as libsecret's, then find no service"
)
IS_NO_DESTINATION: Final = (
    "KDE's daemon itself is the Secret Service provider here, and what is moved into it ends with it."
    f" Either {OTHER_PROVIDER}. Or move into an encrypted file with --to file:PATH"
)


async def find_kde_provider(bus: Bus, *, name: str = SECRETS) -> Owner | None:
    """Return KDE's daemon if it is the provider itself; None for any other provider, or nobody."""
    provider = await find_owner(bus, name)
    if provider is None or provider.is_bridge:
        return None
    if provider.is_kwalletd:
        return provider
    for each in BUS_NAMES:
        owner = await find_owner(bus, each)
        if owner is not None and owner.unique_name == provider.unique_name:
            return provider
    return None


async def require_ways_out(
    bus: Bus, decision: Decision | None, *, say: Callable[[str], None]
) -> None:
    """Make sure that nobody loses anything when KDE's daemon is ended.

    Args:
        bus: The session bus.
        decision: Which store shall serve; None for whoever comes.
        say: Told what follows from it.

    Raises:
        SessionError: Somebody would; the message names the ways out.
    """
    provider = await find_kde_provider(bus)
    if provider is None:
        return
    path = decision.path if decision is not None and decision.kind is StoreKind.FILE else ""
    if not path and await is_provider_missing(bus, provider):
        raise SessionError(
            f"{provider} itself is the Secret Service provider, and nobody would be once it has"
            f" ended. Either {OTHER_PROVIDER}. Or {OWN_FILE}"
        )
    await require_moved(provider, path)
    if path:
        say(
            "programs of the Secret Service itself, such as libsecret's, find no service from now on"
        )


async def is_provider_missing(bus: Bus, kde: Owner | None) -> bool:
    """Return whether nobody provides the Secret Service once KDE's daemon has ended.

    ``kde`` is that daemon where it is the provider itself, as :func:`find_kde_provider` gives it.
    """
    if SECRETS in await list_activatable(bus):
        return False
    return kde is not None or not await has_owner(bus, SECRETS)


async def require_moved(provider: Owner, path: str) -> None:
    """Make sure that what programs of the Secret Service keep in KDE's daemon was moved.

    Args:
        provider: That daemon.
        path: The encrypted file that shall serve; "" for another provider.

    Raises:
        SessionError: It was not; the message says how it is done.
    """
    places = {f"file:{path}", f"oo7-file:{path}"} if path else {"secret-service"}
    kept = await asyncio.to_thread(_list_unmoved, places)
    if kept:
        many = "a wallet" if len(kept) == 1 else f"{len(kept)} wallets"
        first = (
            f"move them first, with `kwallet-bridge migrate --to file:{path}`"
            if path
            else f"move them first: {OTHER_PROVIDER}"
        )
        raise SessionError(
            f"{provider} keeps items of programs of the Secret Service in {many}, which would find"
            f" nothing once it has ended; {first}"
        )


def _list_unmoved(destinations: Collection[str]) -> list[Path]:
    """List the wallets with items of the Secret Service that no finished run brought there."""
    try:
        coverage = peek_records(journal_path()).coverage
    except JournalError:
        coverage = []  # what is not known to be moved was not
    moved = {one.file.sha256 for one in coverage if one.destination in destinations}
    wallets = [
        path for folder in list_wallet_folders() for path in folder.glob(f"*{WALLET_SUFFIX}")
    ]
    return [path for path in wallets if _holds_items(path, moved)]


def _holds_items(path: Path, moved: Collection[str]) -> bool:
    try:
        source = read_source(path)
    except (FileUnreadableError, LimitError):
        return True  # it may
    if source.attributes is None or digest_content(source.data) in moved:
        return False
    items = parse_attributes(source.attributes)
    return items is None or bool(items)
