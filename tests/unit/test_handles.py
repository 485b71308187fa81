# SPDX-License-Identifier: GPL-3.0-or-later
"""What a number that is not open tells, and what the service makes of each way a wallet ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.services import APP, OTHER, PEER, WALLET, Served, until

from kwallet_bridge.errors import HandleEndedError, HandleError
from kwallet_bridge.model import FolderName, WalletName
from kwallet_bridge.wallet import events
from kwallet_bridge.wallet.handles import HandleNumbers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from kwallet_bridge.model import Handle

MANY = 2000
FOLDER = FolderName("folder")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A service over one unlocked default collection."""
    world = Served()
    world.backend.add_collection("Login", alias="default")
    yield world
    await world.service.stop()
    await world.store.close()


def test_handles_are_positive_large_and_each_another() -> None:
    """Numbers fit a signed 32-bit integer, are never small, and those in use never come again."""
    numbers = HandleNumbers("bus")
    drawn: set[Handle] = set()
    for _ in range(MANY):
        drawn.add(numbers.draw(drawn))
    assert len(drawn) == MANY
    assert all(2**20 < number < 2**31 for number in drawn)


def test_an_earlier_life_of_the_daemon_is_recognised() -> None:
    """Another life on the same bus knows a handle as lost; on another bus hardly any is."""
    before, after, elsewhere = HandleNumbers("bus"), HandleNumbers("bus"), HandleNumbers("other")
    drawn = [before.draw(()) for _ in range(MANY)]
    assert all(after.was_lost(number) for number in drawn)
    assert sum(elsewhere.was_lost(number) for number in drawn) < MANY / 100


def test_what_nobody_gave_out_is_not_taken_for_lost() -> None:
    """Zero, negative, small and the largest number are nobody's; of others one in thousands is."""
    numbers = HandleNumbers("bus")
    invented = [0, -1, 1, -(2**31), 2**31 - 1, 12345678, *range(MANY)]
    assert not any(numbers.was_lost(number) for number in invented)
    spread = range(0, 2**31, 2**31 // 100_000)
    assert sum(numbers.was_lost(number) for number in spread) < 100


def test_clients_that_close_again_and_again_fill_no_memory() -> None:
    """Of very many handles that clients closed the last are remembered, the first are errors."""
    numbers = HandleNumbers("bus")
    drawn = [numbers.draw(()) for _ in range(3)]
    for number in drawn:
        numbers.note_closed(number)
    assert not any(map(numbers.was_lost, drawn))
    for _ in range(5000):
        numbers.note_closed(numbers.draw(()))
    assert all(map(numbers.was_lost, drawn))


async def _close_by_handle(served: Served, handle: Handle) -> None:
    await served.service.close_handle(PEER, handle=handle, force=True, appid=OTHER)


async def _close_by_name(served: Served, _: Handle) -> None:
    await served.service.close_wallet(PEER, wallet=WALLET, force=True)


async def _close_all(served: Served, _: Handle) -> None:
    await served.service.close_all_wallets(PEER)


async def _delete(served: Served, _: Handle) -> None:
    await served.service.delete_wallet(PEER, wallet=WALLET)


@pytest.mark.parametrize("end", [_close_by_handle, _close_by_name, _close_all, _delete])
async def test_what_a_client_closed_is_refused(
    served: Served, end: Callable[[Served, Handle], Awaitable[None]]
) -> None:
    """A wallet that any client closed or deleted leaves a handle that is refused as kwalletd's."""
    handle = await served.open()
    await served.open(OTHER)
    await end(served, handle)
    with pytest.raises(HandleError):
        await served.contents.list_folders(PEER, handle=handle, appid=APP)


async def _lock(served: Served) -> None:
    (found,) = await served.backend.collections()
    served.backend.set_locked(found.id, locked=True)


async def _leave(served: Served) -> None:
    served.backend.go()


async def _return(served: Served) -> None:
    served.backend.restart()


async def _drop(served: Served) -> None:
    (found,) = await served.backend.collections()
    served.backend.drop_collection(found.id)


async def _replace(served: Served) -> None:
    served.backend.add_collection("Other", alias="default")


async def _fall_idle(served: Served) -> None:
    await served.configure(close_when_idle=True, idle_timeout_minutes=0)


async def _switch_off(served: Served) -> None:
    await served.configure(enabled=False)


@pytest.mark.parametrize("end", [_lock, _leave, _return, _drop, _replace, _fall_idle, _switch_off])
async def test_what_ended_by_itself_is_an_error(
    served: Served, end: Callable[[Served], Awaitable[None]]
) -> None:
    """A handle that no client closed is an error, also when its wallet is open again."""
    handle = await served.open()
    await end(served)
    await until(lambda: served.wallets.by_handle(handle) is None)
    with pytest.raises(HandleEndedError):
        await served.contents.has_folder(PEER, handle=handle, folder=FOLDER, appid=APP)
    assert not await served.service.is_open_handle(PEER, handle=handle)
    closed = await served.service.close_handle(PEER, handle=handle, force=True, appid=APP)
    assert closed == -1
    with pytest.raises(HandleEndedError):
        await served.contents.has_folder(PEER, handle=handle, folder=FOLDER, appid=APP)


async def test_closing_all_tells_only_of_what_it_closed(served: Served) -> None:
    """A wallet that ends while another is being locked is announced once, as lost."""
    second = served.backend.add_collection("second")
    first_handle = await served.open()
    handle = await served.open(wallet=WalletName("second"))
    served.heard()

    async def lose(called: str) -> None:
        if called == "lock":
            served.backend.gate = None
            served.backend.drop_collection(second)
            await until(lambda: served.wallets.by_handle(handle) is None)

    served.backend.gate = lose
    await served.service.close_all_wallets(PEER)
    told = [event for event in served.heard() if isinstance(event, events.WalletClosed)]
    assert [event.handle for event in told] == [first_handle, handle]
    with pytest.raises(HandleEndedError):
        await served.contents.list_folders(PEER, handle=handle, appid=APP)
