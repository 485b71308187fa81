# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from support.wallet_files import place_wallet

from kwallet_bridge.migrate.coverage import SourceFile
from kwallet_bridge.migrate.journal import open_journal
from kwallet_bridge.migrate.pending import ServedStore
from kwallet_bridge.model import WalletName
from kwallet_bridge.saving import replace_file
from kwallet_bridge.session import doctor_files as checks
from kwallet_bridge.session.census import KSECRETD, SECRETS, Owner
from kwallet_bridge.session.doctor import check_names
from kwallet_bridge.session.doctor_stores import check_second_stores
from kwallet_bridge.session.files import Places, plan_files
from kwallet_bridge.session.findings import Finding, Status, redact
from kwallet_bridge.session.manifest import (
    begin,
    finish,
    manifest_path,
    survey,
)
from kwallet_bridge.statefile import state_path, update
from kwallet_bridge.store.note import Note, forget_wallet, put_note
from kwallet_bridge.wire.generations import BUS_NAMES


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An empty home and an empty system."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "KDEHOME"):
        monkeypatch.delenv(name, raising=False)
    return {
        "HOME": str(tmp_path / "home"),
        "USER": "alice",
        "XDG_DATA_DIRS": str(tmp_path / "share"),
        "XDG_CONFIG_DIRS": str(tmp_path / "etc"),
    }


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def package_kwalletd(tmp_path: Path) -> None:
    """Have KDE's daemon packaged, under a file name of its own."""
    text = "[D-BUS Service]\nName=org.kde.kwalletd5\nExec=/usr/bin/kwalletd5\n"
    write(tmp_path / "share/dbus-1/services/odd.service", text)


def install(environ: dict[str, str]) -> Path:
    """Install for the user; gives the program."""
    program = Path(environ["HOME"]) / "bin/kwallet-bridge"
    write(program, "")
    planned = plan_files(Places.of_user(environ), [str(program)])
    manifest = survey(planned, program=str(program))
    begin(manifest_path(environ), manifest)
    finish(manifest_path(environ), manifest)
    return program


def test_a_shadowed_package_is_shown(environ: dict[str, str], tmp_path: Path) -> None:
    """After an installation our files win and the packaged one is named as shadowed."""
    package_kwalletd(tmp_path)
    install(environ)
    finding = checks.check_activation(environ)
    assert finding.status is Status.OK
    assert "odd.service" in "".join(finding.seen)


def test_a_packaged_kwalletd_that_wins_is_a_finding(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Without an installation the check is a finding and names the installation as remedy."""
    package_kwalletd(tmp_path)
    finding = checks.check_activation(environ)
    assert finding.status.is_finding
    assert finding.next == "kwallet-bridge session install"


def test_the_runtime_directory_wins(environ: dict[str, str], tmp_path: Path) -> None:
    """An activation file in the runtime directory beats the one in the user's data."""
    install(environ)
    environ["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    text = "[D-BUS Service]\nName=org.kde.kwalletd5\nExec=/opt/other\n"
    write(tmp_path / "run/dbus-1/services/x.service", text)
    assert checks.check_activation(environ).status is Status.PROBLEM


def test_a_changed_file_is_a_finding(environ: dict[str, str]) -> None:
    """An installed file that was edited, or a program that is gone, is named."""
    program = install(environ)
    assert checks.check_installation(environ).status is Status.OK
    unit = Places.of_user(environ).units / "kwallet-bridge.service"
    replace_file(unit, b"edited", mode=0o644)
    program.unlink()
    finding = checks.check_installation(environ)
    assert finding.status is Status.PROBLEM
    assert len(finding.seen) == 2


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", Status.OK),
        ("[Wallet]\nEnabled=false\n", Status.WARNING),
        ("[Wallet]\napiEnabled=false\n", Status.WARNING),
        ("[Wallet]\nClose When Idle=true\nIdle Timeout=0\n", Status.WARNING),
        ("[Wallet]\nClose When Idle=true\nIdle Timeout=5\n", Status.OK),
    ],
)
def test_kwalletrc_is_judged(environ: dict[str, str], text: str, status: Status) -> None:
    """Only settings that keep programs from their wallets are findings, each with a command."""
    write(Path(environ["HOME"]) / ".config/kwalletrc", text)
    finding = checks.check_kwalletrc(environ)
    assert finding.status is status
    assert bool(finding.next) is status.is_finding


def test_prompts_that_cannot_be_shown_are_told(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Prompt on Open and no PyQt6 the doctor says that opens are denied."""
    write(Path(environ["HOME"]) / ".config/kwalletrc", "[Wallet]\nPrompt on Open=true\n")
    monkeypatch.setattr(checks, "find_spec", lambda name: name)
    assert checks.check_kwalletrc(environ).status is Status.OK
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    finding = checks.check_kwalletrc(environ)
    assert finding.status is Status.WARNING
    assert "opens are denied" in finding.seen[-1]
    assert finding.next


def test_names_of_wallets_stay_private(environ: dict[str, str]) -> None:
    """Wallet files are counted, stubs too, for which programs get errors; no name is shown."""
    folder = Path(environ["HOME"]) / ".local/share/kwalletd"
    write(folder / "canary.kwl", "x" * 60)
    write(folder / "canary.salt", "x")
    write(folder / "canary2.kwl", "x" * 60)
    write(folder / "stub.kwl", "x" * 59)
    write(Path(environ["HOME"]) / ".config/kwalletrc", "[Auto Allow]\ncanary=a\n")
    finding = checks.check_wallet_files(environ, ServedStore())
    assert "3 wallet files, 3 not moved or changed since, 2 without salt" in finding.seen[0]
    shown = "".join(each.format() for each in checks.file_checks(environ, ServedStore()))
    assert "canary" not in shown


def test_moved_wallets_are_no_news(environ: dict[str, str]) -> None:
    """A wallet that was moved is counted as news only when its file changed afterwards."""
    home = Path(environ["HOME"])
    path = home / ".local/share/kwalletd/canary.kwl"
    place_wallet(home / ".local/share", {"F": {"k": "v"}}, name="canary")
    log = home / ".local/state/kwallet-bridge/migrations.jsonl"
    log.parent.mkdir(parents=True)
    with open_journal(log) as journal:
        run = journal.begin("provider", [str(path)])
        assert (
            checks.check_wallet_files(environ, ServedStore()).next
            == "kwallet-bridge migrate --dry-run"
        )
        file = SourceFile.describe(str(path), WalletName("canary"), path.read_bytes())
        journal.note_covered("provider", run, [(file, ())])
        journal.end(run, "finished")
    before = log.read_bytes()
    finding = checks.check_wallet_files(environ, ServedStore())
    assert (finding.status, finding.next) == (Status.OK, "")
    place_wallet(home / ".local/share", {"F": {"k": "v", "new": "v"}}, name="canary")
    assert checks.check_wallet_files(environ, ServedStore()).status is Status.NOTE
    assert log.read_bytes() == before


def test_files_that_a_provider_keeps_its_own_entries_in_are_no_news(
    environ: dict[str, str],
) -> None:
    """Ksecretd's collections are KDE's wallet files: nothing of them waits to be moved."""
    place_wallet(Path(environ["HOME"]) / ".local/share", {"F": {"k": "v"}}, name="canary")
    finding = checks.check_wallet_files(environ, ServedStore("secret-service", "ksecretd"))
    assert (finding.status, finding.next) == (Status.OK, "")
    assert "ksecretd, which serves, keeps its own entries" in finding.seen[-1]
    assert "canary" not in finding.format()
    finding = checks.check_wallet_files(environ, ServedStore("secret-service", "gnome-keyring"))
    assert (finding.status, finding.next) == (Status.NOTE, "kwallet-bridge migrate --dry-run")


def test_a_damaged_journal_is_a_problem(environ: dict[str, str]) -> None:
    """A journal that cannot be read is told, without its content."""
    write(Path(environ["HOME"]) / ".local/state/kwallet-bridge/migrations.jsonl", "canary\n")
    finding = checks.check_wallet_files(environ, ServedStore())
    assert finding.status is Status.PROBLEM
    assert "canary" not in finding.format()


GNOME_FILE = "GnomeKeyring\n\r\0\n\0\0"
KEYRING_FILE = "GnomeKeyring\n\r\0\n\1\0"


@pytest.mark.parametrize(
    ("place", "content", "noted_with"),
    [
        ("keyrings/login.keyring", GNOME_FILE, {"keepassxc", "ksecretd", ""}),
        ("keyrings/default.keyring", KEYRING_FILE, {"keepassxc", "ksecretd", "gnome-keyring"}),
        ("kwallet-bridge/default.keyring", KEYRING_FILE, {"keepassxc", "ksecretd", "gnome-keyring", "oo7"}),
        ("kwalletd/kdewallet_attributes.json", "{}", {"keepassxc", "gnome-keyring", "oo7", ""}),
        ("keyrings/mine.keyring", "something else", set()),
    ],
)  # fmt: skip
def test_a_second_store_is_shown(
    environ: dict[str, str], place: str, content: str, noted_with: set[str]
) -> None:
    """A store's file is reported with every provider, or none, that does not serve it."""
    write(Path(environ["HOME"]) / ".local/share" / place, content)
    kinds = {"keepassxc", "ksecretd", "gnome-keyring", "oo7", ""}
    noted = {kind for kind in kinds if check_second_stores(environ, {kind}).status is Status.NOTE}
    assert noted == noted_with


def test_what_the_bridge_kept_itself_can_be_copied(environ: dict[str, str]) -> None:
    """Entries from a time without a provider get the command that copies them to the provider."""
    write(Path(environ["HOME"]) / ".local/share/keyrings/default.keyring", KEYRING_FILE)
    finding = check_second_stores(environ, {"keepassxc"})
    assert finding.next.startswith("kwallet-bridge copy --from file:/")
    assert finding.next.endswith("/keyrings/default.keyring --dry-run")


def test_flatpaks_that_lack_a_name_are_shown(environ: dict[str, str], tmp_path: Path) -> None:
    """A Flatpak that may talk to one generation only is named with its override command."""
    root = tmp_path / "flatpak"
    for app, names in (("org.a.Old", BUS_NAMES[1:2]), ("org.b.All", BUS_NAMES), ("org.c.No", [])):
        policy = "".join(f"{name}=talk\n" for name in names)
        write(root / f"app/{app}/current/active/metadata", f"[Session Bus Policy]\n{policy}")
    finding = checks.check_flatpaks(environ, system=root)
    assert finding.seen[0] == "2 Flatpaks may talk to KWallet"
    assert finding.next == (
        "flatpak override --user --talk-name=org.kde.kwalletd6 --talk-name=org.kde.kwalletd"
        " org.a.Old"
    )
    override = "".join(f"{name}=talk\n" for name in BUS_NAMES)
    user = Path(environ["HOME"]) / ".local/share/flatpak/overrides/org.a.Old"
    write(user, f"[Session Bus Policy]\n{override}")
    assert checks.check_flatpaks(environ, system=root).status is Status.OK


def test_a_portal_that_waits_for_kwalletd_is_shown(environ: dict[str, str], tmp_path: Path) -> None:
    """The Secret portal mapped to kwallet is a finding when nothing of KDE's runs."""
    environ["XDG_CURRENT_DESKTOP"] = "KDE"
    path = tmp_path / "share/xdg-desktop-portal/kde-portals.conf"
    write(path, "[preferred]\ndefault=kde\norg.freedesktop.impl.portal.Secret=kwallet\n")
    assert checks.check_portal(environ, kde_answers=False).status is Status.WARNING
    assert checks.check_portal(environ, kde_answers=True).status is Status.OK
    own = Path(environ["HOME"]) / ".config/xdg-desktop-portal/portals.conf"
    write(own, "[preferred]\norg.freedesktop.impl.portal.Secret=gnome-keyring\n")
    assert checks.check_portal(environ, kde_answers=False).status is Status.OK


def owners_of(*programs: str) -> dict[str, Owner | None]:
    """Give owners of the three names by program; "" for nobody."""
    found: dict[str, Owner | None] = {SECRETS: None, KSECRETD: None}
    for number, (name, program) in enumerate(zip(BUS_NAMES, programs, strict=True)):
        unique = ":1.9" if "bridge" in program else f":1.{number}"
        found[name] = Owner(unique, 7, (program,), "") if program else None
    return found


@pytest.mark.parametrize(
    ("programs", "status"),
    [
        (("kwallet-bridge",) * 3, Status.OK),
        (("",) * 3, Status.WARNING),
        (("kwallet-bridge", "", "kwallet-bridge"), Status.PROBLEM),
        (("", "kwalletd5", ""), Status.PROBLEM),
    ],
)
def test_owners_are_judged(programs: tuple[str, ...], status: Status) -> None:
    """All names by one kwallet-bridge is well; anything else is a finding with a command."""
    finding = check_names(owners_of(*programs), starter="kwallet-bridge session start")
    assert finding.status is status
    assert bool(finding.next) is status.is_finding


def test_only_what_is_installed_is_said_to_be_startable(environ: dict[str, str]) -> None:
    """Where KDE's file wins, or none is there, the next command installs; else it starts."""
    path = Path(environ["HOME"]) / f".local/share/dbus-1/services/{BUS_NAMES[0]}.service"
    for program, action in ((None, "install"), ("/usr/bin/kwalletd6", "install"),
                            ("/usr/bin/kwallet-bridge daemon", "start")):  # fmt: skip
        if program:
            write(path, f"[D-BUS Service]\nName={BUS_NAMES[0]}\nExec={program}\n")
        assert checks.find_starter(environ) == f"kwallet-bridge session {action}"


def test_home_and_user_are_redacted(environ: dict[str, str]) -> None:
    """Neither the home directory nor the user's name is shown."""
    finding = Finding(
        "x", Status.OK, (f"{environ['HOME']}/a", "/run/media/alice/b"), environ["HOME"]
    )
    redacted = redact(finding, environ)
    assert redacted.seen == ("~/a", "/run/media/USER/b")
    assert redacted.next == "~"


def test_another_keyring_in_a_wallets_place_is_a_problem(environ: dict[str, str]) -> None:
    """It is told until somebody has decided, without a name."""
    assert checks.check_keyrings(environ).status is Status.OK
    wallet = WalletName("kdewallet")
    note = Note("mark", {"a": frozenset({"b"})}, undecided_since=1)
    update(state_path(environ), lambda state: put_note(state, wallet, note, is_default=True))
    finding = checks.check_keyrings(environ)
    assert (finding.status, finding.next) == (Status.PROBLEM, "kwallet-bridge store copy")
    assert wallet not in str(finding)
    update(state_path(environ), lambda state: forget_wallet(state, wallet, is_default=True))
    assert checks.check_keyrings(environ).status is Status.OK
