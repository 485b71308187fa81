# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a wallet file that is pending into the store that serves, asking as little as can be.

The work is the migrate command's, in a process of its own: its journal, its verification, its way
back. It tries the empty password itself; then it is given the login's key, which opens the wallet
of whoever uses the login password for it; then a person is asked, in a window. What another value
stands in the way of is left as it is on both sides.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import suppress
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
    from kwallet_bridge.secret import Secret

OWN_PROGRAM: Final = (sys.executable, "-P", "-m", "kwallet_bridge")
LOGIN_WALLET: Final = "kdewallet.kwl"
"""The only wallet whose key PAM derives: every other one has a salt of its own."""
_MOVED_CODES: Final = frozenset({0, 3})
"""Done, and done but for conflicts, which the journal names."""
_LINE_LIMIT: Final = 1 << 20

_log = logging.getLogger(__name__)


def destination_arguments(destination: str, password_file: Path | None) -> Sequence[str] | None:
    """Return what tells the command where to; None where a person alone has the file's password."""
    arguments = ("--to", destination)
    if destination.startswith(SECRET_SERVICE):
        return arguments
    if password_file is None:
        return None
    return (*arguments, "--to-password-file", str(password_file))


def count_moved(result: Mapping[str, Any]) -> int:
    """Count the entries that a run's result says are there now and were not before."""
    wallets = result.get("wallets")
    rows = [row for wallet in wallets or () for row in wallet.get("rows", ())]
    return sum(row.get("outcome") in {"created", "replaced"} for row in rows)


class KeySource(Protocol):
    """Has the login's key, if there is one."""

    async def read(self) -> Secret | None:
        """Return it."""


class WalletMover:
    """Decides about pending wallets by moving them: without a person if it can be."""

    def __init__(
        self,
        *,
        destination: Callable[[], Sequence[str] | None],
        login_key: KeySource,
        passwords: PasswordAsker | None,
        moved: Callable[[Mapping[str, Any]], None] = lambda _: None,
        program: Sequence[str] = OWN_PROGRAM,
    ) -> None:
        """Move to where the arguments that ``destination`` gives say; None: not without a question.

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

        Nor into a keyring file whose password a person alone has.
        """
        return not wallet.hides_names and self._destination() is not None

    async def decide(self, wallet: PendingWallet) -> Decision:
        """Move the wallet, or return what a person said; "later" where nobody can be asked.

        A caller that is cancelled withdraws a question; what is being written is written to its
        end.
        """
        destination = self._destination()
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

    async def start(self, destination: Sequence[str]) -> Process:
        """Start the command that moves; which file is meant is no business of its command line."""
        words = ["migrate", "--choose", "--json", "--answers", "-", "--on-conflict", "skip"]
        return await asyncio.create_subprocess_exec(
            *self._program,
            *words,
            *destination,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )

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

    def __init__(
        self, wallet: PendingWallet, mover: WalletMover, destination: Sequence[str]
    ) -> None:
        self._wallet = wallet
        self._destination = destination
        self._mover = mover
        self._decision = Decision.LATER
        self._asked = False
        self._key_tried = wallet.path.name != LOGIN_WALLET
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
            process = await self._mover.start(self._destination)
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
        """Give the login's key once, then what a person types."""
        if not self._key_tried:
            self._key_tried = True
            key = await self._mover.read_login_key()
            if key is not None:
                return {"key": key.reveal().hex()}
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
        return {"password": said.reveal().decode("utf-8", "surrogatepass")}


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
