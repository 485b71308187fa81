# SPDX-License-Identifier: GPL-3.0-or-later
"""KDE's own kreadconfig5 is the oracle: what it reads, we read."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kwallet_bridge.kconfig import KConfig
from kwallet_bridge.kconfigtext import escape_key, escape_value, join_list, split_list

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["a", "b", "Default Wallet", "k=x", "ü"]
GROUPS = [("Wallet",), ("Auto Allow",), ("A", "B"), ("<default>",)]


def environ_in(scratch: Path) -> dict[str, str]:
    """Give a bare environment with two system directories and the user's."""
    for name in ("low", "high", "user"):
        (scratch / name).mkdir(exist_ok=True)
    return {
        "HOME": str(scratch),
        "PATH": os.environ["PATH"],
        "LANG": "de_AT.UTF-8",
        "LC_ALL": "C.UTF-8",
        "XDG_CONFIG_HOME": str(scratch / "user"),
        "XDG_CONFIG_DIRS": f"{scratch / 'high'}:{scratch / 'low'}:relative",
        "QT_LOGGING_RULES": "*=false",
    }


def ask_kde(environ: dict[str, str], group: tuple[str, ...], key: str, *options: str) -> str:
    """Read one entry with kreadconfig5; a bool or int is its exit code."""
    groups = [word for name in group for word in ("--group", name)]
    command = ["kreadconfig5", "--file", "rc", *groups, "--key", key, *options]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    return done.stdout.decode()[:-1] if done.stdout else str(done.returncode)


def write_files(scratch: Path, **files: bytes) -> None:
    """Write the cascade; a missing one is removed."""
    for name in ("low", "high", "user"):
        (scratch / name / "rc").write_bytes(files.get(name, b""))


LINES = st.sampled_from(
    [
        b"[Wallet]", b"[Auto Allow]", b"[A][B]", b"[Wallet][$i]", b"[$i]", b"[A][B][$i]", b"[Wal",
        b"[][Wallet]", b"[Wallet]junk", b"[\\x57allet]", b"a=1", b"a=2", b" a = 3 \r", b"a[$i]=4",
        b"a[$d]", b"b=x\\sy\\tz\\\\", b"b=\\x41\\xzz\\q\\", b"b=\\x4", b"b[$e]=$HOME/${HOME}$$ $n-$",
        b"b[$ei]=$HOME", b"b[de]=german", b"b[C]=c", b"b[de][$i]=frozen", b"b[de", b"=x", b"junk",
        b"# a=5", b"", b"Default Wallet=kdewallet", b"Default Wallet[$i]=\\s w \\s", b"k\\x3dx=eq",
        b"\xc3\xbc=\xc3\xa4", b"a=1\\,2,3\\\\,4", b"b=", b"a[$di]", b"a[$id]", b"a\rb=7", b"a=#8",
        b"b[]=x", b"a [$i]=9", b"b=\\;x",
    ]
)  # fmt: skip
FILES = st.lists(LINES, max_size=9).map(b"\n".join)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(low=FILES, high=FILES, user=FILES)
@example(low=b"[Wallet]\na=1", high=b"[Wallet][$i]\nb=2", user=b"[Wallet]\na=3\nb=4")
@example(low=b"[$i]\n[Wallet]\na=1", high=b"[Wallet]\na=2", user=b"[Wallet]\na=3")
@example(low=b"[Wallet]\na=1", high=b"[Wallet]\na[$d]", user=b"")
@example(low=b"", high=b"[Wallet]\na=1\na[$d]\na=1", user=b"")
@example(low=b"[Wallet][$i]\nb=1", high=b"[Wallet]\na=2\nb=2", user=b"[Wallet]\na=3")
def test_every_entry_reads_as_kde_reads_it(
    tmp_path: Path, low: bytes, high: bytes, user: bytes
) -> None:
    """Whatever three cascading files contain, each entry has the value kreadconfig5 prints."""
    environ = environ_in(tmp_path)
    write_files(tmp_path, low=low, high=high, user=user)
    ours = KConfig.load("rc", environ)
    wanted = {(g, k) for g in GROUPS for k in NAMES if k in ours.list_keys(_group(g)) or k == "a"}
    for group, key in wanted:
        expected = ask_kde(environ, group, key, "--default", "none")
        assert ours.read_text(_group(group), key, "none") == expected


def _group(group: tuple[str, ...]) -> tuple[str, ...]:
    return () if group == ("<default>",) else group


@pytest.mark.parametrize(
    "word", ["true", "on", "yes", "1", "0", "No", "OFF", "false", "False ", "junk", "", "2", "\\s0"]
)
def test_truth_is_kde_truth(tmp_path: Path, word: str) -> None:
    """Any word but false, no, off and 0 is true, as in KConfig."""
    environ = environ_in(tmp_path)
    write_files(tmp_path, user=f"[Wallet]\na={word}\n".encode())
    expected = ask_kde(environ, ("Wallet",), "a", "--type", "bool", "--default", "false") == "0"
    assert KConfig.load("rc", environ).read_bool(("Wallet",), "a", default=False) is expected


@pytest.mark.parametrize(
    "word", ["5", "+5", " 7 ", "0x10", "7.5", "7 x", "", "\\s3", "4294967299", "9" * 30, "1_0", "٣"]
)
def test_numbers_are_kde_numbers(tmp_path: Path, word: str) -> None:
    """A number reads as KConfig reads it, wrapped to 32 bits; junk is the default."""
    environ = environ_in(tmp_path)
    write_files(tmp_path, user=f"[Wallet]\na={word}\n".encode())
    expected = ask_kde(environ, ("Wallet",), "a", "--type", "int", "--default", "99")
    assert str(KConfig.load("rc", environ).read_int(("Wallet",), "a", 99)) == expected


NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(NAME, max_size=4))
def test_lists_survive(items: list[str]) -> None:
    """What is joined splits into the same items."""
    assert split_list(join_list(items)) == tuple(items)


@given(NAME.filter(bool), NAME)
def test_escapes_survive(key: str, value: str) -> None:
    """An escaped key and value read back unchanged, whatever the letters."""
    config = KConfig({})
    config.merge(b"[G]\n" + escape_key(key) + b"=" + escape_value(value) + b"\n")
    # KConfig unescapes keys twice and takes "#" for a comment: its own writer loses these too.
    if "\\" not in key and not key.startswith("#"):
        assert config.read_bytes(("G",), key) == value.encode()


def test_unreadable_files_count_as_absent(tmp_path: Path) -> None:
    """A directory where the file should be leaves every entry at its default."""
    environ = environ_in(tmp_path)
    (tmp_path / "user" / "rc").mkdir()
    assert KConfig.load("rc", environ).read_text(("Wallet",), "a", "default") == "default"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b"a\rb=7", "ab"),
        (b"k\\\\x3dx=twice", "k=x"),
        (b"a\\q=lost", "a\\"),
        (b"a\\x4=short", "ax"),
        (b"a b =inner", "a b"),
        (b"a [de]=space", "a "),
    ],
)
def test_odd_keys_are_found_where_kde_finds_them(tmp_path: Path, line: bytes, key: str) -> None:
    """A key spelled oddly is read under the name kreadconfig5 reads it under."""
    environ = environ_in(tmp_path) | {"LC_ALL": "de_DE.UTF-8"}
    write_files(tmp_path, user=b"[Wallet]\n" + line)
    expected = ask_kde(environ, ("Wallet",), key, "--default", "none")
    assert KConfig.load("rc", environ).read_text(("Wallet",), key, "none") == expected
