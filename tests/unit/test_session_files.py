# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rendered is what is committed, and quoted as each file format wants."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import ROOT

from kwallet_bridge.cli.session import find_program
from kwallet_bridge.errors import UsageError
from kwallet_bridge.session.files import UNIT, Places, plan_files
from kwallet_bridge.session.quoting import quote_activation, quote_desktop, quote_unit
from kwallet_bridge.wire.generations import BUS_NAMES

PROGRAM = ["/usr/bin/kwallet-bridge"]
COMMITTED = ROOT / "dbus-services"


def rendered() -> dict[str, str]:
    """Give what ``dbus-services`` should hold, by file name."""
    planned = plan_files(Places.of_system(Path("/usr")), PROGRAM)
    return {
        _name_in_tree(file.path): file.text
        for file in planned
        if file.link is None and file.path.suffix != ".svg" and file.mode == 0o644
    }


def _name_in_tree(path: Path) -> str:
    """Name a file as ``dbus-services`` does: a PAM profile has too plain a name of its own."""
    return f"{path.name}.pam" if path.parent.name == "pam-configs" else path.name


def test_committed_files_are_the_rendering() -> None:
    """Every file of dbus-services is what the description renders, and none is left over."""
    committed = {path.name: path.read_text("utf-8") for path in COMMITTED.iterdir()}
    assert committed == rendered()


def test_each_name_is_activated_by_the_one_unit() -> None:
    """Every bus name has an activation file of its own name that starts the same unit."""
    for name in BUS_NAMES:
        parser = configparser.ConfigParser()
        parser.read_string(rendered()[f"{name}.service"])
        section = parser["D-BUS Service"]
        assert (section["Name"], section["SystemdService"]) == (name, UNIT)
        assert section["Exec"] == "/usr/bin/kwallet-bridge daemon"


def test_what_pam_starts_is_installed_for_all_alone() -> None:
    """PAM starts what root owns, by the path that its profile gives; a user installs neither."""
    planned = plan_files(Places.of_system(Path("/usr")), PROGRAM)
    (helper,) = [file for file in planned if file.mode == 0o755]
    assert helper.path == Path("/usr/libexec/kwallet-bridge-login")
    assert helper.text == (ROOT / "kwallet_bridge/login/helper.py").read_text("utf-8")
    profile = rendered()["kwallet-bridge.pam"]
    assert f"pam_kwallet5.so kwalletd={helper.path}\n" in profile
    own = plan_files(Places.of_user({"HOME": "/home/a"}), PROGRAM)
    assert not [file for file in own if "pam" in str(file.path) or file.mode != 0o644]


def test_a_user_installs_below_home() -> None:
    """A user's files all lie in the XDG directories of that user."""
    places = Places.of_user({"HOME": "/home/u", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"})
    planned = plan_files(places, PROGRAM)
    assert {file.path.parts[1] for file in planned} == {"c", "d"}


WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9),
    min_size=1,
    max_size=3,
)


@given(WORDS)
def test_activation_words_survive(words: list[str]) -> None:
    """Undoing the key file's and the shell's quoting gives the command line back."""
    assert shlex.split(quote_activation(words).replace("\\\\", "\\")) == words


@pytest.mark.parametrize("letter", ["\n", "\t", "\udcff"])
def test_a_path_no_unit_can_hold_is_refused(tmp_path: Path, letter: str) -> None:
    """A path with a control or with bytes that are no UTF-8 is refused before anything is written."""
    program = tmp_path / f"a{letter}b" / "kwallet-bridge"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(UsageError, match="letters"):
        find_program(str(program), "")


@pytest.mark.parametrize(
    ("word", "unit", "desktop"),
    [
        ("/usr/bin/x", "/usr/bin/x", "/usr/bin/x"),
        ("a b", '"a b"', '"a b"'),
        ("50%", '"50%%"', '"50%%"'),
        ("$HOME", '"$$HOME"', '"\\\\$HOME"'),
        ('"', '"\\""', '"\\\\""'),
        ("\\", '"\\\\"', '"\\\\\\\\"'),
    ],
)
def test_quotes(word: str, unit: str, desktop: str) -> None:
    """Each letter with a meaning is written as its file format demands."""
    assert (quote_unit(["x", word]), quote_desktop(["x", word])) == (f"x {unit}", f"x {desktop}")
