# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as a child process, talking JSON lines; a window does no work itself."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OWN_PROGRAM: Final = (sys.executable, "-P", "-m", "kwallet_bridge")
FAILED_TO_START: Final = -1
_END_MILLISECONDS: Final = 2000


class Lines:
    """Bytes in, whole JSON objects out; what is no object is passed over."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Take bytes as they come; give the objects of the lines they complete."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        found = []
        for line in whole:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found


class Child(QObject):
    """One run of the command line."""

    told = pyqtSignal(dict)
    """An event: a JSON line on standard error."""
    printed = pyqtSignal(dict)
    """A result: a JSON line on standard output."""
    ended = pyqtSignal(int)
    """The exit code; everything was told and printed before."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        program: Sequence[str] = OWN_PROGRAM,
        parent: QObject | None = None,
    ) -> None:
        """Prepare ``program arguments``; connect the signals, then start."""
        super().__init__(parent)
        self._errors, self._output = Lines(), Lines()
        self._process = QProcess(self)
        self._process.setProgram(program[0])
        self._process.setArguments([*program[1:], *arguments])
        self._process.readyReadStandardError.connect(self._read_errors)
        self._process.readyReadStandardOutput.connect(self._read_output)
        self._process.finished.connect(self._finish)
        self._process.errorOccurred.connect(self._on_error)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self) -> None:
        """Start it; a failure to start is an end with FAILED_TO_START."""
        self._process.start()

    def answer(self, fields: Mapping[str, object]) -> None:
        """Write one line to its standard input: an answer, which may be a password."""
        self._process.write(json.dumps(dict(fields)).encode() + b"\n")

    def stop(self) -> None:
        """End it and wait until it is gone; nothing is told any more."""
        self.blockSignals(True)
        if self.is_running:
            self._process.terminate()
            if not self._process.waitForFinished(_END_MILLISECONDS):
                self._process.kill()
                self._process.waitForFinished(_END_MILLISECONDS)

    def _read_errors(self) -> None:
        for event in self._errors.feed(self._process.readAllStandardError().data()):
            self.told.emit(event)

    def _read_output(self) -> None:
        for result in self._output.feed(self._process.readAllStandardOutput().data()):
            self.printed.emit(result)

    def _finish(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read_errors()
        self._read_output()
        self.ended.emit(code if status == QProcess.ExitStatus.NormalExit else FAILED_TO_START)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.ended.emit(FAILED_TO_START)
