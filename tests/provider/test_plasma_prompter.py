# SPDX-License-Identifier: GPL-3.0-or-later
"""Plasma's own prompter asks before our window does, and nothing that it does wrong is believed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
from typing import TYPE_CHECKING

import pytest
from support.plasma_prompter import StandInPrompter, stand_in_prompter
from support.scripted_dialog import ScriptedDialogs

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.daemon import plasma
from kwallet_bridge.daemon.passwords import PasswordAnswer, PasswordAsker
from kwallet_bridge.daemon.plasma import NAME, REQUEST, PlasmaPrompter
from kwallet_bridge.daemon.screen import Screen
from kwallet_bridge.errors import BusReplyError
from kwallet_bridge.question import PasswordQuestion, Purpose, WaitingProgram
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from support.private_bus import PrivateBus

SESSION = {"XDG_CURRENT_DESKTOP": "ubuntu:KDE", "WAYLAND_DISPLAY": "wayland-0"}
UNLOCK = PasswordQuestion(Purpose.UNLOCK, "kdewallet")
OURS = PasswordAnswer(Secret(b"ours"))
PLASMAS = PasswordAnswer(Secret(b"plasma's"))


class World:
    """An asker whose own windows a test answers, and a connection it uses."""

    def __init__(self, bus: BusConnection, windows: ScriptedDialogs) -> None:
        self.bus = bus
        self.windows = windows
        self.session: Mapping[str, str] = SESSION
        self.is_wanted = True
        self.asker = PasswordAsker(Screen(self._own_environ), [str(windows.program)])
        self.asker.ask_first(
            PlasmaPrompter(bus, environ=self.environ, is_wanted=lambda: self.is_wanted)
        )

    async def _own_environ(self) -> Mapping[str, str]:
        return os.environ

    async def no_display(self) -> Mapping[str, str]:
        """Return an environment in which no window can be shown."""
        return {}

    async def environ(self) -> Mapping[str, str]:
        """Return what the session is."""
        return self.session

    def ask(
        self, question: PasswordQuestion = UNLOCK, window_id: str = ""
    ) -> asyncio.Task[PasswordAnswer]:
        """Begin to ask."""
        return asyncio.create_task(self.asker.ask(question, window_id=window_id))

    async def answer_ours(self) -> None:
        """Type into our own window, which has to come."""
        shown = await asyncio.to_thread(self.windows.wait)
        shown.say({"password": base64.b64encode(b"ours").decode()})


@pytest.fixture
async def world(bus: PrivateBus) -> AsyncIterator[World]:
    """An asker on a private bus."""
    with ScriptedDialogs(bus.folder) as windows:
        connection = await BusConnection.connect(bus.address)
        yield World(connection, windows)
        connection.close()


@pytest.fixture
async def prompter(bus: PrivateBus) -> AsyncIterator[StandInPrompter]:
    """A prompter that does what a test says."""
    async with stand_in_prompter(bus.address) as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every deadline come soon."""
    for name in ("_SHOW_SECONDS", "_READ_SECONDS", "_END_SECONDS"):
        monkeypatch.setattr(plasma, name, 0.2)


@pytest.mark.parametrize("typed", [b"p\xc3\xa4 <ss>", b"", b"x" * 5000])
async def test_what_is_typed_there_is_the_password(
    world: World, prompter: StandInPrompter, typed: bytes
) -> None:
    """Its bytes, with nothing added; our own window does not come."""
    asking = world.ask()
    await prompter.answer(await prompter.shown.get(), typed)
    assert await asking == PasswordAnswer(Secret(typed))
    assert world.windows.none_came()


async def test_cancelling_there_means_later(world: World, prompter: StandInPrompter) -> None:
    """Somebody who said no is not asked again in another window."""
    asking = world.ask()
    await prompter.answer(await prompter.shown.get(), None)
    assert await asking == PasswordAnswer()
    assert world.windows.none_came()


async def test_each_question_has_a_path_of_its_own(world: World, prompter: StandInPrompter) -> None:
    """Of two under one path the real one loses the first."""
    paths = set()
    for _ in range(5):
        asking = world.ask()
        shown = await prompter.shown.get()
        paths.add(shown.path)
        await prompter.answer(shown, None)
        await asking
    assert len(paths) == 5


async def test_it_is_told_why_and_for_whom(world: World, prompter: StandInPrompter) -> None:
    """It names no program itself, and shows markup as such."""

    async def describe(_: str) -> tuple[tuple[WaitingProgram, ...], int]:
        portal = WaitingProgram("x", "/bin/portal", application="org.<b>App")
        return (WaitingProgram("kmail", "/bin/a&amp;b"), portal), 2

    world.asker.name_with(describe)
    question = PasswordQuestion(Purpose.UNLOCK, "<a href='x'>w&amp;\u202e\n</a>", again=True)
    asking = world.ask(question)
    shown = await prompter.shown.get()
    assert shown.name == "a href='x'wamp;\\u202e\\n/a"
    path, member, text = await prompter.heard.get()
    assert (path, member) == (shown.path, "Retry")
    assert text == (
        "This password did not open it. Please try again."
        " Wanted by /bin/aamp;b, org.bApp (by /bin/portal), 2 more."
    )
    await prompter.answer(shown, None)
    await asking


@pytest.mark.parametrize(
    ("given", "passed"), [("4660", "4660"), ("x11:0x1234", ""), ("", ""), ("-1", "")]
)
async def test_only_a_decimal_window_is_named(
    world: World, prompter: StandInPrompter, given: str, passed: str
) -> None:
    """Another form is not understood there."""
    asking = world.ask(window_id=given)
    shown = await prompter.shown.get()
    assert shown.window_id == passed
    await prompter.answer(shown, None)
    await asking


async def test_one_question_at_a_time(world: World, prompter: StandInPrompter) -> None:
    """The next comes when the former is off the screen, there as in our own window."""
    first, second = world.ask(), world.ask()
    move = world.ask(PasswordQuestion(Purpose.MOVE, "kdewallet", may_start_without=True))
    shown = await prompter.shown.get()
    await prompter.bus.flush()
    assert prompter.shown.empty()
    assert world.windows.none_came()
    assert await prompter.accept(shown, b"plasma's") == 0
    await prompter.bus.flush()
    assert prompter.shown.empty()  # the first is still there: nobody said that it is gone
    await prompter.call(shown, "Dismissed")
    assert await first == PLASMAS
    await prompter.answer(await prompter.shown.get(), None)
    await second
    await world.answer_ours()
    assert await move == OURS


async def test_a_withdrawn_question_is_taken_away_and_what_comes_late_is_answered(
    world: World, prompter: StandInPrompter
) -> None:
    """The real one leaves its window, whose buttons still call: all of it counts for nothing."""
    asking = world.ask()
    shown = await prompter.shown.get()
    asking.cancel()
    assert await prompter.heard.get() == (shown.path, "Dismiss", "")
    assert await prompter.call(shown, "Rejected") == [0]
    assert await prompter.accept(shown, b"late") == 0
    await prompter.call(shown, "Dismissed")
    with pytest.raises(asyncio.CancelledError):
        await asking
    later = world.ask()
    await prompter.answer(await prompter.shown.get(), b"plasma's")
    assert await later == PLASMAS


@pytest.mark.usefixtures("short")
async def test_one_that_never_says_it_is_gone_holds_up_nobody(
    world: World, prompter: StandInPrompter
) -> None:
    """The answer is given and the next question comes, also if it keeps silent."""
    asking = world.ask()
    assert await prompter.accept(await prompter.shown.get(), b"plasma's") == 0
    assert await asking == PLASMAS
    asking = world.ask()
    await prompter.shown.get()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_only_the_first_answer_counts(world: World, prompter: StandInPrompter) -> None:
    """Dismissed twice, rejected after it was accepted: as at a path that came twice."""
    asking = world.ask()
    shown = await prompter.shown.get()
    assert await prompter.accept(shown, b"plasma's") == 0
    assert await prompter.call(shown, "Rejected") == [0]
    assert await prompter.accept(shown, b"another") == 0
    await prompter.call(shown, "Dismissed")
    with contextlib.suppress(BusReplyError):  # we have left by then
        await prompter.call(shown, "Dismissed")
    assert await asking == PLASMAS


async def test_nobody_else_answers(
    world: World, prompter: StandInPrompter, bus: PrivateBus
) -> None:
    """A program that knows the path is not the prompter."""
    asking = world.ask()
    shown = await prompter.shown.get()
    other = StandInPrompter(await BusConnection.connect(bus.address, unix_fds=True))
    for member in ("Rejected", "Dismissed"):
        with pytest.raises(BusReplyError):
            await other.call(shown, member)
    with pytest.raises(BusReplyError):
        await other.accept(shown, b"forged")
    other.bus.emit("/x", "org.freedesktop.DBus", "NameOwnerChanged", "sss", [NAME, "", ":1.99"])
    await other.bus.flush()
    other.bus.close()
    await prompter.answer(shown, b"plasma's")
    assert await asking == PLASMAS


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "fault", ["refuses", "mute", "dies", "goes", "no descriptor", "endless", "never ends", "odd"]
)
async def test_our_own_window_comes_where_it_fails(
    world: World, prompter: StandInPrompter, fault: str
) -> None:
    """Nobody has said no where nobody could answer, and nothing that is no password is one."""
    prompter.refuses, prompter.is_mute = fault == "refuses", fault == "mute"
    asking = world.ask()
    mine, theirs = socket.socketpair()
    with mine, theirs:
        if fault != "refuses":
            shown = await prompter.shown.get()
            if fault == "dies":
                prompter.bus.close()
            elif fault == "goes":
                await prompter.call(shown, "Dismissed")
            elif fault == "no descriptor":
                await prompter.bus.call(shown.client, shown.path, REQUEST, "Accepted", "s", ["p"])
            elif fault == "endless":
                zero = await asyncio.to_thread(os.open, "/dev/zero", os.O_RDONLY)
                assert await prompter.accept_with(shown, zero) == 0
                os.close(zero)
            elif fault == "never ends":
                mine.sendall(b"half")
                assert await prompter.accept_with(shown, theirs.fileno()) == 0
            elif fault == "odd":
                folder = os.open("/", os.O_PATH)
                assert await prompter.accept_with(shown, folder) == 0
                os.close(folder)
        await world.answer_ours()
        assert await asking == OURS


async def test_one_that_cannot_start_is_passed_over(world: World, bus: PrivateBus) -> None:
    """Without a display in the bus's environment it aborts, and the bus says so."""
    bus.make_activatable(NAME, ["/bin/false"])
    asking = world.ask()
    await world.answer_ours()
    assert await asking == OURS


async def test_one_that_is_just_ending_is_started_again(
    world: World, prompter: StandInPrompter, bus: PrivateBus
) -> None:
    """It quits after its last question; the next may come in that moment."""
    prompter.is_mute = True
    asking = world.ask()
    await prompter.shown.get()
    async with contextlib.AsyncExitStack() as stack:
        successor = StandInPrompter(await BusConnection.connect(bus.address, unix_fds=True))
        stack.callback(successor.bus.close)
        successor.bus.serve(successor.serve)
        await successor.bus.call_daemon("RequestName", "su", [NAME, 0])  # queued behind the first
        prompter.bus.close()
        await successor.answer(await successor.shown.get(), b"plasma's")
        assert await asking == PLASMAS


@pytest.mark.parametrize(
    ("session", "wanted"),
    [
        (SESSION, False),
        ({"XDG_CURRENT_DESKTOP": "GNOME", "DISPLAY": ":0"}, True),
        ({"XDG_CURRENT_DESKTOP": "KDE"}, True),
        ({"DISPLAY": ":0"}, True),
    ],
)
async def test_it_is_left_alone_where_it_does_not_belong(
    world: World, prompter: StandInPrompter, session: Mapping[str, str], *, wanted: bool
) -> None:
    """Outside of Plasma, without a display, or where the setting says no."""
    world.session, world.is_wanted = session, wanted
    asking = world.ask()
    await world.answer_ours()
    assert await asking == OURS
    assert prompter.shown.empty()


@pytest.mark.parametrize("purpose", [Purpose.CREATE, Purpose.MOVE])
async def test_what_it_cannot_ask_is_ours_to_ask(
    world: World, prompter: StandInPrompter, purpose: Purpose
) -> None:
    """It has no second field for a new password, and no way to start without a wallet file."""
    asking = world.ask(PasswordQuestion(purpose, "kdewallet"))
    await world.answer_ours()
    assert await asking == OURS
    assert prompter.shown.empty()


async def test_nothing_stays_open(world: World, prompter: StandInPrompter) -> None:
    """Neither a connection nor a descriptor, after many questions that end in each way."""
    counts = []
    for _ in range(6):
        for typed in (b"p", None):
            asking = world.ask()
            await prompter.answer(await prompter.shown.get(), typed)
            await asking
        counts.append(len(await asyncio.to_thread(os.listdir, "/proc/self/fd")))
    assert counts[1:] == [counts[1]] * 5


async def test_it_is_somebody_to_ask(world: World, prompter: StandInPrompter) -> None:
    """Where no window of ours could be shown, it still can."""
    asker = PasswordAsker(Screen(world.no_display))
    assert not await asker.can_ask()
    asker.ask_first(PlasmaPrompter(world.bus, environ=world.environ, is_wanted=lambda: True))
    assert await asker.can_ask()
    asking = asyncio.create_task(asker.ask(UNLOCK))
    await prompter.answer(await prompter.shown.get(), b"plasma's")
    assert await asking == PLASMAS
