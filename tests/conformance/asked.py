# SPDX-License-Identifier: GPL-3.0-or-later
"""One question asked of a daemon, with what it says and tells, for tests that compare by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.normal import HANDLE_SIGNALS, LIST_DIRTY
from support.client import KWALLET, Reply, SeenSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.client import Arrival, KWalletClient

Told = tuple[str, tuple[object, ...]]


def ask(
    client: KWalletClient,
    member: str,
    signature: str = "",
    *args: object,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[Reply, list[Told]]:
    """Call, do something while the answer is waited for, and give it with the signals."""
    client.flush()
    client.arrivals.clear()
    path = client.object_path
    serial = client.send(client.service, path, KWALLET, member, signature, args)
    meanwhile()
    return client.wait_reply(serial), hear(client)


def hear(client: KWalletClient) -> list[Told]:
    """Take the signals so far, handles named by the word; walletListDirty is looked at apart."""
    client.flush()
    told = [told_by(seen) for seen in client.arrivals]
    client.arrivals.clear()
    return [each for each in told if each is not None and each[0] != LIST_DIRTY]


def told_by(seen: Arrival) -> Told | None:
    """Give a signal's name and arguments, None for a reply."""
    signal = seen.content
    if not isinstance(signal, SeenSignal) or signal.interface != KWALLET:
        return None
    body = signal.body
    if (signal.member, signal.signature) in HANDLE_SIGNALS:
        body = ("handle",)
    elif signal.member == "walletAsyncOpened" and body[1] != -1:
        body = (body[0], "handle")
    return signal.member, body
