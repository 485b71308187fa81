# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that passes for kwallet-bridge on the bus: it owns names and answers isEnabled.

Under the name of KDE's daemon it ends as that does when it is asked to.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from kwallet_bridge.bus.connection import BusConnection
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kwallet_bridge.bus.incoming import IncomingCall

WRAPPER = """\
#!{python}
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from support.stand_in import main
main({names!r})
"""


def write_stand_in(path: Path, names: Sequence[str]) -> Path:
    """Write an executable that owns ``names``; without names it fails at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = WRAPPER.format(
        python=sys.executable, root=str(ROOT), tests=str(ROOT / "tests"), names=list(names)
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


def main(names: Sequence[str]) -> None:
    """Serve until ended."""
    if not names:
        sys.exit(1)
    asyncio.run(_serve(names))


async def _serve(names: Sequence[str]) -> None:
    bus = await BusConnection.connect()
    bus.serve(_answer)
    for name in names:
        await bus.request_name(name)
    await bus.lost


def _answer(call: IncomingCall) -> None:
    if call.member == "quit":
        os.kill(os.getpid(), signal.SIGTERM)
    call.reply("b", [True])
