# SPDX-License-Identifier: GPL-3.0-or-later
"""Move what KDE's daemon has open before its names are taken over, as nobody need be asked then.

The work is done by the migrate command in a process of its own, as for every other silent source.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwallet_bridge.daemon.choice import SECRET_SERVICE
from kwallet_bridge.daemon.moving import OWN_PROGRAM, count_moved
from kwallet_bridge.statefile import StoreKind

if TYPE_CHECKING:
    from kwallet_bridge.statefile import Decision


@dataclass(frozen=True, slots=True)
class Arrived:
    """A run that wrote something."""

    run: str
    entries: int
    code: int

    def __str__(self) -> str:
        return (
            f"{self.entries} entries of wallets that KDE's daemon has open were moved;"
            f" kwallet-bridge migrate --undo {self.run} takes them back"
        )


async def move_open_wallets(decision: Decision | None) -> Arrived | None:
    """Move what can be moved unasked to where ``decision`` says; None if nothing was written.

    A keyring file is left to its first open: a person has its password.
    """
    if decision is not None and decision.kind is not StoreKind.PROVIDER:
        return None
    words = ["migrate", "--from", "running", "--unasked", "--json", "--on-conflict", "skip"]
    code, output = await _run([*words, "--to", SECRET_SERVICE])
    try:
        result = json.loads(output)
        run = result["run"]
        return Arrived(run, count_moved(result), code) if run else None
    except (ValueError, KeyError, TypeError):
        return None


async def take_back(arrived: Arrived) -> bool:
    """Undo a run, so that nothing is moved that KDE's daemon goes on to serve; False if it failed."""
    return (await _run(["migrate", "--undo", arrived.run, "--json"]))[0] == 0


async def _run(words: list[str]) -> tuple[int, bytes]:
    """Run our own command; nobody sees what it says beside its result."""
    process = await asyncio.create_subprocess_exec(
        *OWN_PROGRAM,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output
