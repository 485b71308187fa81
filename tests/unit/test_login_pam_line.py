# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of PAM: which line hands a login's key over, and where it would have to stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.session.findings import Status
from kwallet_bridge.session.login_handover import check_login_handover

if TYPE_CHECKING:
    from pathlib import Path

LINE = "-session optional pam_kwallet5.so kwalletd=/usr/libexec/kwallet-bridge-login"
SDDM = """\
auth include system-login
-auth optional pam_kwallet5.so
session include system-login
-session  optional  pam_kwallet5.so auto_start  # KDE's
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with the module and our helper, without Debian's tool."""
    put(tmp_path, "usr/lib64/security/pam_kwallet5.so")
    put(tmp_path, "usr/libexec/kwallet-bridge-login")
    return tmp_path


def put(root: Path, path: str, text: str = "") -> None:
    """Write a file of that system."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_the_line_is_shown_with_the_one_it_replaces(root: Path) -> None:
    """Of two session lines the first wins, so ours has to stand in the other's place."""
    put(root, "etc/pam.d/sddm", SDDM)
    before = (root / "etc/pam.d/sddm").read_bytes()
    finding = check_login_handover(root)
    assert (finding.status, finding.next) == (Status.NOTE, LINE)
    replaced = "-session  optional  pam_kwallet5.so auto_start"
    assert finding.seen[1:] == (f"/etc/pam.d/sddm: in place of: {replaced}",)
    assert (root / "etc/pam.d/sddm").read_bytes() == before


@pytest.mark.parametrize("folder", ["etc/pam.d", "usr/lib/pam.d"])
def test_a_file_without_the_module_needs_both_lines(root: Path, folder: str) -> None:
    """Without its auth line the module has no password to derive a key from."""
    put(root, f"{folder}/lightdm", "auth include common\nsession include common\n")
    finding = check_login_handover(root)
    assert finding.next == LINE
    assert finding.seen[1:] == (
        f"/{folder}/lightdm: behind its other session lines",
        f"/{folder}/lightdm: and behind its auth lines: -auth optional pam_kwallet5.so",
    )


def test_the_line_that_was_shown_is_what_it_takes(root: Path) -> None:
    """With the line in the place it names nothing is left to be said."""
    replaced = "-session  optional  pam_kwallet5.so auto_start"
    put(root, "etc/pam.d/sddm", SDDM.replace(replaced, LINE))
    assert check_login_handover(root).status is Status.OK


def test_a_line_behind_kdes_does_not_count(root: Path) -> None:
    """The second session line of the module says "already executed"."""
    put(root, "etc/pam.d/sddm", f"{SDDM}{LINE}\n")
    assert check_login_handover(root).next == LINE


def test_a_comment_and_another_modules_option_do_not_count(root: Path) -> None:
    """Only the module's own lines are read, and what is commented out is none."""
    text = SDDM.replace("# KDE's", "# kwalletd=/usr/libexec/kwallet-bridge-login")
    put(root, "etc/pam.d/sddm", f"{text}session optional pam_x.so kwalletd=/kwallet-bridge-login\n")
    assert check_login_handover(root).next == LINE


def test_included_lines_count_in_their_place(root: Path) -> None:
    """What a common file says holds for every service that includes it, endless circles too."""
    put(root, "etc/pam.d/sddm", "@include common\n@include sddm\n")
    put(root, "etc/pam.d/common", f"auth optional pam_kwallet5.so\n{LINE}\n@include sddm\n")
    assert check_login_handover(root).status is Status.OK


def test_an_included_file_gives_the_kind_that_was_asked_for(root: Path) -> None:
    """Included for its auth lines a file gives no session line."""
    put(root, "etc/pam.d/sddm", "auth include common\n")
    put(root, "etc/pam.d/common", f"auth optional pam_kwallet5.so\n{LINE}\n")
    finding = check_login_handover(root)
    assert finding.seen[1:] == ("/etc/pam.d/sddm: behind its other session lines",)


def test_debians_tool_is_named_instead_of_the_line(root: Path) -> None:
    """Where profiles make PAM's files, a line by hand would be lost."""
    put(root, "etc/pam.d/sddm", SDDM)
    put(root, "usr/sbin/pam-auth-update")
    finding = check_login_handover(root)
    assert finding.next == "sudo pam-auth-update --enable kwallet-bridge"
    assert "pam_kwallet5.so" not in finding.format()


def test_a_missing_helper_or_module_comes_first(root: Path) -> None:
    """A line that starts what is not there would be of no use."""
    (root / "usr/libexec/kwallet-bridge-login").unlink()
    assert check_login_handover(root).next == "sudo kwallet-bridge session install --system"
    (root / "usr/lib64/security/pam_kwallet5.so").unlink()
    finding = check_login_handover(root)
    assert "pam_kwallet5.so is not installed" in finding.seen[0]


def test_an_unknown_display_manager_is_told_both_lines(root: Path) -> None:
    """Nobody's file being known is no reason to say nothing."""
    finding = check_login_handover(root)
    assert finding.next == LINE
    assert "-auth optional pam_kwallet5.so" in finding.seen
