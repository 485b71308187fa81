# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: the kwalletrc keys we honour, read once into a frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """What kwalletrc says; every default is KDE's. Lists are appids by wallet name."""

    enabled: bool = True
    default_wallet: str = "kdewallet"
    local_wallet: str = "kdewallet"
    leave_open: bool = True
    close_when_idle: bool = False
    idle_timeout_minutes: int = 10
    prompt_on_open: bool = False
    auto_allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    auto_deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
