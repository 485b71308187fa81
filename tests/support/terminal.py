# SPDX-License-Identifier: GPL-3.0-or-later
"""A program at a terminal, and a person who answers what it asks there."""

from __future__ import annotations

import os
import pty
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.waiting import wait_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.private_bus import PrivateBus

PATIENCE = 60.0


@dataclass(frozen=True)
class Conversation:
    """How it ended, and everything that was to be seen at the terminal."""

    code: int
    shown: str


def converse(
    bus: PrivateBus, argv: Sequence[str], answers: Sequence[tuple[str, bytes]]
) -> Conversation:
    """Run a program with a terminal of its own, which is also what it prints to; Ctrl-C reaches it.

    ``answers`` has the end of each prompt, in the order of the prompts, and what is typed then.
    """
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            ["setsid", "--ctty", "--wait", "env", "--default-signal=INT", *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=bus.env,
            cwd=bus.home,
        ) as child:
            os.close(theirs)
            theirs = -1
            try:
                shown = _answer(ours, answers)
            except BaseException:
                child.kill()
                raise
            return Conversation(child.wait(PATIENCE), shown.replace("\r\n", "\n"))
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


def _answer(terminal: int, answers: Sequence[tuple[str, bytes]]) -> str:
    """Answer until the program has closed the terminal; gives what was shown."""
    shown = b""
    start = 0
    left = list(answers)
    while wait_readable([terminal], PATIENCE):
        try:
            more = os.read(terminal, 1 << 16)
        except OSError:  # Linux's way to say that nobody has the other side open
            break
        shown += more
        if left and (at := shown.find(left[0][0].encode(), start)) >= 0:
            prompt, typed = left.pop(0)
            start = at + len(prompt)
            os.write(terminal, typed)
    else:
        raise TimeoutError(shown.decode(errors="replace"))
    assert not left, (left, shown.decode(errors="replace"))
    return shown.decode(errors="replace")
