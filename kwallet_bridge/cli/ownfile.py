# SPDX-License-Identifier: GPL-3.0-or-later
"""Offer an encrypted file where nobody else would keep secrets, and set it up."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from kwallet_bridge.cli.keyrings import spec_of
from kwallet_bridge.cli.passwords import PasswordSource, confirm
from kwallet_bridge.cli.stores import StoreOpener
from kwallet_bridge.cli.text import say
from kwallet_bridge.daemon.stores import has_provider_served
from kwallet_bridge.errors import PromptDismissedError, StoreMissingError
from kwallet_bridge.session.decision import read_word
from kwallet_bridge.session.kde_provider import (
    OTHER_PROVIDER,
    OWN_FILE,
    find_kde_provider,
    is_provider_missing,
    require_moved,
)
from kwallet_bridge.statefile import MadeBy, load, state_path
from kwallet_bridge.store.mark import draw_identity, mark_item
from kwallet_bridge.store.port import DEFAULT_ALIAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.statefile import Decision

NOBODY: Final = "no Secret Service provider runs here, and none can be started"
WAIT: Final = (
    "have the bridge wait for a provider that starts by itself, such as KeePassXC, with"
    " `kwallet-bridge session install --store provider`"
)


async def offer_file(bus: Bus, environ: Mapping[str, str]) -> Decision | None:
    """Return the decision for an encrypted file that a person has just set up at the terminal.

    The file is there then, and was opened with what was typed; the decision is not kept yet.
    None where a provider will serve or did so once, and where nobody can be asked.

    Raises:
        PromptDismissedError: The person said no, or gave no password; nothing was made.
        SessionError: Items that KDE's daemon keeps must be moved before.
        StoreError: The file cannot be made or opened.
        StateError: The state file cannot be used.
    """
    kde = await find_kde_provider(bus)
    if not await is_provider_missing(bus, kde):
        return None
    state = await asyncio.to_thread(load, state_path(environ))
    if await has_provider_served(state, environ):
        return None
    decision = await asyncio.to_thread(read_word, "file", environ, MadeBy.INSTALL)
    source = PasswordSource()
    try:
        if sys.stdin.isatty():
            if kde is not None:
                await require_moved(kde, decision.path)
            why = f"{kde} itself is the Secret Service provider and ends now" if kde else NOBODY
            question = (
                f"{why}.\nAn encrypted file can keep the wallets instead: {decision.path}\n"
                "Programs of the Secret Service itself, such as libsecret's, then find no service.\n"
                "Set it up and have it serve? [y/N] "
            )
            answer = await asyncio.to_thread(confirm, question, source.withdrawal)
            if answer:
                await _set_up(decision, source)
                return decision
            if answer is not None:
                raise PromptDismissedError(
                    f"nothing was changed. Either {OTHER_PROVIDER if kde else WAIT}. Or {OWN_FILE}"
                )
    except asyncio.CancelledError:
        source.withdrawal.withdraw()  # Ctrl-C ends the question too
        raise
    if kde is None:
        say(f"{NOBODY}: opens wait for one that comes. Or {OWN_FILE}")
    return None


async def _set_up(decision: Decision, source: PasswordSource) -> None:
    """Make the file, unless it is there, and prove that what a person typed opens it."""
    opener = StoreOpener(spec_of(decision), source)
    opened = await opener.open()
    try:
        if await opened.backend.read_alias(DEFAULT_ALIAS) is not None:
            await _prove(opener)
            say(f"opened {decision.path} with the password")
            return
        made = await opened.backend.create_collection(opened.default_wallet)
        try:
            # Any password opens a file without items: the mark is what the right one is known by.
            await opened.backend.create_item(made, mark_item(draw_identity()), replace=False)
            await _prove(opener)
        except BaseException:
            await opened.backend.delete_collection(made)  # nobody else has put anything into it yet
            raise
    finally:
        await opened.close()
    say(f"made and opened {decision.path} with the password")


async def _prove(opener: StoreOpener) -> None:
    opened = await opener.open()
    try:
        main = await opened.backend.read_alias(DEFAULT_ALIAS)
        if main is None:
            raise StoreMissingError("the encrypted file is gone again")
        await opened.backend.unlock(main)
    finally:
        await opened.close()
