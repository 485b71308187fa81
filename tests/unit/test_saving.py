# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a wallet's file to be written."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.errors import StoreTimeoutError
from kwallet_bridge.secretservice import saving

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a wallet whose name no file can have, written long ago."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = tmp_path / "kwalletd/a;2Fb.kwl"
    path.parent.mkdir()
    path.touch()
    os.utime(path, (100, 100))
    return path


async def test_a_file_written_later_ends_the_wait(file: Path) -> None:
    """And an earlier one does not, however often it is looked at."""
    waiting = asyncio.create_task(saving.wait_for_save("a/b", 100))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    await asyncio.to_thread(os.utime, file, (101, 101))
    await waiting


async def test_a_file_that_is_never_written_is_an_error(file: Path) -> None:
    """As is one that is not there."""
    for label in ("a/b", file.name):
        with pytest.raises(StoreTimeoutError):
            await saving.wait_for_save(label, 100, patience=0)
