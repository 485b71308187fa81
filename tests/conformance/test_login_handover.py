# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ``pam_kwallet5.so`` hands the login's key to our helper, and the session claims it.

Needs root, as a login does: the user and the PAM service exist in a mount namespace alone.
"""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING

import pytest
from support.pam_session import LOGIN_MASK, PASSWORD, VECTOR, PamLogin, pam_login
from support.processes import wait_until
from support.vectors import load_vector

from kwallet_bridge.kwl.kdf import derive_pbkdf2_key
from kwallet_bridge.kwl.reader import read_wallet_with_key
from kwallet_bridge.login.helper import SOCKET_NAME
from kwallet_bridge.model import WalletName
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

CLAIM = """\
import hashlib, os
from kwallet_bridge.login.claim import claim_login_key
key = claim_login_key(os.environ)
print("none" if key is None else hashlib.sha256(key.reveal()).hexdigest())
"""


@pytest.fixture
def login() -> Iterator[PamLogin]:
    """A user who has a wallet under the login password."""
    yield from pam_login()


def _claim(login: PamLogin) -> str:
    done = login.as_user(["/usr/bin/python3", "-c", CLAIM])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _wait_for_key(login: PamLogin) -> None:
    wait_until((login.runtime / SOCKET_NAME).exists)


def test_a_login_hands_its_key_over_once(login: PamLogin) -> None:
    """The key that PAM derived opens the wallet; the second who asks gets nothing."""
    done = login.log_in()
    assert done.returncode == 0, done.stderr
    _wait_for_key(login)
    vector = load_vector(VECTOR)
    key = derive_pbkdf2_key(Secret.from_text(PASSWORD), vector.salt)
    assert _claim(login) == hashlib.sha256(key.reveal()).hexdigest()
    read = read_wallet_with_key(vector.data, name=WalletName("kdewallet"), cipher_key=key)
    assert read.wallet.folders
    assert _claim(login) == "none"
    assert not (login.runtime / SOCKET_NAME).exists()


def test_plasma_delivers_its_environment_to_nobody_and_goes_on(login: PamLogin) -> None:
    """``pam_kwallet_init`` ends well, and the helper is gone once both have come."""
    login.log_in()
    _wait_for_key(login)
    assert stat.S_IMODE((login.runtime / SOCKET_NAME).stat().st_mode) == 0o600
    assert login.start_session().returncode == 0
    assert _claim(login) != "none"
    wait_until(lambda: not login.helpers())
    assert list(login.runtime.iterdir()) == []


def test_a_client_that_never_ends_keeps_nobody_from_the_key(login: PamLogin) -> None:
    """Somebody who holds the environment's socket open does not delay the claim."""
    login.log_in()
    _wait_for_key(login)
    hold = (
        "import os, socket, subprocess, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.connect(os.environ['XDG_RUNTIME_DIR'] + '/kwallet5.socket')\n"
        "s.send(b'A=1\\n')\n" + CLAIM
    )
    done = login.as_user(["/usr/bin/python3", "-c", hold])
    assert done.stdout.strip() not in {"", "none"}, done.stderr


def test_ksecretd_is_started_with_the_same_key(login: PamLogin) -> None:
    """KDE's own service, whose place at PAM we took, gets key, environment and mask all the same.

    Under the helper's own mask it could enter no folder that it makes.
    """
    seen = login.install_ksecretd()
    login.log_in()
    _wait_for_key(login)
    assert login.start_session().returncode == 0
    wait_until(seen.exists)
    claimed = _claim(login)
    assert seen.read_text() == f"--pam-login {claimed} True {LOGIN_MASK:#o}"
    wait_until(lambda: not login.helpers())


def test_a_ksecretd_that_is_switched_off_stays_off(login: PamLogin) -> None:
    """``[KSecretD] Enabled=false`` is how KDE itself leaves the field to another provider."""
    seen = login.install_ksecretd()
    login.write_settings("[Wallet]\nEnabled=true\n[KSecretD]\nEnabled=false\n[X]\nEnabled=1\n")
    login.log_in()
    _wait_for_key(login)
    assert login.start_session().returncode == 0
    assert _claim(login) != "none"
    wait_until(lambda: not login.helpers())
    assert not seen.exists()


def test_another_user_gets_nothing(login: PamLogin) -> None:
    """Not even root is given the key by its socket: it asks with another user id."""
    login.log_in()
    _wait_for_key(login)
    import socket  # noqa: PLC0415  this test alone

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(login.runtime / SOCKET_NAME))
        assert client.recv(1) == b""
    assert _claim(login) != "none"


def test_a_wrong_password_hands_nothing_over(login: PamLogin) -> None:
    """Who is not let in has no key."""
    assert login.log_in("wrong").returncode != 0
    assert not login.helpers()
    assert list(login.runtime.iterdir()) == []
