# SPDX-License-Identifier: GPL-3.0-or-later
"""A wallet file that was not moved yet: no program loses what it holds, whatever it asks, and where.

Every cell ends with the browser's old key byte for byte, or with nobody having made a new one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.chromium import APPID, FOLDER, KEY, NEW_KEY, Chromium, FailedError
from support.fake_daemon import FakeDaemon
from support.keepassxc import KeePassXC
from support.keyrings import PASSWORD as KEYRING_PASSWORD
from support.paths import ROOT
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Peer, Xvfb
from support.wallet_files import PASSWORD, place_bytes, place_gpg_wallet, place_wallet

from kwallet_bridge.statefile import state_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.client import KWalletClient, Reply
    from support.private_bus import PrivateBus

WALLET = "kdewallet"
OLD_KEY = "b2xkIGtleSBvZiBhbGw="
CONTENT = {
    FOLDER: {KEY: OLD_KEY},
    "Network Management": {"wifi": "geheim"},
    "Passwords": {f"p{number:03}": "x" for number in range(60)},
}
STORES = ["file", "gnome-keyring", "KeePassXC"]


@dataclass
class Scene:
    """A store, a daemon over it that can be started again, and the means to move wallets."""

    bus: PrivateBus
    store: str
    password_file: Path | None = None
    bridge: Bridge = field(init=False)

    def __post_init__(self) -> None:
        """Choose the daemon's arguments."""
        chosen: tuple[str, ...] = ()
        if self.password_file is not None:
            chosen = ("--store-password-file", str(self.password_file))
        self.bridge = Bridge(self.bus, store=self.store, arguments=chosen)

    def command(self, *words: str) -> list[str]:
        """Give a command line of our own program."""
        return [sys.executable, "-m", "kwallet_bridge", *words]

    def migration(self) -> list[str]:
        """Give the command that moves every wallet into this store."""
        words = ["migrate", "--json", "--to", self.store, "--password-file", "-"]
        if self.password_file is not None:
            words += ["--to-password-file", str(self.password_file)]
        return self.command(*words)

    def move(self) -> int:
        """Move every wallet; gives the exit code."""
        done = self.bus.run(
            self.migration(), stdin=PASSWORD, env={"PYTHONPATH": str(ROOT)}, check=False
        )
        return done.returncode

    def move_halfway(self) -> None:
        """Kill a migration after its first writes."""
        child = subprocess.Popen(
            self.migration(),
            env=self.bus.env | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(PASSWORD.encode())
        child.stdin.close()
        while line := child.stderr.readline():
            if b'"step"' in line or b'"progress"' in line:
                break
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stderr.close()

    def told(self) -> int:
        """Give the number of pending files that ``status`` tells of, and see ``doctor`` agree."""
        ours = {"PYTHONPATH": str(ROOT)}
        status = json.loads(self.bus.run(self.command("status", "--json"), env=ours).stdout)
        doctor = self.bus.run(self.command("doctor"), env=ours, check=False).stdout
        pending = status["store"]["pending"]
        assert isinstance(pending, int)
        assert ("not moved yet" in doctor) == bool(pending)
        return pending

    def do_without(self) -> None:
        """Decide to do without the wallet."""
        words = self.command("migrate", "--start-without", WALLET)
        self.bus.run(words, env={"PYTHONPATH": str(ROOT)})


@contextmanager
def _scene(bus: PrivateBus, kind: str) -> Iterator[Scene]:
    with ExitStack() as stack:
        if kind == "file":
            password = bus.home / "keyring-password"
            password.write_bytes(KEYRING_PASSWORD.reveal() + b"\n")
            password.chmod(0o600)
            yield Scene(bus, f"file:{bus.data}/keyrings/own.keyring", password)
            return
        if kind == "gnome-keyring":
            stack.enter_context(GnomeKeyring(bus))
        else:
            display = stack.enter_context(Xvfb(bus))
            # Saving after every change in a thread of its own, it crashes under many writes.
            stack.enter_context(KeePassXC(bus, display, autosave=False))
        yield Scene(bus, "secret-service")


def _nothing(_: Scene) -> None:
    pass


def _pending(scene: Scene) -> None:
    place_wallet(scene.bus.data, CONTENT)


def _gpg(scene: Scene) -> None:
    place_gpg_wallet(scene.bus.data)


def _half(scene: Scene) -> None:
    _pending(scene)
    scene.move_halfway()


def _moved(scene: Scene) -> None:
    _pending(scene)
    assert scene.move() == 0


STATES: dict[str, Callable[[Scene], None]] = {
    "no wallet": _nothing,
    "pending": _pending,
    "pending and GPG": _gpg,
    "half moved and killed": _half,
    "moved": _moved,
}


def _browse(bus: PrivateBus, *, asynchronous: bool) -> str:
    """Start the browser; "" if it gave up and changed nothing."""
    try:
        return Chromium(
            bus.client(), asynchronous=asynchronous, meanwhile=lambda _: None
        ).master_key()
    except FailedError:
        return ""


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("state", STATES)
def test_the_browser_never_loses_its_key(bus: PrivateBus, kind: str, state: str) -> None:
    """Both kinds of client get the old key or fail; a new key is made only where there was none."""
    with _scene(bus, kind) as scene:
        STATES[state](scene)
        with scene.bridge:
            for asynchronous in (False, True):
                found = _browse(bus, asynchronous=asynchronous)
                if state == "no wallet":
                    assert found == NEW_KEY
                elif state == "moved":
                    assert found == OLD_KEY
                elif state == "half moved and killed":
                    assert found in {"", OLD_KEY}
                else:
                    assert found == ""
        if state in {"no wallet", "pending and GPG"}:
            return
        assert scene.move() == 0
        with scene.bridge:
            assert _browse(bus, asynchronous=False) == OLD_KEY


@pytest.mark.parametrize("kind", STORES)
def test_a_migration_beside_a_running_daemon_is_noticed(bus: PrivateBus, kind: str) -> None:
    """From the wallet's arrival to an undo: gated, served, gated again, without a restart."""
    with _scene(bus, kind) as scene, scene.bridge:
        client = bus.client()
        handle = client.open(WALLET, APPID)
        place = (handle, FOLDER, KEY, APPID)
        assert client.ask("hasEntry", "isss", *place).value is False
        place_wallet(bus.data, CONTENT)
        client = bus.client()
        handle = client.open(WALLET, APPID)
        place = (handle, FOLDER, KEY, APPID)
        assert client.ask("hasEntry", "isss", *place).value is True
        assert client.ask("readPassword", "isss", *place).error
        assert scene.told() == 1
        assert scene.move() == 0
        assert scene.told() == 0
        assert client.ask("readPassword", "isss", *place).value == OLD_KEY
        undone = scene.command("migrate", "--undo", "last")
        if scene.password_file is not None:
            undone += ["--to-password-file", str(scene.password_file)]
        bus.run(undone, env={"PYTHONPATH": str(ROOT)})
        # A provider may have locked or dropped what the undo emptied: open again, as a program does.
        handle = client.open(WALLET, APPID)
        place = (handle, FOLDER, KEY, APPID)
        assert client.ask("hasEntry", "isss", *place).value is True
        assert client.ask("readPassword", "isss", *place).error
        assert client.ask("keyDoesNotExist", "sss", WALLET, FOLDER, KEY).value is False
        scene.do_without()
        assert client.ask("hasEntry", "isss", *place).value is False


def _writes(client: KWalletClient) -> list[Reply]:
    """Try to write every place that the wallet has; gives what was answered."""
    handle = client.open(WALLET, APPID)
    bodies = [
        (handle, folder, key, NEW_KEY, APPID)
        for folder, entries in CONTENT.items()
        for key in entries
    ]
    return [client.ask("writePassword", "issss", *body) for body in bodies]


@pytest.mark.parametrize("kind", STORES)
def test_a_write_to_a_gated_place_makes_no_conflict(bus: PrivateBus, kind: str) -> None:
    """Whatever programs tried to write meanwhile, the migration finds nothing in its way."""
    with _scene(bus, kind) as scene:
        _pending(scene)
        with scene.bridge:
            client = bus.client()
            assert all(reply.error for reply in _writes(client))
            handle = client.open(WALLET, APPID)
            free = (handle, "Passwords", "mine", "my own", APPID)
            assert client.ask("writePassword", "issss", *free).value == 0
            assert scene.move() == 0
            read = client.ask("readPassword", "isss", handle, FOLDER, KEY, APPID)
            assert read.value == OLD_KEY
            mine = client.ask("readPassword", "isss", handle, "Passwords", "mine", APPID)
            assert mine.value == "my own"
            listed = client.ask("entryList", "iss", handle, "Passwords", APPID).value
            assert listed == sorted([*CONTENT["Passwords"], "mine"])


@pytest.mark.parametrize("kind", STORES)
def test_programs_of_kde_frameworks_are_held_up_only_by_what_is_lacking(
    bus: PrivateBus, kind: str
) -> None:
    """kwallet-query reads what is there, and fails on what is pending instead of calling it absent."""
    with _scene(bus, kind) as scene, scene.bridge:
        client = bus.client()
        handle = client.open(WALLET, APPID)
        own = (handle, "Own", "k", "v", APPID)
        assert client.ask("writePassword", "issss", *own).value == 0
        _pending(scene)

        def query(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
            return bus.run(["kwallet-query", *words, WALLET], stdin=stdin, check=False)

        assert query("-f", "Own", "-r", "k").stdout == "v\n"
        assert OLD_KEY not in query("-f", FOLDER, "-r", KEY).stdout
        query("-f", FOLDER, "-w", KEY, stdin="new")
        assert KEY not in query("-f", FOLDER, "-l").stdout
        assert scene.move() == 0
        assert query("-f", FOLDER, "-r", KEY).stdout == f"{OLD_KEY}\n"
        assert KEY in query("-f", FOLDER, "-l").stdout


@pytest.mark.parametrize("state", ["gpg", "damaged", "unreadable"])
def test_what_nobody_can_read_is_not_opened(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge, state: str
) -> None:
    """The program gets an error that says what to do, and nothing is made; deciding helps at once."""
    assert gnome_keyring.process is not None
    assert bridge.process is not None
    if state == "gpg":
        path = place_gpg_wallet(bus.data, name="work")
    elif state == "damaged":
        path = place_bytes(bus.data, b"KWALLET", name="work")
    else:
        path = bus.data / "kwalletd" / "work.kwl"
        path.parent.mkdir(parents=True)
        path.symlink_to(bus.home / "not mounted.kwl")
    client = bus.client()
    before = client.ask("wallets", "").value
    reply = client.ask("open", "sxs", "work", 0, APPID)
    assert reply.error
    assert "--start-without" in str(reply.body)
    assert client.ask("wallets", "").value == before
    assert isinstance(before, list)
    assert "work" in before
    assert client.ask("folderDoesNotExist", "ss", "work", "any").value is False
    scene = Scene(bus, "secret-service")
    scene.bus.run(
        scene.command("migrate", "--start-without", str(path)), env={"PYTHONPATH": str(ROOT)}
    )
    assert client.ask("folderDoesNotExist", "ss", "work", "any").value is True


def test_pams_empty_wallet_holds_nobody_up(
    bus: PrivateBus, gnome_keyring: GnomeKeyring, bridge: Bridge
) -> None:
    """A first login's wallet of 60 bytes: the browser makes its key, and keeps it."""
    assert gnome_keyring.process is not None
    assert bridge.process is not None
    assert os.stat(place_wallet(bus.data, {})).st_size == 60  # noqa: PTH116  brevity
    assert _browse(bus, asynchronous=False) == NEW_KEY


def test_a_copy_of_the_store_holds_what_was_moved_into_it(bus: PrivateBus) -> None:
    """Whoever changes the store takes along that the wallet was moved: what is removed is gone."""
    with _scene(bus, "gnome-keyring") as before:
        _moved(before)
        password = bus.home / "keyring-password"
        password.write_bytes(KEYRING_PASSWORD.reveal() + b"\n")
        password.chmod(0o600)
        after = Scene(bus, f"file:{bus.data}/keyrings/own.keyring", password)
        words = ["copy", "--from", before.store, "--to", after.store, "--to-password-file"]
        bus.run(after.command(*words, str(password)), env={"PYTHONPATH": str(ROOT)})
    with after.bridge:
        client = bus.client()
        handle = client.open(WALLET, APPID)
        place = (handle, FOLDER, KEY, APPID)
        assert client.ask("readPassword", "isss", *place).value == OLD_KEY
        assert client.ask("removeEntry", "isss", *place).value == 0
        assert client.ask("hasEntry", "isss", *place).value is False


@pytest.mark.parametrize("who", ["oo7", "KDE"])
def test_what_others_say_they_moved_is_compared(bus: PrivateBus, who: str) -> None:
    """What is there may be removed, and is gone afterwards; what they left out is not absent."""
    provider: Peer = FakeDaemon(bus, "oo7") if who == "oo7" else GnomeKeyring(bus)
    with provider:
        scene = Scene(bus, "secret-service")
        moved = {FOLDER: {KEY: OLD_KEY, "other": "kept"}}
        place_wallet(bus.data, moved)
        assert scene.move() == 0
        # Whoever moved it, we know nothing of it.
        shutil.rmtree(state_path(bus.env).parent)
        path = place_wallet(bus.data, {**moved, "Mail": {"left out": "x"}})
        if who == "oo7":
            path.with_name(f"{path.name}.migrated").touch()
        else:
            listed = f"[Migration]\nWalletsMigratedToSecretService={WALLET}\n"
            bus.write_config("kwalletrc", KWALLETRC + listed)
        with scene.bridge:
            client = bus.client()
            handle = client.open(WALLET, APPID)
            left_out = (handle, "Mail", "left out", APPID)
            assert client.ask("removeEntry", "isss", *left_out).error
            assert client.ask("removeEntry", "isss", handle, FOLDER, KEY, APPID).value == 0
        provider.restart()
        with scene.bridge:
            client = bus.client()
            handle = client.open(WALLET, APPID)
            assert client.ask("hasEntry", "isss", handle, FOLDER, KEY, APPID).value is False
            other = client.ask("readPassword", "isss", handle, FOLDER, "other", APPID)
            assert other.value == "kept"
            left_out = (handle, "Mail", "left out", APPID)
            assert client.ask("hasEntry", "isss", *left_out).value is True
