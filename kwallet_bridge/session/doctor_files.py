# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of ``doctor`` that look at files only."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge.config import RC_NAME, read_settings
from kwallet_bridge.errors import FileUnreadableError, JournalError, SessionError, StateError
from kwallet_bridge.kconfig import config_home
from kwallet_bridge.migrate.wallets import find_wallets
from kwallet_bridge.session.census import OUR_WORDS
from kwallet_bridge.session.files import Places, plan_files
from kwallet_bridge.session.findings import Finding, Status
from kwallet_bridge.session.manifest import is_in_place, load_manifest, manifest_path
from kwallet_bridge.statefile import load, state_path
from kwallet_bridge.store.note import count_undecided
from kwallet_bridge.wire.generations import BUS_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kwallet_bridge.migrate.pending import ServedStore

FLATPAK_ROOT: Final = Path("/var/lib/flatpak")
SECRET_PORTAL: Final = "org.freedesktop.impl.portal.Secret"  # noqa: S105  an interface's name


def data_home(environ: Mapping[str, str]) -> Path:
    """Give the user's data directory."""
    return Path(environ.get("XDG_DATA_HOME") or Path(environ["HOME"]) / ".local/share")


def data_dirs(environ: Mapping[str, str]) -> list[Path]:
    """Give the system's data directories, the winning one first."""
    dirs = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [Path(each) for each in dirs.split(":") if each.startswith("/")]


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation file: ``Name=`` counts, not the file's name."""

    path: Path
    name: str
    command: str

    @property
    def is_ours(self) -> bool:
        """Whether it starts kwallet-bridge."""
        return any(word in self.command for word in OUR_WORDS)


def list_activations(environ: Mapping[str, str]) -> list[Activation]:
    """List activation files in the bus's order of search: the first of a name wins."""
    places = [Path(environ["XDG_RUNTIME_DIR"])] if environ.get("XDG_RUNTIME_DIR") else []
    places += [data_home(environ), *data_dirs(environ)]
    found = []
    for place in dict.fromkeys(places):
        for path in sorted((place / "dbus-1/services").glob("*.service")):
            section = _read_section(path, "D-BUS Service")
            if section.get("name"):
                found.append(Activation(path, section["name"], section.get("exec", "")))
    return found


def find_starter(environ: Mapping[str, str]) -> str:
    """Give the command that has us answer: only what is installed can be started."""
    winners = [each for each in list_activations(environ) if each.name == BUS_NAMES[0]]
    action = "start" if winners and winners[0].is_ours else "install"
    return f"kwallet-bridge session {action}"


def check_activation(environ: Mapping[str, str]) -> Finding:
    """See which files answer for our names, and which they shadow."""
    everything = list_activations(environ)
    seen, foreign = [], 0
    for name in BUS_NAMES:
        files = [each for each in everything if each.name == name]
        if not files:
            foreign += 1
            seen.append(f"{name}: no activation file")
            continue
        winner, *shadowed = files
        foreign += not winner.is_ours
        hides = "".join(f", shadows {each.path}" for each in shadowed)
        seen.append(f"{name}: {winner.path} starts {winner.command.split(' ')[0]}{hides}")
    if not foreign:
        return Finding("activation files", Status.OK, tuple(seen))
    status = Status.PROBLEM if foreign < len(BUS_NAMES) else Status.WARNING
    return Finding("activation files", status, tuple(seen), "kwallet-bridge session install")


def check_installation(environ: Mapping[str, str]) -> Finding:
    """See whether the files of a user's installation are as they were written."""
    try:
        manifest = load_manifest(manifest_path(environ))
    except SessionError as error:
        return Finding(
            "installation", Status.PROBLEM, (str(error),), "kwallet-bridge session install"
        )
    if manifest is None:
        return Finding("installation", Status.NOTE, ("not installed for this user alone",))
    if not manifest.done:
        seen = ("an installation was cut off",)
        return Finding("installation", Status.PROBLEM, seen, "kwallet-bridge session install")
    planned = plan_files(Places.of_user(environ), [manifest.program])
    changed = [f"changed or gone: {file.path}" for file in planned if not is_in_place(file)]
    if not Path(manifest.program).is_file():
        changed.append(f"gone: {manifest.program}")
    if changed:
        again = "kwallet-bridge session install"
        return Finding("installation", Status.PROBLEM, tuple(changed), again)
    return Finding("installation", Status.OK, (f"{len(planned)} files in place",))


def check_kwalletrc(environ: Mapping[str, str]) -> Finding:
    """See which settings keep programs from their wallets."""
    settings = read_settings(environ)
    path = config_home(environ) / RC_NAME
    switch = "kwriteconfig5 --file kwalletrc --group Wallet --type bool"
    seen = [
        f"{path}: {'there' if path.is_file() else 'absent'}",
        f"Enabled={_word(settings.enabled)} Leave Open={_word(settings.leave_open)}",
        f"Close When Idle={_word(settings.close_when_idle)}",
        f"Idle Timeout={settings.idle_timeout_minutes}",
        f"Prompt on Open={_word(settings.prompt_on_open)}",
        f"wallets with Auto Allow: {len(settings.auto_allow)}, Auto Deny: {len(settings.auto_deny)}",
    ]
    if not settings.enabled:
        seen.append("the wallet system is switched off: every program gets no")
        return Finding("kwalletrc", Status.WARNING, tuple(seen), f"{switch} --key Enabled true")
    if not settings.api_enabled:
        seen.append("apiEnabled is false: the names are owned and nothing is served")
        return Finding("kwalletrc", Status.WARNING, tuple(seen), f"{switch} --key apiEnabled true")
    if settings.prompt_on_open and find_spec("PyQt6") is None:
        outcome = "denied" if settings.deny_without_dialog else "allowed"
        seen.append(f"Prompt on Open is set and PyQt6 is missing: opens are {outcome} unasked")
        fix = "pipx inject kwallet-bridge PyQt6"
        return Finding("kwalletrc", Status.WARNING, tuple(seen), fix)
    if settings.close_when_idle and settings.idle_timeout_minutes < 1:
        seen.append("wallets close the moment they are opened")
        fix = "kwriteconfig5 --file kwalletrc --group Wallet --key 'Idle Timeout' 10"
        return Finding("kwalletrc", Status.WARNING, tuple(seen), fix)
    return Finding("kwalletrc", Status.OK, tuple(seen))


def _word(value: object) -> str:
    """Spell a truth value as kwalletrc does."""
    return "true" if value else "false"


def check_wallet_files(environ: Mapping[str, str], store: ServedStore) -> Finding:
    """Count wallet files, and those not moved into ``store``. Their names are private."""
    try:
        wallets = find_wallets(environ, store)
    except (JournalError, FileUnreadableError) as error:
        return Finding(
            "wallet files", Status.PROBLEM, (str(error),), "kwallet-bridge migrate --list"
        )
    seen = []
    for folder in dict.fromkeys(Path(one.file).parent for one in wallets):
        found = [one for one in wallets if Path(one.file).parent == folder]
        saltless = sum(not Path(one.file).with_suffix(".salt").exists() for one in found)
        extra = len(list(folder.glob("*_attributes.json")))
        seen.append(
            f"{folder}: {len(found)} wallet files, "
            f"{sum(one.to_move for one in found)} not moved or changed since, "
            f"{saltless} without salt (old or damaged), "
            f"{extra} with Secret Service attributes beside them"
        )
    if store.keeps_wallet_files and wallets:
        seen.append(
            f"{store.provider}, which serves, keeps its own entries in today's wallet files"
        )
    if not any(one.to_move for one in wallets):
        return Finding("wallet files", Status.OK, tuple(seen) or ("none",))
    return Finding("wallet files", Status.NOTE, tuple(seen), "kwallet-bridge migrate --dry-run")


def check_flatpaks(environ: Mapping[str, str], *, system: Path = FLATPAK_ROOT) -> Finding:
    """See which Flatpaks may talk to some KWallet name and lack another."""
    lacking, allowed = [], 0
    for app, permissions in sorted(_flatpak_policies(environ, system).items()):
        talks = {name for name in BUS_NAMES if permissions.get(name) in {"talk", "own"}}
        allowed += bool(talks)
        missing = [name for name in BUS_NAMES if name not in talks]
        if talks and missing:
            lacking.append((app, missing))
    seen = [f"{allowed} Flatpaks may talk to KWallet"]
    seen += [f"{app} may not talk to {', '.join(names)}" for app, names in lacking]
    if not lacking:
        return Finding("Flatpaks", Status.OK, tuple(seen))
    app, names = lacking[0]
    options = " ".join(f"--talk-name={name}" for name in names)
    return Finding("Flatpaks", Status.NOTE, tuple(seen), f"flatpak override --user {options} {app}")


def _flatpak_policies(environ: Mapping[str, str], system: Path) -> dict[str, dict[str, str]]:
    policies: dict[str, dict[str, str]] = {}
    user = data_home(environ) / "flatpak"
    for root in (system, user):
        for path in root.glob("app/*/current/active/metadata"):
            app = path.relative_to(root).parts[1]
            policies[app] = _read_section(path, "Session Bus Policy")
    for root in (system, user):
        for app, policy in policies.items():
            policy.update(_read_section(root / "overrides" / app, "Session Bus Policy"))
    return policies


def check_portal(environ: Mapping[str, str], *, kde_answers: bool) -> Finding:
    """See who implements the Secret portal for sandboxed programs."""
    for path in _portal_files(environ):
        section = _read_section(path, "preferred")
        choice = section.get(SECRET_PORTAL.lower()) or section.get("default")
        if choice is None:
            continue
        seen = [f"{path}: Secret={choice}"]
        if choice.split(";")[0] in {"kwallet", "kde"} and not kde_answers:
            seen.append("KDE's implementation waits for kwalletd, which does not run")
            fix = f"{SECRET_PORTAL}=gnome-keyring below [preferred] in {_portal_override(environ)}"
            return Finding("Secret portal", Status.WARNING, tuple(seen), f"write {fix}")
        return Finding("Secret portal", Status.OK, tuple(seen))
    return Finding("Secret portal", Status.NOTE, ("no portals.conf names one",))


def _portal_override(environ: Mapping[str, str]) -> Path:
    return config_home(environ) / "xdg-desktop-portal/portals.conf"


def _portal_files(environ: Mapping[str, str]) -> Iterator[Path]:
    desktops = [each.lower() for each in environ.get("XDG_CURRENT_DESKTOP", "").split(":") if each]
    config = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    roots = [config_home(environ), *map(Path, config), data_home(environ), *data_dirs(environ)]
    for root in roots:
        for name in (*(f"{desktop}-portals.conf" for desktop in desktops), "portals.conf"):
            path = root / "xdg-desktop-portal" / name
            if path.is_file():
                yield path


def check_session(environ: Mapping[str, str]) -> Finding:
    """Show what kind of session this is, and what PAM did."""
    names = ("XDG_CURRENT_DESKTOP", "KDE_SESSION_VERSION", "XDG_SESSION_TYPE")
    seen = [" ".join(f"{name}={environ.get(name, '')}" for name in names)]
    if environ.get("PAM_KWALLET5_LOGIN"):
        seen.append(
            "PAM unlocks KDE's own wallet at login: ksecretd since KDE Frameworks 6.14, "
            "before that kwalletd itself, which then owns the names first"
        )
    return Finding("session", Status.NOTE, tuple(seen))


def _read_section(path: Path, section: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    try:
        parser.read_string(path.read_text("utf-8", "replace"))
        return dict(parser[section])
    except (OSError, configparser.Error, KeyError):
        return {}


def check_keyrings(environ: Mapping[str, str]) -> Finding:
    """See whether another keyring is in a wallet's place, and nobody has decided."""
    try:
        undecided = count_undecided(load(state_path(environ)))
    except StateError:
        return Finding("keyrings", Status.NOTE, ("the state file cannot be used",))
    if not undecided:
        return Finding("keyrings", Status.OK, ("each wallet is in the keyring it was in",))
    seen = (
        f"wallets in whose place another keyring is, which lacks what was there: {undecided}",
        "bring the former one back, take along what it held, or: kwallet-bridge store accept",
    )
    return Finding("keyrings", Status.PROBLEM, seen, "kwallet-bridge store copy")


def file_checks(environ: Mapping[str, str], store: ServedStore) -> Sequence[Finding]:
    """Make every check that needs no bus; ``store`` is the one that serves."""
    return [
        check_session(environ),
        check_installation(environ),
        check_activation(environ),
        check_kwalletrc(environ),
        check_wallet_files(environ, store),
        check_keyrings(environ),
        check_flatpaks(environ),
    ]
