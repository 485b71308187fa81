# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a keyring file's password comes from."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kwallet_bridge.errors import BridgeError, StorePasswordError, UsageError
from kwallet_bridge.secret import Secret
from kwallet_bridge.withdrawal import Withdrawal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

CREDENTIAL = "kwallet-bridge.keyring-password"
_MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a person who is asked for a password needs to know."""

    label: str
    new: bool = False
    """The file is to be made: the password is chosen, and should be asked for twice."""
    again: bool = False
    """The last answer was wrong, or too short for a new file."""
    window_id: str = ""
    path: Path | None = None
    """The file that is to be opened."""

    def __repr__(self) -> str:
        return f"KeyRequest(new={self.new}, again={self.again})"


class KeySource(Protocol):
    """Gives passwords of keyring files."""

    @property
    def asks_person(self) -> bool:
        """Whether asking again may bring another answer."""

    @property
    def answers_alone(self) -> bool:
        """Whether a password is had without a person or another program, so it can be tried."""

    async def is_ready(self, request: KeyRequest) -> bool:
        """Tell whether a password may be had, without asking anybody for it."""

    async def read_password(self, request: KeyRequest) -> Secret | None:
        """Give the password; None if a person said no.

        Raises:
            BridgeError: There is none to be had.
        """


class PasswordKeeper(Protocol):
    """Keeps passwords of keyring files that are open."""

    def keep(self, label: str, password: Secret) -> None:
        """Keep the password that just opened or made the file of this label."""

    def forget(self, label: str) -> None:
        """Let go of the password of a file that was locked."""


def in_own_thread(
    ask: Callable[[KeyRequest, Withdrawal], Secret | None],
) -> Callable[[KeyRequest], Awaitable[Secret | None]]:
    """Make a blocking question one that can be awaited, and is withdrawn with who awaits it.

    Its thread is none of the loop's own: a dialog nobody answers must not hold up the end of the
    program.
    """

    async def ask_aside(request: KeyRequest) -> Secret | None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Secret | None] = loop.create_future()
        withdrawal = Withdrawal()

        def tell(answer: Secret | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)

        def work() -> None:
            answer, failure = None, None
            try:
                answer = ask(request, withdrawal)
            except Exception as error:  # noqa: BLE001  it is raised where it is awaited
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell, answer, failure)

        threading.Thread(target=work, name="password", daemon=True).start()
        try:
            return await future
        finally:
            withdrawal.withdraw()

    return ask_aside


class AskedPassword:
    """A password that a person types, whenever a file is unlocked."""

    asks_person = True
    answers_alone = False

    def __init__(
        self,
        ask: Callable[[KeyRequest], Awaitable[Secret | None]],
        *,
        can_ask: Callable[[], Awaitable[bool]],
    ) -> None:
        """Ask with ``ask``, which gives None for "no", where ``can_ask`` says somebody may see it."""
        self._ask = ask
        self._can_ask = can_ask

    async def is_ready(self, request: KeyRequest) -> bool:  # noqa: ARG002  protocol
        """Tell whether somebody can be asked."""
        return await self._can_ask()

    async def read_password(self, request: KeyRequest) -> Secret | None:
        """Ask a person."""
        return await self._ask(request)


class KnownPassword:
    """A password known from the start, as one asked for once at a terminal."""

    asks_person = False
    answers_alone = True

    def __init__(self, password: Secret) -> None:
        """Give ``password`` to every request."""
        self._password = password

    async def is_ready(self, request: KeyRequest) -> bool:  # noqa: ARG002  protocol
        """Tell that it may."""
        return True

    async def read_password(self, request: KeyRequest) -> Secret | None:  # noqa: ARG002  protocol
        """Give it."""
        return self._password


class FilePassword:
    """A password kept in a file; one line end there, LF or CR LF, is not part of it."""

    asks_person = False
    answers_alone = True

    def __init__(self, path: Path, *, private: bool = True) -> None:
        """Read ``path`` at each request; if ``private``, only while nobody else may read it."""
        self.path = path
        self._private = private

    async def is_ready(self, request: KeyRequest) -> bool:  # noqa: ARG002  protocol
        """Tell whether the file can be used now."""
        try:
            await asyncio.to_thread(self._read)
        except BridgeError:
            return False
        return True

    async def read_password(self, request: KeyRequest) -> Secret | None:  # noqa: ARG002  protocol
        """Read the file afresh.

        Raises:
            UsageError: The file cannot be used.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> Secret:
        try:
            with self.path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise UsageError(f"cannot read the password file: {reason}") from None
        if self._private and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            raise UsageError("the password file may be read by others: chmod 600 it")
        if len(data) > _MOST_BYTES:
            raise UsageError("the password file is too long to be one")
        password = Secret.from_file(data)
        if not password:
            raise StorePasswordError("the password file is empty")
        return password


def find_credential(environment: Mapping[str, str]) -> FilePassword | None:
    """Find the password that systemd hands to this service, if it does."""
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder) / CREDENTIAL
    if not folder or not path.is_file():
        return None
    return FilePassword(path, private=False)
