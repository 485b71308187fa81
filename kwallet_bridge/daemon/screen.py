# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a person in a window that is a process of its own, one window at a time.

The daemon never shows a window: a toolkit in the process that carries secrets would be too much
code beside them, and its event loop would be a second one. Two questions at once would lie on top
of each other, and a key meant for one would answer the other; so further ones queue.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from kwallet_bridge.daemon.display import DISPLAYS
from kwallet_bridge.question import SHOWN, UNAVAILABLE, parse_answer

if TYPE_CHECKING:
    from asyncio import StreamReader
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable, Mapping, Sequence

_END_SECONDS: Final = 5.0
"""How long a window may take to go once its question is withdrawn."""


_SHORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})


class WindowUnavailableError(Exception):
    """No window can be shown; the text says why, and holds no name."""


class ShortageError(WindowUnavailableError):
    """The machine lacks what a window needs just now, which a flood of opens can bring about."""


class Screen:
    """The one place on the screen where a question can stand."""

    def __init__(self, environ: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        """Start windows in the environment that ``environ`` tells at that time."""
        self.environ = environ
        self.turn = asyncio.Lock()
        """Held by the question that is on the screen, whoever shows it."""

    async def has_display(self) -> bool:
        """Return whether there is a display that a person could see."""
        environ = await self.environ()
        return any(environ.get(name) for name in DISPLAYS)

    async def ask(
        self, command: Sequence[str], line: Callable[[], Awaitable[str]]
    ) -> Mapping[str, Any]:
        """Show a window that is asked a line; return what it answered, {} if it just ended.

        The line is made when its turn has come: who waits for the answer may be others by then.

        Wait until the questions before this one are answered. A caller that is cancelled withdraws
        its question, shown or not.

        Raises:
            WindowUnavailableError: It ended before it could be seen, or said that it cannot be.
        """
        async with self.turn:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=await self.environ(),
                )
            except OSError as error:
                reason = f"the dialog program cannot be started ({error.strerror})"
                kind = ShortageError if error.errno in _SHORT else WindowUnavailableError
                raise kind(reason) from error
            try:
                return await _converse(process, await line())
            finally:
                await asyncio.shield(_end(process))


async def _converse(process: Process, line: str) -> Mapping[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise ValueError("a window is started with pipes")
    with suppress(ConnectionError):
        process.stdin.write(line.encode())
        await process.stdin.drain()
    first = await _read_answer(process.stdout)
    if not first.get(SHOWN):
        reason = first.get(UNAVAILABLE)
        if isinstance(reason, str):
            raise WindowUnavailableError(reason)
        raise WindowUnavailableError("the dialog ended before it could be seen")
    return await _read_answer(process.stdout)


async def _read_answer(output: StreamReader) -> Mapping[str, Any]:
    try:
        return parse_answer(await output.readline())
    except ValueError:  # a line longer than any answer
        return {}


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
