# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs a question for a password names."""

from __future__ import annotations

import asyncio

import pytest
from support.services import APP, OTHER, WALLET, Served, until

from kwallet_bridge.daemon.waiting import WaitingPrograms
from kwallet_bridge.model import AppId, WalletName
from kwallet_bridge.question import WaitingProgram
from kwallet_bridge.wallet.appsecrets import ApplicationSecrets
from kwallet_bridge.wallet.waiting import Waiter, Waiting
from kwallet_bridge.wire.program import PeerProgram

LABEL = WalletName("Login")
"""The default collection's own name; the wallet is listed under another."""


def _named(world: Served, waiting: Waiting | None = None) -> WaitingPrograms:
    """Name programs as the daemon does; each caller is a process of its own, ``:1.9`` is gone."""

    async def identify(caller: str) -> PeerProgram | None:
        number = int(caller.rpartition(".")[2])
        return None if number == 9 else PeerProgram(number, f"/bin/{number % 10}", "", number)

    return WaitingPrograms(
        waiting or world.service.waiting, identify=identify, canonical=world.store.canonical
    )


async def test_everybody_who_waits_for_one_question_is_named() -> None:
    """Who joins is named beside who came first, until they leave; nobody is once it is answered."""
    world = Served()
    collection = world.backend.add_collection("Login", alias="default")
    await world.backend.lock(collection)
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def gate(called: str) -> None:
        if called == "unlock":
            entered.set()
            await go_on.wait()

    world.backend.gate = gate
    named = _named(world)
    first = asyncio.create_task(world.open(APP, caller=":1.1"))
    await entered.wait()
    second = asyncio.create_task(world.open(OTHER, LABEL, caller=":1.2"))
    secrets = ApplicationSecrets(world.service, world.store)
    third = asyncio.create_task(secrets.read("org.example.App", caller=":1.3"))
    await until(lambda: len(world.service.waiting.waiters(WALLET)) == 3)
    portal = WaitingProgram("xdg-desktop-portal", "/bin/3", application="org.example.App")
    other = WaitingProgram("other", "/bin/2")
    assert await named.describe("Login") == ((WaitingProgram("app", "/bin/1"), other, portal), 0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await named.describe("Login") == ((other, portal), 0)
    go_on.set()
    assert await second > 0
    assert len(await third) > 0
    assert await named.describe("Login") == ((), 0)
    await world.service.stop()
    await world.store.close()


async def test_a_flood_of_callers_is_counted_and_not_looked_at() -> None:
    """Few are named, each once; of the rest the window says how many there are."""
    world = Served()
    waiting = Waiting()
    looked_at: list[str] = []

    async def identify(caller: str) -> PeerProgram | None:
        looked_at.append(caller)
        return None if caller == ":1.0" else PeerProgram(1, "/bin/same")

    named = WaitingPrograms(waiting, identify=identify, canonical=world.store.canonical)
    marks = [waiting.noted(WALLET, Waiter(f":1.{number}", AppId("a"))) for number in range(1000)]
    for mark in marks:
        mark.__enter__()
    assert await named.describe(WALLET) == ((WaitingProgram("a", "/bin/same"),), 992)
    assert len(looked_at) == 8
    for mark in marks:
        mark.__exit__(None, None, None)
    assert waiting.waiters(WALLET) == ()
    await world.service.stop()
    await world.store.close()
