# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands as processes of their own, each killed at a point that is told by its number.

A process that has loaded everything forks for each command: a sweep over every point starts some
hundreds, and an interpreter that starts for each would take most of the time. A point is the middle
or the end of a line for the journal, a moment before or after a file gets its name, and one before
a write is sent to the provider or after its answer has come. At it the command kills itself with
SIGKILL; nothing of it runs afterwards, and the kernel closes what it had open.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.private_bus import PrivateBus

PROVIDER_WRITES = frozenset({"CreateItem", "CreateCollection", "Delete", "Set"})


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, -9 if it was killed, and all that it printed."""

    code: int
    printed: str


class Doomed:
    """Runs commands on a bus, one after another."""

    def __init__(self, bus: PrivateBus) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.doomed"],
            env=bus.env | {"PYTHONPATH": path},
            cwd=bus.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, *words: str, point: int = 0) -> Ended:
        """Run ``kwallet-bridge`` to its end, or to the numbered point, the first being 1."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([point, *words]) + "\n")
        self._process.stdin.flush()
        return Ended(*json.loads(self._process.stdout.readline()))


class _Doom:
    """Counts points, and kills this process at one of them."""

    def __init__(self, point: int) -> None:
        self._left = point

    def _pass(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Have every write of this process pass here."""
        journal: Any = import_module("kwallet_bridge.migrate.journal")
        client = import_module("kwallet_bridge.secretservice.client").ServiceClient
        write_all, call = journal._write_all, client._call

        def write(descriptor: int, data: bytes) -> None:
            write_all(descriptor, data[: len(data) // 2])
            self._pass()
            write_all(descriptor, data[len(data) // 2 :])
            self._pass()

        async def send(provider: object, path: str, interface: str, member: str, *rest: Any) -> Any:
            if member not in PROVIDER_WRITES:
                return await call(provider, path, interface, member, *rest)
            self._pass()
            answer = await call(provider, path, interface, member, *rest)
            self._pass()
            return answer

        journal._write_all, client._call = write, send
        for name in ("rename", "replace"):
            setattr(os, name, self._around(getattr(os, name)))

    def _around(self, work: Callable[..., None]) -> Callable[..., None]:
        def between(*given: Any) -> None:
            self._pass()
            work(*given)
            self._pass()

        return between


def _become(words: Sequence[str], point: int, output: int) -> None:
    """Be the command, in a process that has just been forked."""
    from kwallet_bridge.cli.main import run  # noqa: PLC0415  of this process alone

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if point:
        _Doom(point).watch()
    code = 70
    try:
        code = run(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    for name in ("migrate", "doctor", "main"):
        import_module(f"kwallet_bridge.cli.{name}")
    for line in sys.stdin:
        point, *words = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                _become(words, point, output.fileno())
            _, status = os.waitpid(child, 0)
            output.seek(0)
            ended = [os.waitstatus_to_exitcode(status), output.read().decode()]
        sys.stdout.write(json.dumps(ended) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
