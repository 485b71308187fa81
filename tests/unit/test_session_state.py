# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.errors import SessionError
from kwallet_bridge.session.census import Owner, find_unit
from kwallet_bridge.session.files import PlannedFile
from kwallet_bridge.session.manifest import Manifest, restore, survey, write_files

if TYPE_CHECKING:
    from pathlib import Path


def test_a_manifest_undoes_what_was_written(tmp_path: Path) -> None:
    """Files, links, modes and folders are as before, after a round trip through JSON."""
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.write_bytes(b"\xff old")
    kept.chmod(0o640)
    link.symlink_to("elsewhere")
    planned = [
        PlannedFile(kept, "new"),
        PlannedFile(link, "new"),
        PlannedFile(tmp_path / "a/b/made", "new"),
        PlannedFile(tmp_path / "a/link", link="b/made"),
    ]
    manifest = Manifest.parse(survey(planned, was_running=["x"], program="p").dump())
    write_files(planned)
    assert (tmp_path / "a/link").read_text() == "new"
    restore(manifest)
    assert kept.read_bytes() == b"\xff old"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert str(link.readlink()) == "elsewhere"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "link"]
    assert (manifest.was_running, manifest.program) == (("x",), "p")


def test_a_folder_somebody_else_uses_stays(tmp_path: Path) -> None:
    """A folder we made is kept when another program has put a file there."""
    planned = [PlannedFile(tmp_path / "made/ours", "x")]
    manifest = survey(planned)
    write_files(planned)
    (tmp_path / "made/theirs").write_text("y")
    restore(manifest)
    assert [each.name for each in (tmp_path / "made").iterdir()] == ["theirs"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', '{"version": 1, "before": 3}'])
def test_a_damaged_manifest_is_told(text: str) -> None:
    """A manifest that cannot be read raises a SessionError."""
    with pytest.raises(SessionError):
        Manifest.parse(text)


@pytest.mark.parametrize(
    ("command", "program", "ours", "kde"),
    [
        (("/usr/bin/kwalletd5",), "kwalletd5", False, True),
        (("/usr/bin/python3", "-I", "/usr/bin/kwallet-bridge", "daemon"), "kwallet-bridge", True, False),
        (("python3.11", "-m", "kwallet_bridge", "daemon"), "kwallet_bridge", True, False),
        (("vim", "kwallet-bridge"), "vim", False, False),
        ((), "a program that hides", False, False),
    ],
)  # fmt: skip
def test_programs_are_recognised(
    command: tuple[str, ...], program: str, *, ours: bool, kde: bool
) -> None:
    """A program's name is its own, or that of the script Python runs."""
    owner = Owner(":1.1", 1, command, "")
    assert (owner.program, owner.is_bridge, owner.is_kwalletd) == (program, ours, kde)


@pytest.mark.parametrize(
    ("line", "unit"),
    [
        ("0::/user.slice/user-1.slice/user@1.service/session.slice/a.service", "a.service"),
        ("0::/user.slice/user-1.slice/session-2.scope", ""),
        ("5:cpu:/a.service", ""),
        ("1:name=systemd:/a.service", "a.service"),
        ("0::/", ""),
    ],
)
def test_units_are_found(line: str, unit: str) -> None:
    """The unit is the innermost service of systemd's hierarchy."""
    assert find_unit([line]) == unit
