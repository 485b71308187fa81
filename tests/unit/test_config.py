# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.config import Settings, read_settings

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, text: str) -> Settings:
    """Read settings from a user's kwalletrc."""
    (tmp_path / "kwalletrc").write_text(text)
    return read_settings({"XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": "/nowhere"})


def test_without_a_file_everything_is_kde_default() -> None:
    """A missing kwalletrc gives KDE's defaults."""
    assert read_settings({"XDG_CONFIG_HOME": "/nowhere", "XDG_CONFIG_DIRS": ""}) == Settings()


def test_each_key_reaches_its_field(tmp_path: Path) -> None:
    """Every key of kwalletrc changes the field of its name and no other."""
    settings = read(
        tmp_path,
        "[Wallet]\nEnabled=false\nDefault Wallet=mine\nUse One Wallet=false\nLocal Wallet=here\n"
        "Leave Open=false\nClose When Idle=true\nIdle Timeout=3\nPrompt on Open=true\n"
        "apiEnabled=false\n[Auto Allow]\nmine=a\\,b,c\n[Auto Deny]\nmine=KDE System\n"
        "[org.freedesktop.secrets]\napiEnabled=no\n[org.freedesktop.secrets.aliases]\nwork=w\n"
        "[KSecretD]\nEnabled=0\n[Migration]\nWalletsMigratedToSecretService=x,y\n",
    )
    assert settings == Settings(
        enabled=False,
        default_wallet="mine",
        local_wallet="here",
        leave_open=False,
        close_when_idle=True,
        idle_timeout_minutes=3,
        prompt_on_open=True,
        auto_allow={"mine": ("a,b", "c")},
        auto_deny={"mine": ("KDE System",)},
        api_enabled=False,
        aliases={"work": "w"},
        secrets_api_enabled=False,
        ksecretd_enabled=False,
        migrated_wallets=("x", "y"),
    )


def test_with_one_wallet_the_local_wallet_is_the_default_one(tmp_path: Path) -> None:
    """Local Wallet is ignored unless Use One Wallet is false."""
    settings = read(tmp_path, "[Wallet]\nDefault Wallet=mine\nLocal Wallet=here\n")
    assert settings.local_wallet == "mine"


def test_empty_names_are_kde_names(tmp_path: Path) -> None:
    """Empty wallet names mean kdewallet and localwallet."""
    settings = read(tmp_path, "[Wallet]\nDefault Wallet=\nUse One Wallet=no\nLocal Wallet=\n")
    assert (settings.default_wallet, settings.local_wallet) == ("kdewallet", "localwallet")


def test_names_stay_out_of_the_repr(tmp_path: Path) -> None:
    """The repr of settings holds no wallet name and no appid."""
    text = repr(read(tmp_path, "[Wallet]\nDefault Wallet=canary\n[Auto Allow]\ncanary=canary\n"))
    assert "canary" not in text
