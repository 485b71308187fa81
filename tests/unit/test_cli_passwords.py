# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pty
import shutil
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT, VECTORS

from kwallet_bridge.cli import daemon, passwords
from kwallet_bridge.cli.inspect import open_source
from kwallet_bridge.cli.passwords import (
    PasswordSource,
    Prompt,
    ask_new_password,
    ask_password,
    try_passwords,
)
from kwallet_bridge.cli.stores import RememberedPassword
from kwallet_bridge.errors import (
    DecryptionError,
    PasswordNeededError,
    PromptDismissedError,
    StoreRefusedError,
    UsageError,
)
from kwallet_bridge.keyringfile.sources import FilePassword, KeyRequest
from kwallet_bridge.kwl.files import read_source
from kwallet_bridge.secret import Secret
from kwallet_bridge.withdrawal import Withdrawal

if TYPE_CHECKING:
    from collections.abc import Callable

ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios
os.setsid()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
from kwallet_bridge.cli.passwords import PasswordSource, Prompt, try_passwords
from kwallet_bridge.errors import BridgeError, DecryptionError
tried = []
def attempt(password):
    tried.append(password.reveal())
    raise DecryptionError("no")
try:
    try_passwords(attempt, prompt=Prompt("Wallet", "\\x1b[2J"), source=PasswordSource())
except BridgeError as error:
    print(type(error).__name__, tried)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture(autouse=True)
def _nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """No way to ask is open but the one a test opens."""
    for name in ("SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(passwords, "_ask_on_terminal", lambda *_: None)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], str]:
    """Write an executable shell script; gives its path."""

    def write(name: str, script: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return str(path)

    return write


def ask() -> bytes:
    """Ask a person."""
    return ask_password(Prompt("Password for", "x"), source=PasswordSource()).reveal()


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"pw", b"pw"),
        (b"pw\n", b"pw"),
        (b"pw\r\n", b"pw"),
        (b"pw\n\n", b"pw\n"),
        (b"pw\r", b"pw\r"),
        (b"", b""),
        (b"\xff \n", b"\xff "),
    ],
)
def test_a_password_file_loses_one_line_end(
    content: bytes, password: bytes, tmp_path: Path
) -> None:
    """Bytes are taken as they are but for one line end, and a second read gives the same."""
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(0o600)
    source = PasswordSource(str(path))
    assert ask_password(Prompt("x"), source=source).reveal() == password
    if password:  # the daemon, which has its own reader, takes it for the same
        read = asyncio.run(FilePassword(path).read_password(KeyRequest("x")))
        assert read == Secret(password)
    path.unlink()
    assert ask_password(Prompt("x"), source=source).reveal() == password


def test_a_password_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` reads standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"pw\n")))
    assert PasswordSource("-").read().reveal() == b"pw"


def test_a_password_from_a_descriptor() -> None:
    """``fd:N`` reads an open file descriptor."""
    reading, writing = os.pipe()
    os.write(writing, b"pw\n")
    os.close(writing)
    assert PasswordSource(f"fd:{reading}").read().reveal() == b"pw"


@pytest.mark.parametrize("given", ["/nonexistent", "fd:x", "fd:9999", "/dev/zero"])
def test_an_unusable_password_file_is_a_usage_error(given: str) -> None:
    """A file that cannot be read, or never ends, is refused."""
    with pytest.raises(UsageError):
        PasswordSource(given).read()


def test_nobody_to_ask() -> None:
    """Without terminal, askpass and display the error says what to do."""
    with pytest.raises(PasswordNeededError, match="--password-file"):
        ask()


def test_an_askpass_program(
    monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], str]
) -> None:
    """The program gets the prompt without the wallet's name; its first line is the password."""
    script = program("askpass", 'printf "%s|é\\n" "$1"')
    monkeypatch.setenv("SSH_ASKPASS", script)
    assert ask().decode() == "Password for|é"


def test_an_askpass_program_that_is_dismissed(
    monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], str]
) -> None:
    """A program that fails means a person said no."""
    monkeypatch.setenv("SSH_ASKPASS", program("askpass", "exit 1"))
    with pytest.raises(PromptDismissedError):
        ask()


def test_a_missing_askpass_program_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not there leaves the other ways open."""
    monkeypatch.setenv("SSH_ASKPASS", "/nonexistent")
    with pytest.raises(PasswordNeededError):
        ask()


@pytest.mark.parametrize(
    ("require", "answer"), [("", b"tty"), ("prefer", b"program"), ("force", b"program")]
)
def test_askpass_is_preferred_as_for_ssh(
    require: str,
    answer: bytes,
    monkeypatch: pytest.MonkeyPatch,
    program: Callable[[str, str], str],
) -> None:
    """SSH_ASKPASS_REQUIRE puts the program before the terminal."""
    monkeypatch.setattr(passwords, "_ask_on_terminal", lambda *_: Secret(b"tty"))
    monkeypatch.setenv("SSH_ASKPASS", program("askpass", "echo program"))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", require)
    assert ask() == answer


def test_askpass_is_never_run_when_forbidden(
    monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], str]
) -> None:
    """SSH_ASKPASS_REQUIRE=never leaves the terminal alone."""
    monkeypatch.setenv("SSH_ASKPASS", program("askpass", "echo program"))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "never")
    with pytest.raises(PasswordNeededError):
        ask()


PINENTRY = """
echo "OK Pleased to meet you"
while read -r word rest; do
  case $word in
    SETDESC) desc=$rest; echo OK;;
    GETPIN) echo "S PROGRESS"; {answer};;
    BYE) echo OK; exit 0;;
    *) echo OK;;
  esac
done
"""


@pytest.mark.parametrize(
    ("answer", "password"),
    [
        ('echo "D $desc"; echo OK', b"Password for x"),
        ("echo 'D a%25'; echo 'D %0Ab'; echo OK", b"a%\nb"),
        ("echo OK", b""),
    ],
)
def test_pinentry_is_asked_where_there_is_a_display(
    answer: str,
    password: bytes,
    monkeypatch: pytest.MonkeyPatch,
    program: Callable[[str, str], str],
    tmp_path: Path,
) -> None:
    """The prompt arrives escaped, and the answer in pieces, escaped too."""
    program("pinentry", PINENTRY.replace("{answer}", answer))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("DISPLAY", ":99")
    assert ask() == password


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("echo 'ERR 83886179 Operation cancelled'", PromptDismissedError),
        ("echo 'ERR 83918950 Inappropriate ioctl for device'", PasswordNeededError),
        ("echo 'ERR '", PasswordNeededError),
        ("exit 1", PasswordNeededError),
    ],
)
def test_pinentry_that_gives_nothing(
    answer: str,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    program: Callable[[str, str], str],
    tmp_path: Path,
) -> None:
    """Cancelled is a person's no; one that fails is as good as none."""
    program("pinentry", PINENTRY.replace("{answer}", answer))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")
    with pytest.raises(error):
        ask()


@pytest.mark.parametrize(
    ("empty_first", "expected"), [(None, [b"pw"]), (True, [b"", b"pw"]), (False, [b"pw"])]
)
def test_a_file_has_one_try(
    tmp_path: Path, expected: list[bytes], *, empty_first: bool | None
) -> None:
    """A given password is the only one tried, unless the caller wants the empty one too."""
    path = tmp_path / "password"
    path.write_bytes(b"pw")
    tried: list[bytes] = []

    def attempt(password: Secret) -> None:
        tried.append(password.reveal())
        raise DecryptionError("no")

    with pytest.raises(DecryptionError):
        try_passwords(
            attempt, prompt=Prompt("x"), source=PasswordSource(str(path)), empty_first=empty_first
        )
    assert tried == expected


def test_the_empty_password_is_tried_without_asking() -> None:
    """A wallet without password opens though nobody can be asked."""
    opened = try_passwords(len, prompt=Prompt("x"), source=PasswordSource())
    assert opened == 0


class Person:
    """Somebody who gives these answers one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> None:
        """Answer on the terminal."""
        self.answers = list(answers)
        self.asked: list[str] = []
        monkeypatch.setattr(passwords, "_ask_on_terminal", self.answer)

    def answer(self, prompt: Prompt, _: object = None) -> Secret:
        """Give the next answer."""
        self.asked.append(prompt.full)
        return Secret(self.answers.pop(0))


def test_a_new_password_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip is noticed and told; what is taken was typed twice alike."""
    person = Person(monkeypatch, b"abcd", b"abdc", b"abc", b"good", b"good")
    chosen = ask_new_password("mine", source=PasswordSource())
    assert chosen == Secret(b"good")
    assert not person.answers
    assert "not the same" in person.asked[2]
    assert "too short" in person.asked[3]


def test_a_new_password_is_not_asked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that always gives another answer does not keep us for ever."""
    person = Person(monkeypatch, *(b"%04d" % n for n in range(9)))
    with pytest.raises(PromptDismissedError):
        ask_new_password("mine", source=PasswordSource())
    assert len(person.answers) == 3


@pytest.mark.parametrize("road", ["terminal", "askpass", "pinentry"])
def test_every_road_asks_twice_for_a_new_keyring(
    monkeypatch: pytest.MonkeyPatch, road: str
) -> None:
    """By whatever way a person is asked, the commands and the daemon ask twice."""
    asked: list[str] = []

    def answer(prompt: Prompt, _: Withdrawal) -> Secret:
        asked.append(prompt.full)
        return Secret(b"good")

    ways = {
        "terminal": "_ask_on_terminal",
        "askpass": "_ask_by_program",
        "pinentry": "_ask_by_pinentry",
    }
    for way in ways.values():
        monkeypatch.setattr(passwords, way, lambda *_: None)
    monkeypatch.setattr(passwords, ways[road], answer)
    new = KeyRequest("mine", new=True)
    assert daemon._ask(new, Withdrawal()) == Secret(b"good")
    assert len(asked) == 2
    source = RememberedPassword(PasswordSource())
    for request in (new, KeyRequest("mine"), KeyRequest("another")):
        assert asyncio.run(source.read_password(request)) == Secret(b"good")
    assert len(asked) == 4
    assert asyncio.run(source.read_password(KeyRequest("another one", new=True)))
    assert len(asked) == 6


def test_a_short_password_in_a_file_is_refused(tmp_path: Path) -> None:
    """There is nobody to ask for a longer one."""
    path = tmp_path / "password"
    path.write_bytes(b"abc\n")
    with pytest.raises(StoreRefusedError, match="4 bytes"):
        ask_new_password("mine", source=PasswordSource(str(path)))


def wait_until_asleep(child: subprocess.Popen[bytes]) -> None:
    """Wait until a program waits: a Ctrl-C just before it reads leaves it reading."""
    stat = Path(f"/proc/{child.pid}/stat")
    while stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "S":
        os.sched_yield()


def run_on_terminal(answers: list[bytes]) -> tuple[str, str]:
    """Answer prompts on a terminal; gives what the program printed and what the terminal showed."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, str(theirs)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=[theirs],
        cwd=ROOT,
    )
    shown = b""
    with child, open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123  a descriptor
        for number, answer in enumerate(answers, 1):
            while shown.count(b": ") < number:
                shown += terminal.read(1000)
            wait_until_asleep(child)
            os.write(ours, answer)
        printed, _ = child.communicate(timeout=30)
        assert termios.tcgetattr(theirs)[3] & termios.ECHO
        os.close(theirs)
        with contextlib.suppress(OSError):  # the terminal's other side is closed
            while more := terminal.read(1000):
                shown += more
    return printed.decode(), shown.decode()


def test_a_terminal_is_asked_three_times_without_echo() -> None:
    """Standard input is not read, nothing typed is shown, controls in the prompt are escaped."""
    printed, shown = run_on_terminal([b"one\n", "zwö\n".encode(), b"three\n"])
    assert printed.split(" ", 1) == [
        "DecryptionError",
        f"{[b'', b'one', 'zwö'.encode(), b'three']}\n",
    ]
    assert "one" not in shown
    assert "\x1b" not in shown
    assert shown.count("did not open it") == 2


def test_the_end_of_the_terminals_input_is_a_no() -> None:
    """Ctrl-D instead of a password dismisses."""
    printed, _ = run_on_terminal([b"\x04"])
    assert printed.startswith("PromptDismissedError")


def test_an_interrupt_leaves_the_terminal_as_it_was() -> None:
    """Ctrl-C at the prompt ends the program, and echo is on again."""
    printed, _ = run_on_terminal([b"\x03"])
    assert printed == "interrupted\n"


def test_no_command_puts_a_wallets_name_on_a_command_line(
    monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    """Whoever asks, for a wallet file or a keyring, old or new: an askpass program is not told."""
    told = tmp_path / "told"
    script = program("askpass", f'printf "%s\\n" "$@" >>{told}; echo password')
    monkeypatch.setenv("SSH_ASKPASS", script)
    vector = VECTORS / "pw-005.kwl"
    shutil.copy(vector, tmp_path / "Private.kwl")
    shutil.copy(vector.with_suffix(".salt"), tmp_path / "Private.salt")
    with pytest.raises(DecryptionError):
        open_source(read_source(tmp_path / "Private.kwl", salt_folders=[]), PasswordSource())
    for new in (True, False):
        request = KeyRequest("Private", new=new)
        asyncio.run(RememberedPassword(PasswordSource()).read_password(request))
        daemon._ask(request, Withdrawal())
    lines = told.read_text().splitlines()
    assert len(lines) > 6
    assert not [line for line in lines if "Private" in line]


def test_a_withdrawn_question_frees_the_terminal() -> None:
    """Nobody needs to type what nobody waits for."""
    ours, theirs = pty.openpty()
    withdrawal = Withdrawal()
    lines: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(PromptDismissedError):
            lines.append(passwords._read_line(theirs, withdrawal))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    withdrawal.withdraw()
    reader.join(10)
    assert not reader.is_alive()
    assert lines in ([], [b""])
    os.write(ours, b"typed\n")
    assert passwords._read_line(theirs, Withdrawal()) == b"typed\n"
    os.close(ours)
    os.close(theirs)
