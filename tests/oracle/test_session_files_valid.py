# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of each file format judge what we render."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.paths import ROOT

from kwallet_bridge.session.files import UNIT, Places, plan_files, render_unit

PROGRAM = ["/usr/bin/kwallet-bridge"]
COMMITTED = ROOT / "dbus-services"


def check(command: list[str], **environ: str) -> str:
    """Run a validator; it must be content and silent about problems."""
    done = subprocess.run(
        command, env=os.environ | environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_desktop_entries_are_valid() -> None:
    """desktop-file-validate has nothing to say."""
    entries = [str(path) for path in COMMITTED.glob("*.desktop")]
    assert len(entries) == 3
    assert check(["desktop-file-validate", *entries]) == ""


def test_metainfo_is_valid() -> None:
    """Appstreamcli accepts the metainfo, pedantic remarks included."""
    (path,) = COMMITTED.glob("*.metainfo.xml")
    done = check(["appstreamcli", "validate", "--no-net", "--pedantic", "--no-color", str(path)])
    assert "pedantic" not in done


@pytest.mark.parametrize("folder", ["a b 50% $HOME é", "it's", 'a"b', "a\\b", "it's a=b % $HOME"])
def test_unit_is_valid(tmp_path: Path, folder: str) -> None:
    """systemd-analyze accepts the unit, also with a program path full of odd letters."""
    program = tmp_path / folder / "kwallet-bridge"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT
    unit.write_text(render_unit([str(program)]))
    command = ["systemd-analyze", "verify", "--user", "--man=no", str(unit)]
    assert check(command, XDG_RUNTIME_DIR=str(tmp_path)) == ""


def test_icon_is_a_drawing(tmp_path: Path) -> None:
    """The icon renders at panel size."""
    (icon,) = (
        file
        for file in plan_files(Places.of_system(Path("/usr")), PROGRAM)
        if ".svg" in file.path.name
    )
    source = tmp_path / "icon.svg"
    source.write_text(icon.text)
    check(["rsvg-convert", "-w", "22", str(source), "-o", str(tmp_path / "icon.png")])
    assert (tmp_path / "icon.png").read_bytes().startswith(b"\x89PNG")
