# SPDX-License-Identifier: GPL-3.0-or-later
"""How the command that moves is given a keyring file's password."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.daemon.moving import Destination, WalletMover, find_destination
from kwallet_bridge.daemon.pending import Decision
from kwallet_bridge.migrate.pending import PendingWallet, Why
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret
from kwallet_bridge.store.expected import HiddenNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE = Path("/nowhere/other.kwl")
TYPED = "the fil\u00e9's"
PROGRAM = """\
import json, os, select, sys
from pathlib import Path
descriptor = int(sys.argv[-1].removeprefix("fd:"))
early = select.select([descriptor], [], [], 0)[0]
given = []
for number, kind in enumerate(sys.argv[1].split(","), 1):
    print(json.dumps({"type": kind, "id": number}), file=sys.stderr, flush=True)
    given.append(json.loads(sys.stdin.readline()))
text = "" if sys.argv[2] == "leaves" else os.fdopen(descriptor, "rb").read().decode()
shown = [Path(f"/proc/self/{name}").read_bytes().decode() for name in ("cmdline", "environ")]
print(json.dumps({"run": None, "text": text, "early": bool(early), "shown": shown}))
Path(sys.argv[3]).write_text(json.dumps([given, text, bool(early), *shown]))
sys.exit(4 if sys.argv[2] == "leaves" else 0)
"""


class _NoKey:
    async def read(self) -> Secret | None:
        """Have nobody logged in."""
        return None


def _pending() -> PendingWallet:
    why = Why.NOT_MOVED
    expected = HiddenNames(why.value)
    return PendingWallet(FILE, WalletName("other"), 1, 1, why, expected, undone=False, identity=())


def _mover(destination: Destination | None, program: Sequence[str]) -> WalletMover:
    asked: list[WalletName] = []

    def find(wallet: WalletName) -> Destination | None:
        asked.append(wallet)
        return destination

    return WalletMover(
        destination=find, login_key=_NoKey(), passwords=None, program=(sys.executable, *program)
    )


async def _carry_out(
    folder: Path, *, kinds: str, password: Secret, how: str = "stays"
) -> tuple[Decision, Sequence[Mapping[str, object]], str, bool, str]:
    program, told = folder / "program.py", folder / "told"
    program.write_text(PROGRAM, encoding="utf-8")
    destination = find_destination("file:/f", password=password)
    mover = _mover(destination, [str(program), kinds, how, str(told)])
    decision = await mover.decide(_pending())
    given, text, early, arguments, variables = json.loads(told.read_text(encoding="utf-8"))
    return decision, given, text, early, arguments + variables


async def test_the_password_goes_by_a_descriptor_once_the_command_has_spoken(
    tmp_path: Path,
) -> None:
    """Before that another program could look into it, and in argv or environment any can."""
    decision, given, text, early, shown = await _carry_out(
        tmp_path, kinds="need-choice,need-password,need-password", password=Secret.from_text(TYPED)
    )
    assert decision is Decision.MOVED
    assert (text, early) == (TYPED + "\n", False)
    assert TYPED not in shown
    assert given == [
        {"id": 1, "files": [str(FILE)]},
        {"id": 2, "password": TYPED, "unasked": True},
        {"id": 3, "cancel": True},
    ]


async def test_a_password_that_is_no_text_is_tried_on_no_wallet(tmp_path: Path) -> None:
    """It opens the keyring file all the same."""
    program = "need-choice,need-password"
    _, given, _, _, _ = await _carry_out(
        tmp_path, kinds=program, password=Secret(b"\xff"), how="leaves"
    )
    assert given[-1] == {"id": 2, "cancel": True}


@pytest.mark.parametrize("size", [8, 1 << 18])
async def test_a_command_that_leaves_without_reading_holds_nobody_up(
    tmp_path: Path, size: int
) -> None:
    """Not even with a password longer than a pipe holds."""
    decision, *_ = await _carry_out(
        tmp_path, kinds="need-choice", password=Secret(b"x" * size), how="leaves"
    )
    assert decision is Decision.LATER


def test_a_locked_keyring_file_is_no_destination() -> None:
    """Nobody is asked for its password only to move; a provider and a password file do without."""
    assert find_destination("file:/f") is None
    assert find_destination("") is None
    provider = find_destination("secret-service", password=Secret(b"x"))
    assert provider == Destination(("--to", "secret-service"))
    given = find_destination("file:/f", password_file=Path("/p"), password=Secret(b"x"))
    assert given == Destination(("--to", "file:/f", "--to-password-file", "/p"))
    assert not _mover(None, []).can_decide(_pending())
