# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask for a password: a file, the terminal, an askpass program, or pinentry.

Never the command line and never the environment, where other programs can read it. A password is
bytes: what is typed is not decoded, so any locale will do.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import termios
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, unquote_to_bytes

from kwallet_bridge.errors import (
    BridgeError,
    DecryptionError,
    PasswordNeededError,
    PromptDismissedError,
    StoreRefusedError,
    UsageError,
)
from kwallet_bridge.keyringfile.keys import LEAST_PASSWORD
from kwallet_bridge.secret import Secret
from kwallet_bridge.text import printable
from kwallet_bridge.withdrawal import Withdrawal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    Result = TypeVar("Result")

TRIES = 3
MAX_PASSWORD_SIZE = 1 << 16
_DESCRIPTOR = "fd:"
_NOTHING = Secret(b"")
_AGAIN = "That did not open it. "


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person is asked: some text, and a private name that follows it where it may be told."""

    text: str
    name: str = field(default="", repr=False)

    @property
    def public(self) -> str:
        """What a command line may hold, which everybody on the computer can read."""
        return printable(self.text)

    @property
    def full(self) -> str:
        """What the person alone is shown."""
        return printable(f"{self.text} {self.name}" if self.name else self.text)

    def again(self) -> Prompt:
        """Give the same question after a wrong answer."""
        return self if self.text.startswith(_AGAIN) else replace(self, text=_AGAIN + self.text)


class PasswordSource:
    """Where passwords come from: ``given`` is ``--password-file``'s value, None asks a person.

    A person is asked no more once ``withdrawal`` says so.
    """

    def __init__(self, given: str | None = None, *, withdrawal: Withdrawal | None = None) -> None:
        """Remember where to look; nothing is read yet."""
        self.withdrawal = withdrawal or Withdrawal()
        self._given = given
        self._read: Secret | None = None

    @property
    def asks_a_person(self) -> bool:
        """Whether another try can give another answer."""
        return self._given is None

    def read(self) -> Secret:
        """Read the given file, once; one line end is not part of the password.

        Raises:
            UsageError: It cannot be read, or is far too long for a password.
        """
        if self._read is None:
            try:
                text = self._read_bytes()
            except (OSError, ValueError) as error:
                raise UsageError("the password file cannot be read") from error
            if len(text) > MAX_PASSWORD_SIZE:
                raise UsageError("the password file is too long for a password")
            self._read = Secret.from_file(text)
        return self._read

    def _read_bytes(self) -> bytes:
        given = self._given or ""
        if given == "-":
            return sys.stdin.buffer.read(MAX_PASSWORD_SIZE + 1)
        if given.startswith(_DESCRIPTOR):
            descriptor = int(given.removeprefix(_DESCRIPTOR))
            with open(descriptor, "rb") as file:
                return file.read(MAX_PASSWORD_SIZE + 1)
        with Path(given).open("rb") as file:
            return file.read(MAX_PASSWORD_SIZE + 1)


def add_password_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--password-file``."""
    parser.add_argument(
        "--password-file",
        metavar="F|-|fd:N",
        help="read the password from a file, from standard input (-) or from an open file "
        "descriptor, instead of asking; one line end at its end is left out",
    )


def ask_password(prompt: Prompt, *, source: PasswordSource) -> Secret:
    """Get one password, from the source's file or from a person.

    A person is asked on the terminal without echo; without one, through ``SSH_ASKPASS`` or
    pinentry. ``SSH_ASKPASS_REQUIRE`` is honoured as ssh does. The question goes when the source
    is withdrawn.

    Raises:
        PasswordNeededError: Nobody can be asked.
        PromptDismissedError: A person said no, or the question was withdrawn.
        UsageError: The file cannot be read.
    """
    if not source.asks_a_person:
        return source.read()
    for ask in _list_ways():
        answer = ask(prompt, source.withdrawal)
        if answer is not None:
            return answer
    raise PasswordNeededError(
        "a password is needed, and there is no terminal to ask on; "
        "use --password-file, or set SSH_ASKPASS"
    )


def ask_new_password(label: str, *, source: PasswordSource) -> Secret:
    """Return a password chosen for a new keyring file; a person gives it twice, by any road.

    Raises:
        StoreRefusedError: What is in the source's file is too short.
        PromptDismissedError: A person said no, or gave nothing that would do three times.
        PasswordNeededError: Nobody can be asked.
        UsageError: The source's file cannot be read.
    """
    note = ""
    for _ in range(TRIES):
        text = f"{note}New password, four letters or more, for wallet"
        password = ask_password(Prompt(text, label), source=source)
        if len(password) < LEAST_PASSWORD:
            if not source.asks_a_person:
                raise StoreRefusedError(
                    f"the password of a new keyring needs {LEAST_PASSWORD} bytes or more"
                )
            note = "That is too short. "
        elif not source.asks_a_person or password == ask_password(
            Prompt("The same password once more"), source=source
        ):
            return password
        else:
            note = "The two were not the same. "
    raise PromptDismissedError("no new password was given twice alike")


def try_passwords(
    attempt: Callable[[Secret], Result],
    *,
    prompt: Prompt,
    source: PasswordSource,
    refused: type[BridgeError] = DecryptionError,
    empty_first: bool | None = None,
) -> Result:
    """Give ``attempt`` passwords until it does not raise ``refused``.

    A person has three tries, a file one; what the last try raised is what leaves. Before a person
    is asked the empty password is tried; with ``empty_first`` also before a file is read.

    Raises:
        PasswordNeededError: Nobody can be asked.
        PromptDismissedError: A person said no.
        UsageError: The file cannot be read.
    """
    if source.asks_a_person if empty_first is None else empty_first:
        with suppress(refused):
            return attempt(_NOTHING)
    for _ in range(TRIES - 1 if source.asks_a_person else 0):
        with suppress(refused):
            return attempt(ask_password(prompt, source=source))
        prompt = prompt.again()
    return attempt(ask_password(prompt, source=source))


def _list_ways() -> Iterator[Callable[[Prompt, Withdrawal], Secret | None]]:
    preference = os.environ.get("SSH_ASKPASS_REQUIRE", "")
    if preference in {"force", "prefer"}:
        yield _ask_by_program
    if preference != "force":
        yield _ask_on_terminal
    if preference not in {"force", "prefer", "never"}:
        yield _ask_by_program
    if preference != "never":
        yield _ask_by_pinentry


def can_ask_person() -> bool:
    """Return whether some way of asking a person for a password is there; asks nobody."""
    has_way: dict[Callable[[Prompt, Withdrawal], Secret | None], Callable[[], bool]] = {
        _ask_on_terminal: _has_terminal,
        _ask_by_program: lambda: bool(os.environ.get("SSH_ASKPASS")),
        _ask_by_pinentry: lambda: _find_pinentry() is not None,
    }
    return any(has_way[way]() for way in _list_ways())


def _find_pinentry() -> str | None:
    """Find a pinentry that can show something."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    return shutil.which("pinentry")


def _ask_on_terminal(prompt: Prompt, withdrawal: Withdrawal) -> Secret | None:
    """Ask on the controlling terminal, whatever standard input is; None without one."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        before = termios.tcgetattr(terminal)
        silent = [*before]
        silent[3] &= ~termios.ECHO
        try:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
            os.write(terminal, f"{prompt.full}: ".encode())
            line = _read_line(terminal, withdrawal)
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            os.write(terminal, b"\n")
    finally:
        os.close(terminal)
    if not line:
        raise PromptDismissedError("no password was given")
    return Secret(line.removesuffix(b"\n"))


def confirm(question: str, withdrawal: Withdrawal) -> bool | None:
    """Return whether a person at the controlling terminal says yes; None without a terminal.

    Whatever is neither ``y`` nor ``yes`` is a no, and so are the end of the input and a question
    that was withdrawn. The question's lines stay lines; its other controls are escaped.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        os.write(terminal, "\n".join(map(printable, question.split("\n"))).encode())
        answer = _read_line(terminal, withdrawal)
    finally:
        os.close(terminal)
    return answer.strip().lower() in {b"y", b"yes"}


def _read_line(terminal: int, withdrawal: Withdrawal) -> bytes:
    """Read a line once there is one; nothing for a question that was withdrawn."""
    withdrawn = os.eventfd(0, os.EFD_CLOEXEC)
    try:
        with withdrawal.ended_by(lambda: os.eventfd_write(withdrawn, 1)):
            poll = select.poll()
            for descriptor in (terminal, withdrawn):
                poll.register(descriptor, select.POLLIN)
            ready = dict(poll.poll())
            return b"" if withdrawn in ready else os.read(terminal, MAX_PASSWORD_SIZE)
    finally:
        os.close(withdrawn)


def _ask_by_program(prompt: Prompt, withdrawal: Withdrawal) -> Secret | None:
    """Ask through the askpass program the environment names."""
    program = os.environ.get("SSH_ASKPASS")
    if not program:
        return None
    try:
        code, output = _run_dialog([program, prompt.public], b"", withdrawal)
    except OSError:
        return None
    if code != 0:
        raise PromptDismissedError("no password was given")
    return Secret(output.split(b"\n", 1)[0].removesuffix(b"\r"))


def _ask_by_pinentry(prompt: Prompt, withdrawal: Withdrawal) -> Secret | None:
    """Ask through pinentry's Assuan dialogue; None where it is missing or can show nothing."""
    program = _find_pinentry()
    if program is None:
        return None
    commands = (
        f"SETTITLE kwallet-bridge\nSETDESC {quote(prompt.full)}\nSETPROMPT Password:\nGETPIN\n"
    )
    try:
        _, output = _run_dialog([program], f"{commands}BYE\n".encode(), withdrawal)
    except OSError:
        return None
    return _parse_pinentry(output.splitlines())


def _run_dialog(command: list[str], text: bytes, withdrawal: Withdrawal) -> tuple[int, bytes]:
    """Run a dialog program to its end, or the question's: its exit code and what it printed.

    Raises:
        PromptDismissedError: The question was withdrawn.
    """
    # A script that waits for the real dialog goes together with it; but a program out of the
    # terminal's foreground could not ask there.
    alone = None if _has_terminal() else 0
    with subprocess.Popen(  # noqa: S603  the user chose it, or it is found as gpg finds it
        command,
        stdin=subprocess.PIPE if text else None,
        stdout=subprocess.PIPE,
        process_group=alone,
    ) as process:

        def end() -> None:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    kill = os.kill if alone is None else os.killpg
                    kill(process.pid, signal.SIGTERM)

        try:
            with withdrawal.ended_by(end):
                output, _ = process.communicate(text or None)
        except BaseException:
            end()
            raise
        return process.returncode, output


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


_CANCELLED = 99
_NOT_CONFIRMED = 114
_ANSWERS_BEFORE = 4


def _parse_pinentry(lines: list[bytes]) -> Secret | None:
    """Read the answer, after a greeting and an OK for each of three settings."""
    answers = [line for line in lines if line.startswith((b"OK", b"ERR ", b"D "))]
    text = b""
    for line in answers[_ANSWERS_BEFORE:]:
        if line.startswith(b"OK"):
            return Secret(unquote_to_bytes(text))
        if line.startswith(b"ERR "):
            code = line[4:].split(b" ")[0]
            if code.isdigit() and int(code) & 0xFFFF in {_CANCELLED, _NOT_CONFIRMED}:
                raise PromptDismissedError("no password was given")
            return None
        text += line[2:]
    return None
