# SPDX-License-Identifier: GPL-3.0-or-later
"""On a system without Debian's ``pam-auth-update`` the real commands print the line of PAM.

Needs root: what the system has is changed in a mount namespace alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.installed import install_program, packaged_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.private_bus import PrivateBus

LINE = "-session optional pam_kwallet5.so kwalletd=/usr/libexec/kwallet-bridge-login"
REPLACED = "-session optional pam_kwallet5.so auto_start"
FOREIGN_SYSTEM = f"""\
set -e
if [ -e /usr/sbin/pam-auth-update ]; then mount --bind /dev/null /usr/sbin/pam-auth-update; fi
mount -t tmpfs tmpfs /etc/pam.d
mount -t tmpfs tmpfs /usr/libexec
touch /usr/libexec/kwallet-bridge-login
printf '%s\\n' '-auth optional pam_kwallet5.so' '{REPLACED}' > /etc/pam.d/sddm
sum=$(cat /etc/pam.d/* | sha256sum)
"$@"
[ "$sum" = "$(cat /etc/pam.d/* | sha256sum)" ] && echo 'PAM is as it was'
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[PrivateBus]:
    """A session with gnome-keyring unlocked and kwalletd5 packaged."""
    with packaged_session(tmp_path) as bus:
        yield bus


@pytest.mark.starts_services
@pytest.mark.parametrize("command", [["doctor", "--exit-zero"], ["session", "install"]])
def test_the_line_is_printed_and_nothing_is_edited(
    session: PrivateBus, tmp_path: Path, command: list[str]
) -> None:
    """Both say which line of which file has to give way to which, and leave PAM alone."""
    program = install_program(tmp_path / "kwallet-bridge")
    words = ["unshare", "--mount", "sh", "-c", FOREIGN_SYSTEM, "sh", str(program), *command]
    printed = session.run(words).stdout.splitlines()
    assert [line for line in printed if line.endswith(LINE)]
    assert [line for line in printed if line.endswith(f"/etc/pam.d/sddm: in place of: {REPLACED}")]
    assert printed[-1] == "PAM is as it was"
