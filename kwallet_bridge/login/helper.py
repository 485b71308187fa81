#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a login's key from ``pam_kwallet5.so`` and hand it to the user's session, once.

A program of its own, started by PAM as ``PROGRAM --pam-login PIPE SOCKET`` when the module has
``kwalletd=PROGRAM``: it needs the standard library alone, because nothing of this package may lie
where a root-owned file looks for it. Its interpreter heeds no variable of Python's, no folder of the
user's and, by ``-S``, no module or hook that anybody added to the system's Python. PIPE gives 56 bytes, PBKDF2 of the login password over
``kdewallet.salt``. SOCKET is where Plasma's ``pam_kwallet_init`` delivers the session's
environment, which only KDE's own daemon wants.

The key lies in a sealed memory file behind ``$XDG_RUNTIME_DIR/kwallet-bridge-login.sock``. The
first process of the same user that connects gets the file's descriptor, and nobody gets it again.
After ``PATIENCE`` seconds it is gone unclaimed. Nothing is written to a disk or printed, and
whatever goes wrong the login goes on: PAM waits for none of this.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import pwd
import re
import resource
import select
import signal
import socket
import stat
import struct
import sys
import threading
import time

KEY_SIZE = 56
PATIENCE = 120.0
"""Seconds during which the key may be claimed: a slow desktop's start."""
READ_PATIENCE = 10.0
"""Seconds that PAM may take to write a key it has in hand."""
SOCKET_NAME = "kwallet-bridge-login.sock"
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
KSECRETD = ("/usr/bin/ksecretd", "/usr/local/bin/ksecretd")
CLIENT_PATIENCE = 5.0
_PR_SET_DUMPABLE = 4
_MCL_CURRENT = 1
_NO_WORDS = frozenset({"false", "no", "off", "0"})


def main(argv: list[str]) -> int:
    """Serve one login; return the exit code, which nobody reads."""
    try:
        option, pipe, env_socket = argv[1], int(argv[2]), int(argv[3])
    except (IndexError, ValueError):
        return 2
    if option != "--pam-login" or os.getuid() == 0 or os.getuid() != os.geteuid():
        return 2
    mask = detach(keep={pipe, env_socket})
    key = read_key(pipe)
    if key is None:
        return 1
    listening = socket.socket(fileno=env_socket)
    deadline = time.monotonic() + PATIENCE
    sink = None
    if pass_on(key, listening, mask):
        listening.close()
    else:
        sink = EnvironmentSink(listening, deadline)
        try:
            sink.start()
        except RuntimeError:
            sink = None  # too many processes: the key is what counts
    hand_over(key, deadline)
    if sink is not None:
        sink.join(max(0.0, deadline - time.monotonic()))
    return 0


def detach(keep: set[int]) -> int:
    """Let go of what the login program left us: its descriptors, its directory, its mask.

    PAM's module closes standard error and leaves the descriptors from 64 on, whatever they are.
    Return the mask.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if number not in keep:
            os.dup2(null, number)
    lowest = 3
    for number in sorted({*keep, 1 << 30}):
        if number >= lowest:
            os.closerange(lowest, number)
            lowest = number + 1
    mask = os.umask(0o177)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return mask


def read_key(pipe: int) -> bytes | None:
    """Return what PAM wrote, if it is a key: 56 bytes, then the end of the file."""
    data = b""
    deadline = time.monotonic() + READ_PATIENCE
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    with contextlib.suppress(OSError):
        while len(data) <= KEY_SIZE:
            left = max(0.0, deadline - time.monotonic())
            if not poll.poll(left * 1000):
                break
            more = os.read(pipe, KEY_SIZE + 1 - len(data))
            if not more:
                break
            data += more
        os.close(pipe)
    return data if len(data) == KEY_SIZE else None


def pass_on(key: bytes, listening: socket.socket, mask: int) -> bool:
    """Start KDE's ksecretd with the same key, where it is installed and not switched off.

    Its own PAM start is what we took the place of, so it gets the mask and the signals that PAM
    would have given it: under ours it could not enter a folder it makes. Daemons of KDE Frameworks before 6.14 are left
    out: they would compete for the names of KWallet.

    What keeps it from being started is no reason to lose the key: processes may be too many, or
    the user unknown for the moment.
    """
    program = next((path for path in KSECRETD if is_roots_program(path)), None)
    if program is None:
        return False
    with contextlib.suppress(OSError, KeyError):
        # No pathlib: 5 ms of a login.
        if ksecretd_is_wanted(os.path.expanduser("~" + user_name())):
            start_ksecretd(program, key, listening, mask)
            return True
    return False


def start_ksecretd(program: str, key: bytes, listening: socket.socket, mask: int) -> None:
    """Start it as PAM's module would have."""
    reader, writer = os.pipe()
    try:
        os.write(writer, key)  # a pipe holds 4096 bytes at least
        os.close(writer)
        if os.fork() == 0:
            try:
                os.setsid()
                os.umask(mask)
                for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python
                    signal.signal(ignored, signal.SIG_DFL)
                for number in (reader, listening.fileno()):
                    os.set_inheritable(number, True)
                os.execv(program, [program, "--pam-login", str(reader), str(listening.fileno())])  # noqa: S606  no shell is wanted
            finally:
                os._exit(127)
    finally:
        os.close(reader)


def is_roots_program(path: str) -> bool:
    """Return whether only root can have put a program there."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_uid == 0
        and not found.st_mode & 0o022
        and bool(found.st_mode & 0o111)
    )


def user_name() -> str:
    """Return the name of the user who logs in, as passwd has it."""
    return pwd.getpwuid(os.getuid()).pw_name


def ksecretd_is_wanted(home: str) -> bool:
    """Return what ``[KSecretD] Enabled`` in the user's kwalletrc says; yes where it says nothing."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    text = read_private(os.path.join(folder, "kwalletrc"))
    group = re.search(r"^\[KSecretD\]\s*$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    words = re.findall(
        r"^Enabled(?:\[\$\w+\])?\s*=\s*(\w+)", group[1] if group else "", re.MULTILINE
    )
    return not words or words[-1].lower() not in _NO_WORDS


def read_private(path: str) -> str:
    """Return a small regular file of this user; "" for everything else that may lie there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > 1 << 20:
            return ""
        return os.read(descriptor, 1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


class EnvironmentSink(threading.Thread):
    """Takes what ``pam_kwallet_init`` sends and forgets it: that program fails where nobody listens.

    A thread of its own, so that a client which never ends keeps nobody from the key.
    """

    def __init__(self, listening: socket.socket, deadline: float) -> None:
        """Listen until one client came, or until ``deadline`` of the monotonic clock."""
        super().__init__(name="environment", daemon=True)
        self._listening = listening
        self._deadline = deadline
        name = listening.getsockname()
        self._path = name if isinstance(name, str) else ""
        self._place = identity(self._path)

    def run(self) -> None:
        """Serve one client, then remove the socket, which PAM's module never does."""
        with contextlib.suppress(OSError), self._listening:
            self._listening.settimeout(self._left())
            client, _ = self._listening.accept()
            with client:
                self._empty(client)
        remove(self._path, self._place)

    def _empty(self, client: socket.socket) -> None:
        until = min(self._deadline, time.monotonic() + CLIENT_PATIENCE)
        while (left := until - time.monotonic()) > 0:
            client.settimeout(left)
            if not client.recv(1 << 16):
                return

    def _left(self) -> float:
        return max(0.01, self._deadline - time.monotonic())


def hand_over(key: bytes, deadline: float) -> None:
    """Give the key to the first process of this user that asks, or to nobody in time."""
    folder = runtime_folder()
    if folder is None:
        return
    sealed, pin = seal(key)
    try:
        # The directory may be full, or something in the socket's place: the login goes on.
        with contextlib.suppress(OSError):
            offer(os.path.join(folder, SOCKET_NAME), sealed, deadline)
    finally:
        os.close(sealed)
        pin.close()


def offer(path: str, sealed: int, deadline: float) -> None:
    """Listen at ``path``, in place of an earlier login's helper, until somebody has the key.

    The socket is put there once it listens, so that nobody who sees it is turned away.
    """
    beside = f"{path}.{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        try:
            listener.bind(beside)
            listener.listen(8)
            mine = identity(beside)
            os.rename(beside, path)
        except OSError:
            remove(beside, identity(beside))
            raise
        try:
            while (left := deadline - time.monotonic()) > 0:
                listener.settimeout(left)
                if give(listener, sealed):
                    break
        finally:
            remove(path, mine)


def identity(path: str) -> tuple[int, int] | None:
    """Return which file is at a path; None if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove(path: str, which: tuple[int, int] | None) -> None:
    """Remove what is at a path if it is still that file: a later login's is not ours to remove."""
    if which is not None and identity(path) == which:
        with contextlib.suppress(OSError):
            os.unlink(path)


def runtime_folder() -> str | None:
    """Return the user's runtime directory, if it is really theirs alone."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    return folder if private and found.st_uid == os.getuid() else None


def seal(key: bytes) -> tuple[int, mmap.mmap]:
    """Return a memory file that holds the key, for ever unchanged, and the mapping that pins it.

    Locked memory stays out of the swap space, as far as the limit allows: a low one is no reason
    to give the key up.
    """
    descriptor = os.memfd_create("key", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, key)
    pin = mmap.mmap(descriptor, KEY_SIZE, mmap.MAP_PRIVATE | mmap.MAP_POPULATE, mmap.PROT_READ)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    ctypes.CDLL(None).mlockall(_MCL_CURRENT)
    return descriptor, pin


def give(listener: socket.socket, sealed: int) -> bool:
    """Hand the descriptor to one client; return whether it was a process of this user."""
    try:
        client, _ = listener.accept()
    except OSError:
        return False  # the time is up, or the client has left
    with client:
        client.settimeout(CLIENT_PATIENCE)
        size = struct.calcsize("3i")
        _pid, uid, _gid = struct.unpack(
            "3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
        if uid != os.getuid():
            return False
        try:
            socket.send_fds(client, [b"k"], [sealed])
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv))
