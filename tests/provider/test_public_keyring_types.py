# SPDX-License-Identifier: GPL-3.0-or-later
"""The public module's types hold for a program that uses it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """\
import asyncio

from kwallet_bridge.keyring import DismissedError, Item, Keyring
from kwallet_bridge.keyring import blocking


async def main() -> bytes | None:
    async with Keyring.open() as keyring:
        try:
            await keyring.unlock()
        except DismissedError:
            return None
        item: Item = await keyring.create_item("label", {"a": "b"}, "secret", replace=True)
        async with keyring.watch() as changes:
            async for change in changes:
                print(change.kind)
        return await item.secret()


def script() -> str:
    with blocking.Keyring.open_file("file", b"password") as keyring:
        return keyring.search_items({"a": "b"})[0].secret_text()


asyncio.run(main())
"""


def test_a_users_program_is_checked_strictly(tmp_path: Path) -> None:
    """``mypy --strict`` accepts a program that is right, and finds what is wrong in one."""
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(PROGRAM, encoding="utf-8")
    wrong.write_text(PROGRAM.replace('"secret", replace', "5, replace"), encoding="utf-8")
    argv = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(tmp_path),
        "--config-file=",
    ]

    def check(path: Path) -> tuple[int, str]:
        done = subprocess.run(
            [*argv, str(path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
        )
        return done.returncode, done.stdout

    code, said = check(right)
    assert code == 0, said
    code, said = check(wrong)
    assert code == 1
    assert "arg-type" in said
