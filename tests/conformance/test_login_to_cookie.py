# SPDX-License-Identifier: GPL-3.0-or-later
"""From login to the browser's old cookie, without a password typed anywhere but at the login.

The real ``pam_kwallet5.so``, helper, daemon, gnome-keyring, kwalletd5 and Chromium. Needs root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.pam_session import PamLogin, pam_login
from support.processes import wait_until

from kwallet_bridge.login.helper import SOCKET_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = "support.browse_as_user"
COOKIE = [("taste", "oat")]


@pytest.fixture
def login() -> Iterator[PamLogin]:
    """A user who has a wallet under the login password."""
    yield from pam_login()


def test_the_old_cookie_is_read_after_a_login(login: PamLogin) -> None:
    """With the login's key the wallet moves unasked, and Chromium finds the key of its cookie."""
    done = login.live(SESSION, "before")
    assert done.returncode == 0, done.stderr
    assert login.log_in().returncode == 0
    wait_until((login.runtime / SOCKET_NAME).exists)
    done = login.live(SESSION, "after")
    assert (done.returncode, done.stdout.strip()) == (0, repr(COOKIE)), done.stderr


def test_without_the_logins_key_the_old_cookie_is_not_read(login: PamLogin) -> None:
    """Nothing but the login opened the wallet: the same session without one reads no cookie."""
    done = login.live(SESSION, "before")
    assert done.returncode == 0, done.stderr
    done = login.live(SESSION, "after")
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
