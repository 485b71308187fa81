# SPDX-License-Identifier: GPL-3.0-or-later
"""KDE's kreadconfig5 and kwriteconfig5 are the oracles."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paths import ROOT

from kwallet_bridge import kwalletrc
from kwallet_bridge.config import read_settings
from kwallet_bridge.errors import SettingsError
from kwallet_bridge.kconfigtext import join_list
from kwallet_bridge.kwalletrc import AccessList, forget_wallet, remember, set_entry

SAMPLE = b"""# mine, by hand
[Wallet]
Enabled=\x74rue\t

[Auto Allow]
kdewallet=chrome,KDE System
; odd
other = x
[Auto Deny][sub]
kdewallet=not this
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give an environment whose kwalletrc is in tmp_path/user."""
    (tmp_path / "user").mkdir()
    (tmp_path / "system").mkdir()
    return {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "XDG_CONFIG_HOME": str(tmp_path / "user"),
        "XDG_CONFIG_DIRS": str(tmp_path / "system"),
    }


@pytest.fixture
def rc(environ: dict[str, str]) -> Path:
    """Give the user's kwalletrc, filled with a sample."""
    path = Path(environ["XDG_CONFIG_HOME"]) / "kwalletrc"
    path.write_bytes(SAMPLE)
    return path


def kde_value(environ: dict[str, str], group: str, key: str) -> str:
    """Read a value with kreadconfig5."""
    command = ["kreadconfig5", "--file", "kwalletrc", "--group", group, "--key", key]
    return subprocess.run(command, env=environ, capture_output=True, check=True).stdout.decode()[
        :-1
    ]


def test_an_appended_appid_leaves_every_other_byte(environ: dict[str, str], rc: Path) -> None:
    """Allowing an application changes one line."""
    assert remember(environ, AccessList.ALLOW, wallet="kdewallet", appid="vlc,2")
    assert rc.read_bytes() == SAMPLE.replace(b"KDE System", b"KDE System,vlc\\\\,2")
    assert kde_value(environ, "Auto Allow", "kdewallet") == "chrome,KDE System,vlc\\,2"
    assert read_settings(environ).auto_allow["kdewallet"] == ("chrome", "KDE System", "vlc,2")


def test_a_missing_group_is_appended(environ: dict[str, str], rc: Path) -> None:
    """Denying an application adds the group at the end, beside a subgroup of that name."""
    assert remember(environ, AccessList.DENY, wallet="kdewallet", appid="")
    assert rc.read_bytes() == SAMPLE + b"\n[Auto Deny]\nkdewallet=KDE System\n"
    assert kde_value(environ, "Auto Deny", "kdewallet") == "KDE System"


def test_forgetting_undoes_remembering(environ: dict[str, str], rc: Path) -> None:
    """Taking an appid off its list again restores the line."""
    remember(environ, AccessList.ALLOW, wallet="other", appid="y")
    assert remember(environ, AccessList.ALLOW, wallet="other", appid="y", listed=False)
    assert rc.read_bytes() == SAMPLE.replace(b"other = x", b"other=x")


def test_a_second_time_changes_nothing(environ: dict[str, str], rc: Path) -> None:
    """An application already listed leaves the file untouched."""
    before = rc.stat().st_mtime_ns
    assert not remember(environ, AccessList.ALLOW, wallet="kdewallet", appid="")
    assert rc.stat().st_mtime_ns == before


def test_a_new_file_is_private(environ: dict[str, str], rc: Path) -> None:
    """A kwalletrc we create is readable by its owner only, and no lock or scratch file stays."""
    rc.unlink()
    remember(environ, AccessList.ALLOW, wallet="w", appid="a")
    assert stat.S_IMODE(rc.stat().st_mode) == 0o600
    assert [each.name for each in rc.parent.iterdir()] == ["kwalletrc"]


def test_mode_and_symlink_stay(environ: dict[str, str], rc: Path, tmp_path: Path) -> None:
    """A kwalletrc that is a link stays one, and its target keeps its mode."""
    target = tmp_path / "dotfiles"
    rc.rename(target)
    target.chmod(0o640)
    rc.symlink_to(target)
    remember(environ, AccessList.ALLOW, wallet="w", appid="a")
    assert rc.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert b"w=a" in target.read_bytes()


@pytest.mark.parametrize("mark", ["[$i]\n", "[Auto Allow][$i]\nx=y\n", "[Auto Allow]\nw[$i]=x\n"])
def test_an_immutable_list_is_refused(environ: dict[str, str], tmp_path: Path, mark: str) -> None:
    """Where the administrator froze the list nothing is written, and the caller is told."""
    (tmp_path / "system" / "kwalletrc").write_text(mark)
    with pytest.raises(SettingsError):
        remember(environ, AccessList.ALLOW, wallet="w", appid="a")
    assert not (tmp_path / "user" / "kwalletrc").exists()


def test_a_lock_left_by_a_dead_program_is_broken(environ: dict[str, str], rc: Path) -> None:
    """A lock file whose owner is gone does not stop us."""
    lock = rc.with_name("kwalletrc.lock")
    lock.write_text(f"999999999\nkwalletd5\n{socket.gethostname()}\n")
    assert remember(environ, AccessList.ALLOW, wallet="w", appid="a")
    assert not lock.exists()


def test_one_dead_lock_is_broken_by_one_alone(
    environ: dict[str, str], rc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that find a lock's owner dead the slower does not break the quicker one's new lock."""
    lock = rc.with_name("kwalletrc.lock")
    lock.write_text(f"999999999\nkwalletd5\n{socket.gethostname()}\n")
    flock = fcntl.flock
    others: list[int] = []

    def be_overtaken(descriptor: int, operation: int) -> None:
        if not others:
            others.append(1)
            # Between our look and our lock another breaks the dead one, and holds its own.
            lock.unlink()
            others[0] = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(others[0], f"{os.getpid()}\npytest\n{socket.gethostname()}\n".encode())
            flock(others[0], fcntl.LOCK_EX)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", be_overtaken)
    monkeypatch.setattr(kwalletrc, "LOCK_PATIENCE", 0.1)
    with pytest.raises(SettingsError, match="locked"):
        remember(environ, AccessList.ALLOW, wallet="w", appid="a")
    assert rc.read_bytes() == SAMPLE
    assert os.path.samestat(os.fstat(others[0]), lock.stat())
    os.close(others[0])


def test_many_writers_lose_nothing_over_a_dead_lock(environ: dict[str, str], rc: Path) -> None:
    """Many processes that meet a dead lock at once keep every decision."""
    rc.with_name("kwalletrc.lock").write_text(f"999999999\nx\n{socket.gethostname()}\n")
    code = (
        "import os, sys; from kwallet_bridge.kwalletrc import *\n"
        "remember(os.environ, AccessList.ALLOW, wallet='many', appid=sys.argv[1])"
    )
    names = [f"app{number}" for number in range(12)]
    running = [
        subprocess.Popen([sys.executable, "-c", code, name], env=environ, cwd=ROOT)
        for name in names
    ]
    assert [process.wait(60) for process in running] == [0] * len(names)
    assert sorted(read_settings(environ).auto_allow["many"]) == sorted(names)


def test_a_held_lock_is_respected(
    environ: dict[str, str], rc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program holds the lock the file is not touched."""
    monkeypatch.setattr("kwallet_bridge.kwalletrc.LOCK_PATIENCE", 0.0)
    lock = rc.with_name("kwalletrc.lock")
    lock.write_text(f"{os.getpid()}\npytest\n{socket.gethostname()}\n")
    with pytest.raises(SettingsError):
        remember(environ, AccessList.ALLOW, wallet="w", appid="a")
    assert rc.read_bytes() == SAMPLE
    assert lock.exists()


def test_a_directory_that_cannot_be_made_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    """Where the configuration directory cannot be made the caller gets a SettingsError."""
    (tmp_path / "user").rmdir()
    (tmp_path / "user").write_text("a file")
    with pytest.raises(SettingsError):
        remember(environ, AccessList.ALLOW, wallet="w", appid="a")


FROZEN = ["[$i]\n", "[Auto Allow][$i]\nx=y\n[Auto Deny][$i]\nx=y\n",
          "[Auto Allow]\nkdewallet[$i]=x\n[Auto Deny]\nkdewallet[$i]=x\n"]  # fmt: skip


def test_a_deleted_wallet_leaves_both_lists(environ: dict[str, str], rc: Path) -> None:
    """Each line of the wallet goes from both lists, what a language says of it stays, as in KDE."""
    rc.write_bytes(
        SAMPLE + b"[Auto Deny]\nkdewallet=a\nkdewallet[de]=b\n[Auto Allow]\nkdewallet[$e] = z\n"
    )
    assert forget_wallet(environ, "kdewallet")
    assert rc.read_bytes() == (
        SAMPLE.replace(b"kdewallet=chrome,KDE System\n", b"")
        + b"[Auto Deny]\nkdewallet[de]=b\n[Auto Allow]\n"
    )
    assert kde_value(environ, "Auto Allow", "kdewallet") == ""
    assert kde_value(environ, "Auto Allow", "other") == "x"
    assert not forget_wallet(environ, "kdewallet")


def test_what_the_system_lists_is_hidden(environ: dict[str, str], rc: Path, tmp_path: Path) -> None:
    """A list of the administrator's, not frozen, is marked deleted, as KDE does."""
    (tmp_path / "system/kwalletrc").write_text("[Auto Allow]\nkdewallet=sys\n")
    assert forget_wallet(environ, "kdewallet")
    assert rc.read_bytes() == SAMPLE.replace(b"kdewallet=chrome,KDE System\n", b"").replace(
        b"other = x\n", b"other = x\nkdewallet[$d]\n"
    )
    assert kde_value(environ, "Auto Allow", "kdewallet") == ""
    assert not read_settings(environ).auto_allow["kdewallet"]
    assert not forget_wallet(environ, "kdewallet")


@pytest.mark.parametrize("mark", FROZEN)
def test_frozen_lists_of_a_deleted_wallet_stay(
    environ: dict[str, str], rc: Path, tmp_path: Path, mark: str
) -> None:
    """Where the administrator froze the lists the file is not touched."""
    (tmp_path / "system/kwalletrc").write_text(mark)
    assert not forget_wallet(environ, "kdewallet")
    assert rc.read_bytes() == SAMPLE


def test_without_a_file_nothing_is_made(environ: dict[str, str], tmp_path: Path) -> None:
    """Deleting a wallet nobody was asked about creates no kwalletrc."""
    assert not forget_wallet(environ, "kdewallet")
    assert not (tmp_path / "user" / "kwalletrc").exists()


def test_line_ends_are_kept() -> None:
    """A file with CRLF line ends gets its new line with CRLF."""
    data = set_entry(b"[Auto Allow]\r\nw=a\r\n", ("Auto Allow",), "w", "a,b")
    assert data == b"[Auto Allow]\r\nw=a,b\r\n"


def test_a_last_line_without_end_gets_one() -> None:
    """An entry added after an unterminated last line is on a line of its own."""
    assert set_entry(b"[G]\na=1", ("G",), "b", "2") == b"[G]\na=1\nb=2\n"


def test_the_entry_that_counts_is_replaced() -> None:
    """Of two lines for one key the last is replaced, since it is the one KConfig reads."""
    assert set_entry(b"[G]\na=1\n[H]\n[G]\na=2\n", ("G",), "a", "3") == b"[G]\na=1\n[H]\n[G]\na=3\n"


@pytest.mark.parametrize("wallet", ["#x", "#", "# a=[b]", "x#"])
def test_a_wallet_called_like_a_comment_is_remembered(
    environ: dict[str, str], rc: Path, wallet: str
) -> None:
    """KDE and we read back what is allowed for a wallet whose name begins with a hash."""
    for appid in ("one", "two"):
        assert remember(environ, AccessList.ALLOW, wallet=wallet, appid=appid)
    assert kde_value(environ, "Auto Allow", wallet) == "one,two"
    assert read_settings(environ).auto_allow[wallet] == ("one", "two")
    assert forget_wallet(environ, wallet)
    assert rc.read_bytes() == SAMPLE


NAME = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=9
).filter(lambda name: not name.startswith(("-", "#")))


@settings(max_examples=40, deadline=None)
@given(wallet=NAME, apps=st.lists(NAME, min_size=1, max_size=3))
def test_our_line_is_kde_line(
    wallet: str, apps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Into an empty file we write the bytes kwriteconfig5 writes."""
    scratch = tmp_path_factory.mktemp("kde")
    environ = {"HOME": str(scratch), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    environ["XDG_CONFIG_HOME"] = str(scratch)
    value = join_list(apps)
    command = ["kwriteconfig5", "--file", "kwalletrc", "--group", "Auto Allow", "--key", wallet]
    subprocess.run([*command, "--", value], env=environ, check=True)
    written = (scratch / "kwalletrc").read_bytes()
    assert set_entry(b"", ("Auto Allow",), wallet, value) == written
