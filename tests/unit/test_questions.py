# SPDX-License-Identifier: GPL-3.0-or-later
"""A caller has one question before people at a time, and none once it has left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.services import APP, OTHER, PEER, WALLET, Served

from kwallet_bridge.config import Settings
from kwallet_bridge.model import AppId, WalletName
from kwallet_bridge.wallet.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

ELSE = ":1.77"


class Person:
    """Shows what is asked, and answers when told to."""

    def __init__(self) -> None:
        self.shown: asyncio.Queue[str] = asyncio.Queue()
        self.up: dict[str, asyncio.Future[bool]] = {}
        self.withdrawn: list[str] = []

    async def ask(self, *, wallet: WalletName, appid: AppId, caller: str) -> bool:
        """Ask about an application."""
        del wallet
        return await self.show(f"{caller} {appid}")

    async def show(self, what: str) -> bool:
        """Show a question until it is answered or withdrawn."""
        self.up[what] = asyncio.get_running_loop().create_future()
        self.shown.put_nowait(what)
        try:
            return await self.up[what]
        except asyncio.CancelledError:
            self.withdrawn.append(what)
            raise
        finally:
            del self.up[what]

    def about(self, what: str) -> Callable[[], Coroutine[None, None, bool]]:
        """Give a question as work."""
        return lambda: self.show(what)


async def test_a_caller_asks_one_thing_at_a_time_and_holds_up_nobody() -> None:
    """A hundred questions of one caller are one on the screen, beside another caller's."""
    person, questions = Person(), Questions()
    many = [
        asyncio.ensure_future(questions.ask(PEER, n, person.about(f"many {n}"))) for n in range(100)
    ]
    other = asyncio.ensure_future(questions.ask(ELSE, 0, person.about("other")))
    assert {await person.shown.get(), await person.shown.get()} == {"many 0", "other"}
    assert len(person.up) == 2
    person.up["other"].set_result(True)
    assert await other
    person.up["many 0"].set_result(True)
    assert await person.shown.get() == "many 1"
    questions.withdraw(PEER)
    await asyncio.wait(many)
    assert person.withdrawn == ["many 1"]
    assert person.shown.empty()
    assert not questions._runs
    assert not questions._turns._locks


async def test_equal_questions_are_asked_once() -> None:
    """Who asks the same while it is up, or waits for its turn, has the same answer."""
    person, questions = Person(), Questions()
    first = asyncio.ensure_future(questions.ask(PEER, "a", person.about("a")))
    twice = [asyncio.ensure_future(questions.ask(PEER, "b", person.about("b"))) for _ in range(2)]
    assert await person.shown.get() == "a"
    person.up["a"].set_result(True)
    assert await person.shown.get() == "b"
    person.up["b"].set_result(False)
    assert [await first, *[await each for each in twice]] == [True, False, False]
    assert person.shown.empty()


async def test_who_left_before_the_question_is_not_asked_for() -> None:
    """An open that was still finding its wallet when its program left asks for no password."""
    served = Served()
    served.backend.add_collection(WALLET, locked=True, alias="default")
    looking, go_on = asyncio.Event(), asyncio.Event()

    async def gate(called: str) -> None:
        assert called != "unlock"
        looking.set()
        await go_on.wait()

    served.backend.gate = gate
    opening = asyncio.ensure_future(served.open(caller=PEER))
    await looking.wait()
    served.service.peer_vanished(PEER)
    go_on.set()
    assert await opening == -1
    assert served.backend.prompts == 0
    assert not served.service._questions._left


@pytest.mark.parametrize("member", ["unlock", "create_collection"])
async def test_a_password_is_asked_for_while_somebody_waits(member: str) -> None:
    """An ``open`` whose program left takes its prompt away, and leaves another program's."""
    served = Served()
    served.backend.add_collection(WALLET, locked=member == "unlock", alias="default")
    wallet = WALLET if member == "unlock" else WalletName("new")
    at_prompt, gone = asyncio.Event(), asyncio.Event()

    async def gate(called: str) -> None:
        if called == member:
            at_prompt.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                gone.set()

    served.backend.gate = gate
    opens = {
        caller: asyncio.ensure_future(served.open(caller=caller, wallet=wallet))
        for caller in (PEER, ELSE)
    }
    await at_prompt.wait()
    served.service.peer_vanished(PEER)
    await asyncio.wait([opens[PEER]])
    assert not gone.is_set()
    assert not opens[ELSE].done()
    served.service.peer_vanished(ELSE)
    await asyncio.wait([opens[ELSE]])
    await gone.wait()
    assert served.backend.prompts == 0


async def test_a_program_that_left_is_asked_about_no_more() -> None:
    """Access questions of one caller come one by one, and go with it."""
    person = Person()
    served = Served(settings=Settings(prompt_on_open=True), asker=person)
    served.backend.add_collection(WALLET, alias="default")
    opens = [asyncio.ensure_future(served.open(appid, caller=PEER)) for appid in (APP, OTHER, APP)]
    first = await person.shown.get()
    person.up[first].set_result(False)
    second = await person.shown.get()
    assert {first, second} == {f"{PEER} {APP}", f"{PEER} {OTHER}"}
    served.service.peer_vanished(PEER)
    await asyncio.wait(opens)
    assert person.withdrawn == [second]
    assert sorted(each.cancelled() for each in opens) in ([False, True, True], [False, False, True])
