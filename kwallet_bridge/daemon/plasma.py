# SPDX-License-Identifier: GPL-3.0-or-later
"""Have Plasma's own prompter (plasma-workspace 6.6 and later) ask for a password.

It has one password field, its own texts, and buttons for "yes" and "cancel"; it names no program.
What it does wrong (6.7.4) is lived with here. Each question has a path of its own, as a path that
comes twice makes it lose the first; it is answered at once and never asked to keep a question,
since one that is kept is an invisible window; what it says late, of a question that is over, is
answered like everything else and counts for nothing. Markup is taken out of what it shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from kwallet_bridge.bus.incoming import UNKNOWN_METHOD, UNKNOWN_OBJECT
from kwallet_bridge.daemon.display import DISPLAYS
from kwallet_bridge.daemon.screen import WindowUnavailableError
from kwallet_bridge.descriptors import read_to_end
from kwallet_bridge.errors import BusError
from kwallet_bridge.secret import Secret
from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kwallet_bridge.bus.connection import BusConnection
    from kwallet_bridge.bus.incoming import IncomingCall

NAME: Final = "org.kde.secretprompter"
PATH: Final = "/SecretPrompter"
INTERFACE: Final = "org.kde.secretprompter"
REQUEST: Final = "org.kde.secretprompter.request"
_DESKTOP: Final = "kde"
_PATHS: Final = "/org/kwallet_bridge/prompt"
_OVER: Final = 0
"""The reply to "accepted" and "rejected" that ends a question."""
_SHOW_SECONDS: Final = 10.0
_READ_SECONDS: Final = 5.0
_END_SECONDS: Final = 3.0
"""How long a question that is over may stay on the screen before the next one comes."""
_ATTEMPTS: Final = 2
_MOST_BYTES: Final = 1 << 16
_MOST_LETTERS: Final = 200
_MARKUP: Final = str.maketrans("", "", "<>&")

_log = logging.getLogger(__name__)


class _EndedError(WindowUnavailableError):
    """The prompter ended before it took the question: it may just have been ending anyway."""


class PlasmaPrompter:
    """Asks for passwords through the prompter of the Plasma session."""

    def __init__(
        self,
        bus: BusConnection,
        *,
        environ: Callable[[], Awaitable[Mapping[str, str]]],
        is_wanted: Callable[[], bool],
    ) -> None:
        """Look for it on ``bus``; each question has a connection of its own.

        ``environ`` tells the session's environment, ``is_wanted`` what the settings say.
        """
        self._bus = bus
        self._environ = environ
        self._is_wanted = is_wanted

    async def is_available(self) -> bool:
        """Return whether it can be started in this session, and may be."""
        if not self._is_wanted():
            return False
        environ = await self._environ()
        if _DESKTOP not in environ.get("XDG_CURRENT_DESKTOP", "").casefold().split(":"):
            return False
        # Without a display it is killed by its toolkit.
        if not any(environ.get(name) for name in DISPLAYS):
            return False
        try:
            if await self._bus.name_owner(NAME):
                return True
            (names,) = await self._bus.call_daemon("ListActivatableNames")
        except BusError:
            return False
        return isinstance(names, list) and NAME in names

    async def ask(self, wallet: str, *, reason: str = "", window_id: str = "") -> Secret | None:
        """Return what a person typed, perhaps nothing; None if they cancelled.

        A caller that is cancelled withdraws the question.

        Args:
            wallet: The name shown in the prompter's own text.
            reason: Shown above the field, if it is not empty.
            window_id: The X11 window it belongs to, in decimal; else it belongs to none.

        Raises:
            WindowUnavailableError: Nobody was asked, or what came is no answer.
        """
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(_EndedError):
                return await self._ask_once(wallet, reason, window_id)
        return await self._ask_once(wallet, reason, window_id)

    async def _ask_once(self, wallet: str, reason: str, window_id: str) -> Secret | None:
        try:
            bus = await self._bus.connect_again(unix_fds=True)
        except BusError as error:
            raise WindowUnavailableError("the message bus takes no connection") from error
        request = _Request(bus)
        try:
            return await request.ask(wallet, reason, window_id)
        finally:
            await asyncio.shield(request.end())


class _Request:
    """One question, on a connection and at a path that no other one has."""

    def __init__(self, bus: BusConnection) -> None:
        self._bus = bus
        self._path = f"{_PATHS}/{os.urandom(16).hex()}"
        self._owner = ""
        self._shown = False
        self._answer: asyncio.Future[Secret | None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        bus.serve(self._receive)

    async def ask(self, wallet: str, reason: str, window_id: str) -> Secret | None:
        try:
            owner = await self._bus.watch_name(NAME, self._hear_owner)
            if not owner:
                await self._bus.call_daemon("StartServiceByName", "su", [NAME, 0])
                owner = await self._bus.name_owner(NAME)
            self._owner = owner
            if not self._owner:
                raise _EndedError("Plasma's prompter ended at once")
            await self._show(wallet, window_id if window_id.isdecimal() else "")
        except BusError as error:
            kind = _EndedError if self._over.is_set() else WindowUnavailableError
            raise kind(f"Plasma's prompter cannot be asked: {error}") from error
        if reason:
            # It shows the text of a retry also where nothing was tried: the only way to say why.
            self._emit("Retry", "s", [plain(reason)])
        return await self._answer

    async def _show(self, wallet: str, window_id: str) -> None:
        self._shown = True
        body = [self._path, window_id, "", plain(wallet)]
        await self._bus.call(
            self._owner,
            PATH,
            INTERFACE,
            "UnlockCollectionPrompt",
            "osss",
            body,
            timeout=_SHOW_SECONDS,
        )

    def _emit(self, member: str, signature: str = "", body: list[object] | None = None) -> None:
        self._bus.emit(self._path, REQUEST, member, signature, body or (), destination=self._owner)

    async def end(self) -> None:
        """Take the question off the screen, wait a little until it is, and close what is open."""
        try:
            if self._shown and not self._over.is_set():
                if not self._answer.done() or self._answer.cancelled():
                    self._emit("Dismiss")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await self._over.wait()
        finally:
            if self._reading is not None:
                self._reading.cancel()
                await asyncio.wait({self._reading})
            if self._answer.done() and not self._answer.cancelled():
                self._answer.exception()  # nobody has to look
            self._bus.close()

    # --- what the prompter says -----------------------------------------------------------------

    def _hear_owner(self, owner: str) -> None:
        if self._owner and owner != self._owner:
            self._over.set()
            self._fail("Plasma's prompter ended before it was answered")

    def _receive(self, call: IncomingCall) -> None:
        descriptors = call.take_descriptors()
        try:
            self._hear(call, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _hear(self, call: IncomingCall, descriptors: list[int]) -> None:
        if call.path != self._path or call.sender != self._owner:
            call.fail(UNKNOWN_OBJECT, "there is nothing here")
        elif call.member == "Accepted":
            call.reply("i", [_OVER])
            self._accept(call, descriptors)
        elif call.member == "Rejected":
            call.reply("i", [_OVER])
            if not self._is_answered:
                self._answer.set_result(None)
        elif call.member == "Dismissed":
            call.reply()
            self._over.set()
            self._fail("Plasma's prompter took the question away unanswered")
        else:
            call.fail(UNKNOWN_METHOD, "there is no such method")

    @property
    def _is_answered(self) -> bool:
        return self._answer.done() or self._reading is not None

    def _fail(self, why: str) -> None:
        if not self._is_answered:
            self._answer.set_exception(WindowUnavailableError(why))

    def _accept(self, call: IncomingCall, descriptors: list[int]) -> None:
        if self._is_answered:
            return
        place = call.body[0] if call.signature == "h" else None
        if not isinstance(place, int) or not 0 <= place < len(descriptors):
            self._fail("Plasma's prompter gave no password")
            return
        work = self._read(descriptors.pop(place))
        self._reading = asyncio.get_running_loop().create_task(work)

    async def _read(self, descriptor: int) -> None:
        data = None
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_READ_SECONDS):
                    data = await read_to_end(descriptor, _MOST_BYTES)
        finally:
            os.close(descriptor)
        if self._answer.done():
            return
        if data is None or len(data) > _MOST_BYTES:
            error = WindowUnavailableError("Plasma's prompter did not hand its password over")
            self._answer.set_exception(error)
        else:
            self._answer.set_result(Secret(data))


def plain(text: str) -> str:
    """Return text without what the prompter would take for markup, in one line of some length."""
    text = printable(text).translate(_MARKUP)
    return text if len(text) <= _MOST_LETTERS else text[:_MOST_LETTERS] + "…"
