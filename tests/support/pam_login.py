# SPDX-License-Identifier: GPL-3.0-or-later
"""Start ksecretd the way pam_kwallet does: key on a pipe, environment over a socket."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

    from support.private_bus import PrivateBus


def start_ksecretd(bus: PrivateBus, key: bytes) -> subprocess.Popen[bytes]:
    """Start it inside of the bus's root; it opens or creates its wallet without a dialog."""
    path = bus.folder / "runtime/ksecretd.socket"
    path.unlink(missing_ok=True)
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        # With that signal ignored a test can have its writes fail, as on a full disk.
        spared = ["/usr/bin/env", "--ignore-signal=XFSZ"]
        process = bus.start(
            [*spared, "/usr/bin/ksecretd", "--pam-login", str(reading), str(listening.fileno())],
            env={"PAM_KWALLET5_LOGIN": str(path)},
            inside_root=True,
            pass_fds=[reading, listening.fileno()],
        )
        os.close(reading)
        os.write(writing, key)
        os.close(writing)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as environment:
            environment.connect(str(path))
            lines = "".join(f"{name}={value}\n" for name, value in bus.inner_env().items())
            environment.sendall(lines.encode())
    return process
