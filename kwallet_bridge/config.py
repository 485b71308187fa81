# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: the kwalletrc keys we honour, read once into a frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kwallet_bridge.kconfig import KConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

RC_NAME = "kwalletrc"
NAMELESS_APPID = "KDE System"
"""How the empty appid is spelled in Auto Allow and Auto Deny."""
WALLET = ("Wallet",)
AUTO_ALLOW = ("Auto Allow",)
AUTO_DENY = ("Auto Deny",)
SECRETS = ("org.freedesktop.secrets",)
ALIASES = ("org.freedesktop.secrets.aliases",)
KSECRETD = ("KSecretD",)
MIGRATION = ("Migration",)
OWN = ("kwallet-bridge",)


@dataclass(frozen=True, slots=True)
class Settings:
    """What kwalletrc says; every default is KDE's. Lists are appids by wallet name."""

    enabled: bool = True
    default_wallet: str = field(default="kdewallet", repr=False)
    local_wallet: str = field(default="kdewallet", repr=False)
    leave_open: bool = True
    close_when_idle: bool = False
    idle_timeout_minutes: int = 10
    prompt_on_open: bool = False
    lock_on_close: bool | None = None
    """``[kwallet-bridge] Lock On Close``, ours: whether closing a wallet locks its collection.

    None: only one that holds nothing but KWallet's.
    """
    deny_without_dialog: bool = True
    """``[kwallet-bridge] Deny Without Dialog``, ours: what nobody can be asked about is denied."""
    provider_wait: float = 120.0
    """``[kwallet-bridge] Provider Wait``, ours: seconds that opens wait for a provider that is away."""
    use_plasma_prompter: bool = True
    """``[kwallet-bridge] Use Plasma Prompter``, ours: Plasma's own window may ask for a password."""
    auto_allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    auto_deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    api_enabled: bool = True
    """``[Wallet] apiEnabled``: false means the names are owned and nothing is served."""
    aliases: Mapping[str, str] = field(default_factory=dict, repr=False)
    """``[org.freedesktop.secrets.aliases]``: wallet names by alias."""
    secrets_api_enabled: bool = True
    """KDE's daemon would serve the Secret Service too; for ``doctor``."""
    ksecretd_enabled: bool = True
    """KDE's newest kwalletd6 would talk to ksecretd; for ``doctor``."""
    migrated_wallets: tuple[str, ...] = field(default=(), repr=False)
    """Wallets KDE's own migration marked as done: its word, see ``migrate/elsewhere.py``."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read kwalletrc from all configuration directories; never fails."""
    config = KConfig.load(RC_NAME, environ)
    default_wallet = config.read_text(WALLET, "Default Wallet") or "kdewallet"
    local_wallet = default_wallet
    if not config.read_bool(WALLET, "Use One Wallet", default=True):
        local_wallet = config.read_text(WALLET, "Local Wallet") or "localwallet"
    return Settings(
        enabled=config.read_bool(WALLET, "Enabled", default=True),
        default_wallet=default_wallet,
        local_wallet=local_wallet,
        leave_open=config.read_bool(WALLET, "Leave Open", default=True),
        close_when_idle=config.read_bool(WALLET, "Close When Idle", default=False),
        idle_timeout_minutes=config.read_int(WALLET, "Idle Timeout", 10),
        prompt_on_open=config.read_bool(WALLET, "Prompt on Open", default=False),
        lock_on_close=_read_choice(config, "Lock On Close"),
        deny_without_dialog=config.read_bool(OWN, "Deny Without Dialog", default=True),
        provider_wait=max(0, config.read_int(OWN, "Provider Wait", 120)),
        use_plasma_prompter=config.read_bool(OWN, "Use Plasma Prompter", default=True),
        auto_allow=_read_lists(config, AUTO_ALLOW),
        auto_deny=_read_lists(config, AUTO_DENY),
        api_enabled=config.read_bool(WALLET, "apiEnabled", default=True),
        aliases={key: config.read_text(ALIASES, key) for key in config.list_keys(ALIASES)},
        secrets_api_enabled=config.read_bool(SECRETS, "apiEnabled", default=True),
        ksecretd_enabled=config.read_bool(KSECRETD, "Enabled", default=True),
        migrated_wallets=config.read_list(MIGRATION, "WalletsMigratedToSecretService"),
    )


def _read_choice(config: KConfig, key: str) -> bool | None:
    """Read a setting of ours that is true, false, or not made."""
    return config.read_bool(OWN, key, default=False) if config.read_text(OWN, key) else None


def _read_lists(config: KConfig, group: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    return {wallet: config.read_list(group, wallet) for wallet in config.list_keys(group)}
