# SPDX-License-Identifier: GPL-3.0-or-later
"""A message bus of our own, with a scratch home: tests never see the developer's session.

The bus is dbus-daemon's, or dbus-broker's where ``KWB_BUS=broker`` says so (``./dev test-broker``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from support.client import DBUS, ClientError, KWalletClient, RawClient, SeenSignal
from support.waiting import wait_readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONFIGURATION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <keep_umask/>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>{standard}
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_message_size">134217728</limit>
  <limit name="max_completed_connections">100000</limit>
  <limit name="max_connections_per_user">100000</limit>
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_names_per_connection">50000</limit>
</busconfig>
"""
STANDARD_DIRS = "<standard_session_servicedirs/>"
START_TIMEOUT = 30.0
STOP_TIMEOUT = 15.0


class ProcessEndedError(Exception):
    """A program ended before it did what was waited for."""


@dataclass
class PrivateBus:
    """A running private bus. ``root`` is a chroot whose programs shall reach it, else ``/``."""

    folder: Path
    root: Path
    env: dict[str, str]
    _daemon: subprocess.Popen[bytes] | None = None
    _clients: list[RawClient] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The bus's address as seen from outside of any root."""
        return f"unix:path={self.folder / 'bus'}"

    @property
    def home(self) -> Path:
        """The scratch HOME."""
        return self.folder / "home"

    @property
    def data(self) -> Path:
        """The scratch XDG_DATA_HOME."""
        return self.home / ".local/share"

    @property
    def config(self) -> Path:
        """The scratch XDG_CONFIG_HOME."""
        return self.home / ".config"

    @property
    def services(self) -> Path:
        """Where the bus looks for activation files."""
        return self.folder / "services"

    def inner_env(self) -> dict[str, str]:
        """The environment as a program inside of ``root`` needs it."""
        prefix = str(self.root)
        if prefix == "/":
            return dict(self.env)
        inner = {key: value.replace(prefix, "") for key, value in self.env.items()}
        return inner | {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}

    def client(self) -> KWalletClient:
        """Connect; closed with the bus at the latest."""
        client = KWalletClient.connect(self.address)
        self._clients.append(client)
        return client

    def start(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        inside_root: bool = False,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program on this bus; what it prints goes to a file of its own."""
        variables = self.inner_env() if inside_root else dict(self.env)
        command = ["chroot", str(self.root), *argv] if inside_root else list(argv)
        with self._log(argv[0]) as log:
            process = subprocess.Popen(
                command,
                env=variables | dict(env or {}),
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        if stdin is not None:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(stdin)
                process.stdin.close()
        return process

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        check: bool = True,
        inside_root: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on this bus to its end."""
        variables = self.inner_env() if inside_root else dict(self.env)
        command = ["chroot", str(self.root), *argv] if inside_root else list(argv)
        done = subprocess.run(
            command,
            env=variables | dict(env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            cwd=self.home,
            check=False,
        )
        if check and done.returncode:
            raise ProcessEndedError(f"{argv[0]} ended with {done.returncode}: {done.stderr}")
        return done

    def wait_for_name(
        self,
        name: str,
        *,
        process: subprocess.Popen[bytes] | None = None,
        timeout: float = START_TIMEOUT,
    ) -> str:
        """Wait until a name is owned and give its owner; never starts a service.

        With ``process`` its early end is told at once, with what it printed.
        """
        return self._wait_owner(name, wanted=True, process=process, timeout=timeout)

    def wait_name_gone(self, name: str, *, timeout: float = STOP_TIMEOUT) -> None:
        """Wait until nobody owns a name."""
        self._wait_owner(name, wanted=False, process=None, timeout=timeout)

    def make_activatable(self, name: str, argv: Sequence[str]) -> None:
        """Install an activation file and have the bus see it."""
        words = " ".join(argv)
        text = f"[D-BUS Service]\nName={name}\nExec={words}\n"
        (self.services / f"{name}.service").write_text(text, encoding="utf-8")
        with RawClient.connect(self.address) as client:
            assert not client.bus_call("ReloadConfig").error

    def write_config(self, name: str, text: str) -> None:
        """Write a file of XDG_CONFIG_HOME."""
        (self.config / name).write_text(text, encoding="utf-8")

    def printed(self, program: str) -> str:
        """Give what a program printed so far."""
        logs = sorted(self.folder.glob(f"log-{Path(program).name}-*"))
        return "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)

    def close(self) -> None:
        """End the bus, every program still on it, and forget the folder."""
        for client in self._clients:
            client.close()
        if self._daemon is not None:
            self._end_guests()
            end_process(self._daemon)
        shutil.rmtree(self.folder, ignore_errors=True)

    def provider_runs(self) -> bool:
        """Tell whether somebody serves the Secret Service here."""
        with RawClient.connect(self.address) as client:
            return bool(client.name_owner("org.freedesktop.secrets"))

    def process_of(self, name: str) -> int:
        """Give the process id of a name's owner."""
        with RawClient.connect(self.address) as client:
            reply = client.bus_call("GetConnectionUnixProcessID", "s", name)
            assert isinstance(reply.value, int)
            return reply.value

    def _end_guests(self) -> None:
        """End what the bus started itself: nobody else knows these processes."""
        with contextlib.suppress(OSError, ClientError), RawClient.connect(self.address) as client:
            names = client.bus_call("ListNames").value
            assert isinstance(names, list)
            guests = {
                reply.value
                for name in names
                if not (reply := client.bus_call("GetConnectionUnixProcessID", "s", name)).error
            }
            assert self._daemon is not None
            for guest in guests - {os.getpid(), self._daemon.pid}:
                assert isinstance(guest, int)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(guest, signal.SIGTERM)

    def _log(self, program: str) -> IO[bytes]:
        number = len(list(self.folder.glob("log-*")))
        return (self.folder / f"log-{Path(program).name}-{number}").open("wb")

    def _wait_owner(
        self,
        name: str,
        *,
        wanted: bool,
        process: subprocess.Popen[bytes] | None,
        timeout: float,
    ) -> str:
        deadline = time.monotonic() + timeout
        with RawClient.connect(self.address) as client, _death_of(process) as death:
            client.subscribe(
                f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{name}'"
            )
            owner = client.name_owner(name)
            while True:
                # Those too that came together with a reply: no select would wake up for them.
                for seen in client.take_signals():
                    owner = _new_owner(seen, name, owner)
                if bool(owner) == wanted:
                    return owner
                left = deadline - time.monotonic()
                watched: list[RawClient | int] = [client, *death]
                ready = wait_readable(watched, left)
                if not ready:
                    raise TimeoutError(f"{name}: no change of owner within {timeout} s")
                if client not in ready and process is not None:
                    raise ProcessEndedError(self._obituary(process))
                client.pump(0)

    def _obituary(self, process: subprocess.Popen[bytes]) -> str:
        program = process.args[0] if isinstance(process.args, list) else str(process.args)
        code = process.wait()
        return f"{program} ended with {code}: {self.printed(str(program))[-2000:]}"


def _new_owner(seen: SeenSignal, name: str, before: str) -> str:
    if seen.member != "NameOwnerChanged" or seen.body[0] != name:
        return before
    return str(seen.body[2])


@contextlib.contextmanager
def _death_of(process: subprocess.Popen[bytes] | None) -> Iterator[list[int]]:
    """Give a descriptor that becomes readable when the process ends."""
    if process is None:
        yield []
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        yield [descriptor]
    finally:
        os.close(descriptor)


def end_process(process: subprocess.Popen[bytes], *, sign: int = signal.SIGTERM) -> int:
    """End a program we started; by force when it does not go."""
    if process.poll() is None:
        process.send_signal(sign)
    try:
        return process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(STOP_TIMEOUT)


def _scratch_env(folder: Path) -> dict[str, str]:
    home = folder / "home"
    places = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_STATE_HOME": home / ".local/state",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_RUNTIME_DIR": folder / "runtime",
        "TMPDIR": folder / "tmp",
    }
    for place in places.values():
        place.mkdir(parents=True, mode=0o700, exist_ok=True)
    return {key: str(place) for key, place in places.items()} | {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_CONFIG_DIRS": str(folder / "no-system-config"),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder / 'bus'}",
        # A test must not reach this machine's services either.
        "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder / 'no-system-bus'}",
    }


@contextlib.contextmanager
def private_bus(root: Path = Path("/"), *, system_data: Path | None = None) -> Iterator[PrivateBus]:
    """Run a private bus for the length of a with block.

    With ``system_data`` the bus finds activation files as a real session's does: in the scratch
    XDG_DATA_HOME first, then below that directory, which stands for ``/usr/share``.

    With ``root`` the bus's folder lies inside of that root, so that programs started with
    ``inside_root`` share its socket and home with programs outside.
    """
    root = root.resolve()
    place = root / "tmp" if str(root) != "/" else None
    folder = Path(tempfile.mkdtemp(prefix="kwb-", dir=place))
    (folder / "services").mkdir()
    configuration = folder / "bus.conf"
    configuration.write_text(
        CONFIGURATION.format(
            socket=folder / "bus",
            services=folder / "services",
            standard="" if system_data is None else STANDARD_DIRS,
        ),
        encoding="utf-8",
    )
    bus = PrivateBus(folder, root, _scratch_env(folder))
    if system_data is not None:
        bus.env["XDG_DATA_DIRS"] = str(system_data)
    try:
        bus._daemon = _start_daemon(configuration, bus.env)
        yield bus
    finally:
        bus.close()


def on_broker() -> bool:
    """Tell whether the private buses are dbus-broker's."""
    kind = os.environ.get("KWB_BUS", "daemon")
    if kind not in {"daemon", "broker"}:
        raise ValueError(f"KWB_BUS is {kind!r}, neither daemon nor broker")
    return kind == "broker"


def _start_daemon(configuration: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return (_start_broker if on_broker() else _start_dbus_daemon)(configuration, env)


def _start_broker(configuration: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    place = configuration.parent / "bus"
    command = [sys.executable, str(Path(__file__).with_name("broker_launch.py"))]
    with (configuration.parent / "log-dbus-broker-0").open("wb") as log:
        broker = subprocess.Popen(
            [*command, str(place), str(configuration)],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        # Nobody announces that a socket is there; once it is, connecting waits for the broker.
        with contextlib.suppress(FileNotFoundError, ConnectionError, ClientError):
            RawClient.connect(f"unix:path={place}").close()
            return broker
        if broker.poll() is not None or time.monotonic() > deadline:
            raise ProcessEndedError("dbus-broker did not start")
        time.sleep(0.01)


def _start_dbus_daemon(configuration: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    reading, writing = os.pipe()
    options = ["--nofork", "--nopidfile", f"--print-address={writing}"]
    with (configuration.parent / "log-dbus-daemon-0").open("wb") as log:
        daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={configuration}", *options],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    # The address is printed once the socket listens: this read is the wait.
    with os.fdopen(reading, "rb") as pipe:
        if not pipe.readline():
            raise ProcessEndedError("dbus-daemon did not start")
    return daemon
