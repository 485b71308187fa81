# SPDX-License-Identifier: GPL-3.0-or-later
"""An access dialog whose decisions a test makes.

The dialog program connects to the test's socket, passes the question on, and waits for the test's
word or for the question to be withdrawn; nothing in it waits for time.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENCE = 30.0
PROGRAM = """\
#!{python} -I
import select, socket, sys
question = sys.stdin.buffer.raw.readline()
test = socket.socket(socket.AF_UNIX)
test.connect({place!r})
test.sendall(question)
print('{{"shown": true}}', flush=True)
if test in select.select([0, test], [], [])[0]:
    sys.stdout.write(test.recv(4096).decode())
"""


class ShownDialog:
    """One dialog that is up."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._file = stream.makefile("r", encoding="utf-8")
        self.question: dict[str, Any] = json.loads(self._file.readline())

    def answer(self, decision: str) -> None:
        """Decide."""
        self.say({"decision": decision})

    def say(self, fields: Mapping[str, object]) -> None:
        """Answer anything."""
        self._stream.sendall(json.dumps(dict(fields)).encode() + b"\n")

    def crash(self) -> None:
        """End the program without a decision."""
        self._stream.sendall(b"\n")

    def wait_withdrawn(self) -> None:
        """Wait until the program is gone; one that stays is a failure."""
        assert self._file.read() == ""

    def close(self) -> None:
        """Let go of the connection."""
        self._file.close()
        self._stream.close()


class ScriptedDialogs:
    """Makes the dialog program, and takes up what it shows."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "dialog"
        self._place = folder / "dialog.socket"
        self._shown: list[ShownDialog] = []
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        self._listener.bind(str(self._place))
        self._listener.listen()
        text = PROGRAM.format(python=sys.executable, place=str(self._place))
        self.program.write_text(text, encoding="utf-8")
        self.program.chmod(0o700)
        return self

    def __exit__(self, *_: object) -> None:
        for shown in self._shown:
            shown.close()
        self._listener.close()

    def wait(self) -> ShownDialog:
        """Wait for the next dialog."""
        self._listener.settimeout(PATIENCE)
        stream, _ = self._listener.accept()
        stream.settimeout(PATIENCE)
        self._shown.append(ShownDialog(stream))
        return self._shown[-1]

    def none_came(self) -> bool:
        """Tell whether nothing was asked since the last dialog taken up."""
        self._listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._listener.accept()[0].close()
            return False
        return True
