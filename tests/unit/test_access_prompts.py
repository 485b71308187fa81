# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.services import APP, OTHER, WALLET, Served

from kwallet_bridge.config import Settings
from kwallet_bridge.model import WalletName

if TYPE_CHECKING:
    from kwallet_bridge.model import AppId


@dataclass
class Noting:
    """A person who says yes, and remembers about whom."""

    asked: list[AppId] = field(default_factory=list)

    async def ask(self, *, wallet: WalletName, appid: AppId, caller: str) -> bool:
        """Say yes."""
        self.asked.append(appid)
        return True


def serve(person: Noting, *, locked: bool) -> Served:
    """Serve one wallet with Prompt on Open."""
    settings = Settings(prompt_on_open=True, lock_on_close=False)
    served = Served(settings=settings, asker=person)
    served.backend.add_collection(WALLET, locked=locked, alias="default")
    return served


async def test_a_typed_password_lets_no_program_in() -> None:
    """Of two applications that open a locked wallet at once both are asked about."""
    person = Noting()
    served = serve(person, locked=True)
    at_prompt, typed = asyncio.Event(), asyncio.Event()

    async def gate(member: str) -> None:
        if member == "unlock":
            at_prompt.set()
            await typed.wait()

    served.backend.gate = gate
    first = asyncio.create_task(served.open(APP))
    await at_prompt.wait()
    second = asyncio.create_task(served.open(OTHER))
    await asyncio.sleep(0)
    typed.set()
    assert await first == await second > 0
    assert served.backend.prompts == 1
    assert sorted(person.asked) == [APP, OTHER]


async def test_a_wallet_that_did_not_exist_is_asked_about() -> None:
    """The application whose open makes a wallet is asked about like any other."""
    person = Noting()
    served = serve(person, locked=False)
    assert await served.open(APP, WalletName("a new one")) > 0
    assert person.asked == [APP]


@pytest.mark.parametrize("denies", [True, False])
async def test_without_anybody_to_ask_the_setting_decides(*, denies: bool) -> None:
    """Where there is no asker at all Deny Without Dialog decides, as without a display."""
    settings = Settings(prompt_on_open=True, deny_without_dialog=denies)
    served = Served(settings=settings)
    served.backend.add_collection(WALLET, locked=False, alias="default")
    assert (await served.open(APP) > 0) is not denies


async def test_an_unlocked_wallet_that_was_closed_is_asked_about() -> None:
    """Reopening a closed wallet whose collection was never locked asks: nobody typed anything."""
    person = Noting()
    served = serve(person, locked=False)
    await served.open(APP)
    await served.service.close_all_wallets("")
    person.asked.clear()
    assert await served.open(OTHER) > 0
    assert served.backend.prompts == 0
    assert person.asked == [OTHER]
