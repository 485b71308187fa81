# SPDX-License-Identifier: GPL-3.0-or-later
"""Claim the login's key from the helper that PAM started (``login/helper.py``)."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.login.helper import CLIENT_PATIENCE, KEY_SIZE, SEALS, SOCKET_NAME
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping


def claim_login_key(environ: Mapping[str, str]) -> Secret | None:
    """Return the key of this login, 56 bytes; None if none waits. Blocks for seconds at most.

    It can be claimed once: a second call finds nothing. The key is PBKDF2-HMAC-SHA512 of the login
    password over ``kdewallet.salt``, 50,000 rounds, which is the Blowfish key of ``kdewallet.kwl``
    where its password is the login's.
    """
    folder = environ.get("XDG_RUNTIME_DIR", "")
    path = Path(folder) / SOCKET_NAME
    try:
        found = path.lstat()
    except OSError:
        return None
    if not folder or not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as client:
            client.settimeout(CLIENT_PATIENCE)
            client.connect(str(path))
            return _receive(client)
    except OSError:
        return None


def _receive(client: socket.socket) -> Secret | None:
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack(
        "3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    if uid != os.getuid():
        return None
    # Not recv_fds, which forgets its flags before Python 3.12: a child that is started meanwhile
    # must not have the key.
    room = socket.CMSG_SPACE(struct.calcsize("i"))
    _data, ancillary, _flags, _address = client.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = [
        number
        for level, kind, data in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for (number,) in struct.iter_unpack("i", data)
    ]
    key = None
    for descriptor in descriptors:
        try:
            key = _read_sealed(descriptor)
        finally:
            os.close(descriptor)
    return key


def _read_sealed(descriptor: int) -> Secret | None:
    """Return the key if it can never change, and is one."""
    if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & SEALS != SEALS:
        return None
    if os.fstat(descriptor).st_size != KEY_SIZE:
        return None
    return Secret(os.pread(descriptor, KEY_SIZE, 0))
