# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import errno
import os

import pytest

from kwallet_bridge.config import Settings
from kwallet_bridge.daemon.asker import DialogAsker
from kwallet_bridge.daemon.screen import Screen
from kwallet_bridge.model import AppId, WalletName
from kwallet_bridge.wire.program import PeerProgram


@pytest.mark.parametrize(
    ("number", "allowed"), [(errno.ENOENT, True), (errno.EMFILE, False), (errno.ENOMEM, False)]
)
async def test_a_shortage_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, number: int, *, allowed: bool
) -> None:
    """A missing dialog program is the setting's to decide; one that lacks descriptors is a no."""

    async def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    async def environ() -> dict[str, str]:
        return {}

    async def identify(_: str) -> PeerProgram:
        return PeerProgram(os.getpid(), "/bin/true")

    async def changed() -> None:
        """Nothing is kept."""

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fail)
    asker = DialogAsker(
        identify=identify,
        read_settings=lambda: Settings(deny_without_dialog=False),
        settings_changed=changed,
        screen=Screen(environ),
    )
    answer = await asker.ask(wallet=WalletName("w"), appid=AppId("a"), caller=":1.1")
    assert answer is allowed
