# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast import Message

from kwallet_bridge.bus.reply import ReplyFuture
from kwallet_bridge.wallet.quota import CALL_WEIGHT, OPEN_WEIGHT, Quota
from kwallet_bridge.wire.eager import step
from kwallet_bridge.wire.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


async def test_a_coroutine_that_never_waits_needs_no_task() -> None:
    """The result is there at once."""

    async def answer() -> int:
        return 7

    assert step(answer(), asyncio.get_running_loop()) == (7, None)


async def test_a_waiting_coroutine_goes_on_in_a_task() -> None:
    """Results, exceptions and cancellation pass through the hand-over."""
    loop = asyncio.get_running_loop()
    gates: list[asyncio.Future[int]] = [loop.create_future() for _ in range(2)]
    seen: list[str] = []

    async def wait(number: int) -> int:
        try:
            return await gates[number]
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    _, first = step(wait(0), loop)
    _, second = step(wait(1), loop)
    assert first is not None
    assert second is not None
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert seen == ["cancelled"]
    gates[0].set_result(7)
    assert await first == 7


async def test_an_exception_after_waiting_reaches_the_task() -> None:
    """What the coroutine raises late is the task's exception."""
    loop = asyncio.get_running_loop()

    async def fail() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise ValueError("late")

    _, task = step(fail(), loop)
    assert task is not None
    with pytest.raises(ValueError, match="late"):
        await task


def _recorder(
    log: list[int], gates: dict[int, asyncio.Future[None]]
) -> Callable[[int], Callable[[], Coroutine[Any, Any, None]]]:
    def make(number: int) -> Callable[[], Coroutine[Any, Any, None]]:
        async def work() -> None:
            if number in gates:
                await gates[number]
            log.append(number)

        return work

    return make


async def test_one_lane_keeps_the_order_sent() -> None:
    """Calls behind a slow one wait for it, however many and however fast they are."""
    loop = asyncio.get_running_loop()
    lanes = Lanes(loop, Quota())
    log: list[int] = []
    gates = {0: loop.create_future(), 50: loop.create_future()}
    make = _recorder(log, gates)
    for number in range(100):
        lanes.enter("lane", make(number))
    assert log == []
    gates[0].set_result(None)
    gates[50].set_result(None)
    await lanes.drain()
    assert log == list(range(100))


async def test_other_lanes_do_not_wait() -> None:
    """A lane that waits holds up nobody else, and an answer at once needs no turn of the loop."""
    loop = asyncio.get_running_loop()
    lanes = Lanes(loop, Quota())
    log: list[int] = []
    gates = {0: loop.create_future()}
    make = _recorder(log, gates)
    lanes.enter("slow", make(0))
    lanes.enter("fast", make(1))
    assert lanes.run_free("slow", make(2))
    assert log == [1, 2]
    gates[0].set_result(None)
    await lanes.drain()
    assert log == [1, 2, 0]


async def test_a_driven_call_goes_on_as_its_reply_comes() -> None:
    """The answer is ready in the turn of the loop that filled the reply, without a task."""
    loop = asyncio.get_running_loop()
    lanes = Lanes(loop, Quota())
    reply = ReplyFuture(loop=loop)
    log: list[object] = []

    async def work() -> None:
        log.append(await reply)
        await asyncio.sleep(0)
        log.append("after")

    async def next_work() -> None:
        log.append("next")

    tasks = len(asyncio.all_tasks())
    lanes.enter("lane", work)
    lanes.enter("lane", next_work)
    message = Message(path="/", member="M")
    reply.fill(message)
    assert log == [message]
    assert len(asyncio.all_tasks()) == tasks
    await lanes.drain()
    assert log == [message, "after", "next"]


async def test_a_failed_or_cancelled_wait_frees_the_lane(caplog: pytest.LogCaptureFixture) -> None:
    """Errors reach the call; a cancelled wait or a bug ends it; in any case the next one runs."""
    loop = asyncio.get_running_loop()
    lanes = Lanes(loop, Quota())
    reply, never = ReplyFuture(loop=loop), loop.create_future()
    log: list[str] = []

    async def fails() -> None:
        try:
            await reply
        except ValueError:
            log.append("failed")

    async def cancelled() -> None:
        await never

    async def breaks() -> None:
        await asyncio.sleep(0)
        raise ValueError("private")

    async def last() -> None:
        log.append("last")

    for work in (fails, cancelled, breaks, last):
        lanes.enter("lane", work)
    reply.fail(ValueError())
    never.cancel()
    await lanes.drain()
    assert log == ["failed", "last"]
    assert "ended in ValueError" in caplog.text
    assert "private" not in caplog.text


async def test_what_waits_in_a_lane_is_bounded() -> None:
    """A lane refuses what would be too much, others go on, and it takes calls again once empty."""
    quota = Quota(4 * CALL_WEIGHT)
    lanes = Lanes(asyncio.get_running_loop(), quota)
    gate = asyncio.get_running_loop().create_future()
    done: list[object] = []

    async def wait() -> None:
        await gate

    async def note(what: object) -> None:
        done.append(what)

    assert lanes.enter("a", wait)
    taken = [lanes.enter("a", partial(note, number)) for number in range(6)]
    assert taken == [True] * 4 + [False] * 2
    assert lanes.enter("b", partial(note, "b"), ["x" * 10_000])
    assert done == ["b"]
    quota.flooded.add("a")
    gate.set_result(None)
    await lanes.drain()
    assert done == ["b", 0, 1, 2, 3]
    assert not quota.flooded
    assert lanes.enter("a", partial(note, "again"))


async def test_values_that_wait_are_counted() -> None:
    """Text and bytes count; one call alone is taken whatever its size."""
    lanes = Lanes(asyncio.get_running_loop(), Quota(10_000))
    gate = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await gate

    assert lanes.enter("a", wait)
    assert lanes.enter("a", wait, [1, "x" * 20_000])
    assert not lanes.enter("a", wait, [b"x" * 100])
    gate.set_result(None)
    await lanes.drain()


async def test_opens_and_calls_count_together() -> None:
    """What waits for one peer, in its lane or for a person, has one bound; others have theirs."""
    lanes = Lanes(asyncio.get_running_loop(), Quota(2 * OPEN_WEIGHT + CALL_WEIGHT))
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    assert [lanes.run_free("a", wait) for _ in range(3)] == [True, True, False]
    assert [lanes.enter("a", wait) for _ in range(3)] == [True, True, False]
    assert lanes.run_free("b", wait)
    gate.set()
    await lanes.drain()
    assert lanes.run_free("a", wait)


async def test_calls_that_take_long_give_others_their_turn_between_them() -> None:
    """A flood of one peer's dearest calls holds up another peer by one of them, not by many."""
    loop = asyncio.get_running_loop()
    lanes = Lanes(loop, Quota())
    first = loop.create_future()
    done: list[str] = []

    async def begin() -> None:
        await first

    async def work() -> None:
        begun = time.monotonic()
        while time.monotonic() < begun + 0.006:
            pass  # as a long pattern is parted, without waiting for anybody
        done.append("dear")

    lanes.enter("one", begin)
    for _ in range(8):
        lanes.enter("one", work)
    first.set_result(None)
    first.add_done_callback(lambda _: loop.call_soon(done.append, "other"))
    await lanes.drain()
    assert done.count("dear") == 8
    assert done.index("other") <= 2
