# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import shlex

import pytest
from support.paths import ROOT

from kwallet_bridge.cli.main import _build_parser
from kwallet_bridge.config import Settings

PAGES = ("install", "switch-back", "diagnose")
COMMANDS = [
    line.removeprefix("$ ")
    for page in PAGES
    for line in (ROOT / f"docs/how-to/{page}.md").read_text("utf-8").splitlines()
    if line.startswith("$ kwallet-bridge")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_documented_commands_exist(command: str) -> None:
    """Every command line in the how-to pages is one the program accepts."""
    _, *words = shlex.split(command)
    assert _build_parser(words[0]).parse_args(words).command == words[0]


def test_documented_defaults_are_the_defaults() -> None:
    """Each default in the settings page is the one in force."""
    text = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `Wallet` \| `([^`]+)` \| `?([^`|]*?)`? \|", text, re.MULTILINE))
    settings = Settings()
    assert rows == {
        "Enabled": str(settings.enabled).lower(),
        "Default Wallet": settings.default_wallet,
        "Use One Wallet": "true",
        "Local Wallet": "localwallet",
        "Leave Open": str(settings.leave_open).lower(),
        "Close When Idle": str(settings.close_when_idle).lower(),
        "Idle Timeout": str(settings.idle_timeout_minutes),
        "Prompt on Open": str(settings.prompt_on_open).lower(),
        "apiEnabled": str(settings.api_enabled).lower(),
    }
