# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a wallet file that is pending into the store that serves, asking as little as can be.

The work is the migrate command's, in a process of its own: its journal, its verification, its way
back. It tries the empty password itself; then it is given the login's key, which opens the wallet
of whoever uses the login password for it; then the password that opened the keyring file it is
moved into; then a person is asked, in a window. What another value stands in the way of is left as
it is on both sides.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from kwallet_bridge.daemon.choice import SECRET_SERVICE
from kwallet_bridge.daemon.pending import Decision
from kwallet_bridge.daemon.screen import WindowUnavailableError
from kwallet_bridge.question import PasswordQuestion, Purpose

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kwallet_bridge.daemon.passwords import PasswordAsker
    from kwallet_bridge.migrate.pending import PendingWallet
    from kwallet_bridge.model import WalletName
    from kwallet_bridge.secret import Secret

OWN_PROGRAM: Final = (sys.executable, "-P", "-m", "kwallet_bridge")
LOGIN_WALLET: Final = "kdewallet.kwl"
"""The only wallet whose key PAM derives: every other one has a salt of its own."""
_MOVED_CODES: Final = frozenset({0, 3})
"""Done, and done but for conflicts, which the journal names."""
_LINE_LIMIT: Final = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to move: the command's arguments, and the keyring file's password where none tells it."""

    arguments: tuple[str, ...]
    password: Secret | None = None


def find_destination(
    destination: str, *, password_file: Path | None = None, password: Secret | None = None
) -> Destination | None:
    """Return where to move; None where a person alone has the keyring file's password."""
    arguments = ("--to", destination)
    if destination.startswith(SECRET_SERVICE):
        return Destination(arguments)
    if password_file is not None:
        return Destination((*arguments, "--to-password-file", str(password_file)))
    return None if password is None else Destination(arguments, password)


def count_moved(result: Mapping[str, Any]) -> int:
    """Count the entries that a run's result says are there now and were not before."""
    wallets = result.get("wallets")
    rows = [row for wallet in wallets or () for row in wallet.get("rows", ())]
    return sum(row.get("outcome") in {"created", "replaced"} for row in rows)


class KeySource(Protocol):
    """Has the login's key, if there is one."""

    async def read(self) -> Secret | None:
        """Return it."""


class _Given:
    """A password on its way to the command, by a pipe that the command alone inherits.

    It is written when the command has spoken: from then on no other program can look into it.
    """

    def __init__(self, password: Secret) -> None:
        self._password = password
        self.readable, self._writable = os.pipe()
        self._task: asyncio.Task[None] | None = None

    def send(self) -> None:
        """Write the password, at the first call."""
        if self._task is None:
            work = asyncio.to_thread(self._write)
            self._task = asyncio.get_running_loop().create_task(work)

    def _write(self) -> None:
        # Until the command has read it, where it is longer than a pipe holds.
        with suppress(BrokenPipeError), os.fdopen(self._writable, "wb") as pipe:
            pipe.write(self._password.reveal() + b"\n")

    async def end(self) -> None:
        """Wait for what was begun, once the command has ended."""
        if self._task is None:
            self.close()
        else:
            await self._task

    def close(self) -> None:
        """Let go of what was never written."""
        os.close(self._writable)


class WalletMover:
    """Decides about pending wallets by moving them: without a person if it can be."""

    def __init__(
        self,
        *,
        destination: Callable[[WalletName], Destination | None],
        login_key: KeySource,
        passwords: PasswordAsker | None,
        moved: Callable[[Mapping[str, Any]], None] = lambda _: None,
        program: Sequence[str] = OWN_PROGRAM,
    ) -> None:
        """Move each wallet to where ``destination`` says; None: not without a question.

        Nobody can be asked where ``passwords`` is None.
        ``moved`` is told the result of each run that wrote something, as the command reports it.
        """
        self._destination = destination
        self._login_key = login_key
        self._passwords = passwords
        self._moved = moved
        self._program = program
        self._finishing: set[asyncio.Task[Decision]] = set()

    def can_decide(self, wallet: PendingWallet) -> bool:
        """Return whether it can be moved from here: not by GnuPG, whose question must not come unasked.

        Nor into a keyring file that is locked, and whose password a person alone has.
        """
        return not wallet.hides_names and self._destination(wallet.wallet) is not None

    async def decide(self, wallet: PendingWallet) -> Decision:
        """Move the wallet, or return what a person said; "later" where nobody can be asked.

        A caller that is cancelled withdraws a question; what is being written is written to its
        end.
        """
        destination = self._destination(wallet.wallet)
        if destination is None:
            return Decision.LATER
        run = _Run(wallet, self, destination)
        task = asyncio.get_running_loop().create_task(run.carry_out())
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            run.withdraw()
            raise

    async def stop(self) -> None:
        """Wait until nothing is being written any more."""
        if self._finishing:
            await asyncio.wait(self._finishing)

    async def start(self, destination: Destination) -> tuple[Process, _Given | None]:
        """Start the command that moves; which file is meant is no business of its command line."""
        words = ["migrate", "--choose", "--json", "--answers", "-", "--on-conflict", "skip"]
        words += destination.arguments
        given = None if destination.password is None else _Given(destination.password)
        if given is not None:
            words += ["--to-password-file", f"fd:{given.readable}"]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program,
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                pass_fds=() if given is None else (given.readable,),
            )
        except BaseException:
            if given is not None:
                given.close()
            raise
        finally:
            if given is not None:
                os.close(given.readable)
        return process, given

    async def read_login_key(self) -> Secret | None:
        """Return the login's key."""
        return await self._login_key.read()

    async def ask(self, question: PasswordQuestion) -> Decision | Secret:
        """Ask a person for the wallet's password; a decision where none was typed."""
        if self._passwords is None:
            return Decision.LATER
        try:
            answer = await self._passwords.ask(question)
        except WindowUnavailableError as error:
            _log.info("nobody can be asked about a pending wallet: %s", error)
            return Decision.LATER
        if answer.password is not None:
            return answer.password
        return Decision.WITHOUT if answer.start_without else Decision.LATER

    def tell(self, result: Mapping[str, Any]) -> None:
        """Tell of a run that wrote something."""
        self._moved(result)


class _Run:
    """One run of the command, and the conversation with it."""

    def __init__(self, wallet: PendingWallet, mover: WalletMover, destination: Destination) -> None:
        self._wallet = wallet
        self._destination = destination
        self._mover = mover
        self._decision = Decision.LATER
        self._asked = False
        self._key_tried = wallet.path.name != LOGIN_WALLET
        self._untried = destination.password
        self._given: _Given | None = None
        self._question: asyncio.Task[Decision | Secret] | None = None
        self._withdrawn = False

    def withdraw(self) -> None:
        """Take the question back, if a person is being asked."""
        self._withdrawn = True
        if self._question is not None:
            self._question.cancel()

    async def carry_out(self) -> Decision:
        """Run the command to its end."""
        try:
            process, self._given = await self._mover.start(self._destination)
        except OSError as error:
            _log.warning("a pending wallet cannot be moved: %s", error.strerror)
            return Decision.LATER
        output = asyncio.get_running_loop().create_task(_read_result(process))
        try:
            await self._converse(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            result = await output
            code = await process.wait()
            if self._given is not None:
                await self._given.end()
        if code not in _MOVED_CODES:
            return self._decision
        if result.get("run"):
            self._mover.tell(result)
        return Decision.MOVED

    async def _converse(self, process: Process) -> None:
        """Answer the command's questions, up to the end of what it has to say."""
        if process.stdin is None or process.stderr is None:
            raise ValueError("the command is started with pipes")
        while line := await _read_line(process.stderr):
            event = _parse(line)
            if self._given is not None and event:
                self._given.send()
            answer = await self._answer(event)
            if answer is not None:
                process.stdin.write(json.dumps({"id": event.get("id"), **answer}).encode() + b"\n")
                with suppress(ConnectionError):
                    await process.stdin.drain()

    async def _answer(self, event: Mapping[str, Any]) -> Mapping[str, object] | None:
        kind = event.get("type")
        if kind == "need-choice":
            return {"files": [str(self._wallet.path)]}
        if kind == "need-password":
            return await self._open()
        return {"cancel": True} if str(kind).startswith("need-") else None

    async def _open(self) -> Mapping[str, object]:
        """Give the login's key once, the keyring file's password once, then what a person types."""
        if not self._key_tried:
            self._key_tried = True
            key = await self._mover.read_login_key()
            if key is not None:
                return {"key": key.reveal().hex(), "unasked": True}
        if self._untried is not None:
            typed, self._untried = self._untried, None
            # One that is no text nobody can have given to a daemon of KDE's.
            with suppress(UnicodeDecodeError):
                return {"password": _to_text(typed), "unasked": True}
        if self._withdrawn:
            return {"cancel": True}
        question = PasswordQuestion(
            Purpose.MOVE, self._wallet.wallet, again=self._asked, may_start_without=True
        )
        self._asked = True
        self._question = asyncio.get_running_loop().create_task(self._mover.ask(question))
        await asyncio.wait({self._question})
        if self._question.cancelled():
            return {"cancel": True}
        said = self._question.result()
        if isinstance(said, Decision):
            self._decision = said
            return {"cancel": True}
        return {"password": _to_text(said)}


def _to_text(password: Secret) -> str:
    return password.reveal().decode("utf-8", "surrogatepass")


async def _read_result(process: Process) -> Mapping[str, Any]:
    """Return the last object on standard output, which is the result."""
    if process.stdout is None:
        raise ValueError("the command is started with pipes")
    last: Mapping[str, Any] = {}
    while line := await _read_line(process.stdout):
        last = _parse(line) or last
    return last


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    """Return a line; one that is too long to be of use is passed over."""
    while True:
        try:
            return await stream.readline()
        except ValueError:
            continue


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
