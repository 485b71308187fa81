# SPDX-License-Identifier: GPL-3.0-or-later
"""Store and delete items at one provider; what a refusal leaves half-made is removed."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    PromptDismissedError,
    StoreError,
    StoreLockedError,
    StoreRefusedError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from kwallet_bridge.secretservice import names
from kwallet_bridge.secretservice.client import ObjectGoneError, ProviderSessionLostError
from kwallet_bridge.secretservice.reading import confirm_vanished

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from kwallet_bridge.secretservice.link import ProviderLink
    from kwallet_bridge.secretservice.provider import Provider
    from kwallet_bridge.secretservice.provider_session import ProviderSession
    from kwallet_bridge.store.port import ItemId, NewItem

_log = logging.getLogger(__name__)


class UnstorableTextError(StoreRefusedError):
    """D-Bus carries no text with NUL or with unpaired surrogates."""


def check_text(texts: Iterable[str]) -> None:
    """Refuse text that would cost us the connection to the bus."""
    for text in texts:
        if text.isascii():
            bad = "\0" in text
        else:
            bad = "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)
        if bad:
            raise UnstorableTextError("a name holds what D-Bus cannot carry")


async def create_item(
    link: ProviderLink, provider: Provider, collection: str, item: NewItem, *, replace: bool
) -> str:
    """Store an item and give its path."""
    session = provider.session or await provider.ensure_session()
    if not provider.quirks.leaves_refused_items:
        return await _create_in_session(provider, session, collection, item, replace=replace)
    announced: set[str] = set()
    note: Callable[[str], None] = announced.add
    link.announced.append(note)
    try:
        return await _create_in_session(provider, session, collection, item, replace=replace)
    except (StoreTimeoutError, StoreUnavailableError, StoreLockedError, PromptDismissedError):
        raise
    except StoreRefusedError:
        await _remove_remains(provider, announced, item)
        raise
    finally:
        link.announced.remove(note)


async def _create_in_session(
    provider: Provider, session: ProviderSession, collection: str, item: NewItem, *, replace: bool
) -> str:
    try:
        return await _create(provider, session, collection, item, replace=replace)
    except ProviderSessionLostError:
        session = await provider.renew_session(session)
    except ObjectGoneError:
        # Of the session or of the collection? A collection that answers was not meant.
        await provider.client.read_locked(collection, names.COLLECTION)
        session = await provider.renew_session(session)
    return await _create(provider, session, collection, item, replace=replace)


async def _create(
    provider: Provider, session: ProviderSession, collection: str, item: NewItem, *, replace: bool
) -> str:
    path, prompt = await provider.client.create_item(
        collection, item.label, item.attributes, session.seal(item.secret), replace=replace
    )
    if prompt != names.NOTHING:
        path = await _create_by_prompt(provider, collection, path, prompt)
    if path == names.NOTHING:
        raise StoreRefusedError("the provider stored nothing")
    return path


async def _create_by_prompt(provider: Provider, collection: str, path: str, prompt: str) -> str:
    """Run the prompt of a ``CreateItem``; nothing is made before it runs."""
    client = provider.client
    await _refuse_if_locked(provider, collection, prompt)
    before = await client.read_property(collection, names.COLLECTION, "Items")
    answer = await provider.prompts.run(prompt, window_id="")
    named = answer.paths[0] if answer.paths else path
    if not answer.dismissed:
        return named
    if named == names.NOTHING:
        raise PromptDismissedError("the provider asked, and the answer was no")
    # Nobody said no: the provider began, and failed. What was there before is not a remnant.
    if isinstance(before, list) and named not in before:
        await _remove_quietly(provider, named)
    raise StoreRefusedError("the provider refused the item")


async def _refuse_if_locked(provider: Provider, collection: str, prompt: str) -> None:
    """Take back a prompt that would unlock the collection by the way."""
    if await provider.client.read_locked(collection, names.COLLECTION):
        provider.client.dismiss_prompt(prompt)
        raise StoreLockedError("the collection is locked")


async def _remove_remains(provider: Provider, announced: Collection[str], item: NewItem) -> None:
    """Remove what was announced during a refused call, if it is ours and empty."""
    if not item.secret.value:
        return
    for path in announced:
        try:
            shown = await provider.client.read_properties(path, names.ITEM)
            if shown.get("Attributes") == dict(item.attributes) and await _is_empty(provider, path):
                await _remove_quietly(provider, path)
        except StoreError:
            _log.warning("an item that the provider refused may have stayed behind")


async def _is_empty(provider: Provider, path: str) -> bool:
    session = await provider.ensure_session()
    secret = session.unseal(await provider.client.get_secret(path, session.path))
    return not secret.value


async def _remove_quietly(provider: Provider, path: str) -> None:
    try:
        prompt = await provider.client.delete_item(path)
        if prompt != names.NOTHING:
            await provider.prompts.run(prompt, window_id="")
    except StoreError:
        _log.warning("an item that the provider refused stays behind")


async def delete_item(provider: Provider, item: ItemId) -> None:
    """Delete an item; one that is gone already is no error."""
    path = provider.path(item)
    try:
        prompt = await provider.client.delete_item(path)
    except ObjectGoneError as error:
        await _confirm_gone(provider, item, error)
        return
    if prompt != names.NOTHING:
        await _refuse_if_locked(provider, path.rpartition("/")[0], prompt)
    await accept(provider, prompt)


async def _confirm_gone(provider: Provider, item: ItemId, error: ObjectGoneError) -> None:
    """Believe that an item is gone once it shows nothing: removed is said of what is removed.

    Raises:
        StoreError: It is still there, or its collection is locked.
    """
    try:
        await provider.client.read_locked(provider.path(item), names.ITEM)
    except ObjectGoneError:
        await confirm_vanished(provider, [item])
        return
    raise error


async def accept(provider: Provider, prompt: str, *, window_id: str = "") -> list[str]:
    """Run a prompt, if there is one, to its acceptance; gives the paths it named.

    Raises:
        PromptDismissedError: A person said no, or there is nobody to ask.
    """
    if prompt == names.NOTHING:
        return []
    # oo7 knows a caller by its session, and decides by that who shows the prompt; everybody needs
    # one afterwards anyway. Who refuses a session may still unlock.
    with suppress(StoreError):
        await provider.ensure_session()
    answer = await provider.prompts.run(prompt, window_id=window_id)
    if answer.dismissed:
        raise PromptDismissedError("the provider asked, and the answer was no")
    return list(answer.paths)
