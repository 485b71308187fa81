# SPDX-License-Identifier: GPL-3.0-or-later
"""What KDE's own daemon has open is moved before its names are taken over: nobody is asked."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.chromium import FOLDER, KEY, Chromium
from support.client import KWALLET
from support.installed import install_program
from support.paths import ROOT
from support.peers import PASSWORD as KWALLETD_PASSWORD
from support.peers import SECRETS, GnomeKeyring, Kwalletd, TranslationLayer
from support.private_bus import PrivateBus, end_process, private_bus
from support.processes import wait_until
from support.stand_in import write_stand_in
from support.wallet_files import place_wallet

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.cli.passwords import PasswordSource
from kwallet_bridge.cli.stores import StoreOpener
from kwallet_bridge.cli.unasked import load_open
from kwallet_bridge.errors import StoreUnavailableError
from kwallet_bridge.migrate.running import RunningDaemon

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PACKAGED = Path("/usr/share/dbus-1/services/org.kde.kwalletd5.service")
OLD_KEY = "b2xkIGtleSBvZiBhbGw="
UNASKED = ("migrate", "--from", "running", "--unasked", "--json")


@contextmanager
def _session(
    folder: Path, *, root: Path = Path("/"), generation: str = "kwalletd5"
) -> Iterator[PrivateBus]:
    """A session of gnome-keyring's, in which KDE's daemon has a browser's key in an open wallet."""
    services = folder / "share/dbus-1/services"
    services.mkdir(parents=True)
    shutil.copy(PACKAGED, services)
    inside = root != Path("/")
    with private_bus(root, system_data=folder / "share") as bus, GnomeKeyring(bus):
        daemon = Kwalletd(bus, generation=generation, inside_root=inside)
        daemon.start()
        assert daemon.process is not None
        with bus.client() as client:

            def ask(member: str, signature: str, *body: object) -> object:
                path = f"/modules/{generation}"
                return client.call(daemon.name, path, KWALLET, member, signature, body).value

            handle = ask("open", "sxs", "kdewallet", 0, "test")
            for place, text in (((FOLDER, KEY), OLD_KEY), (("Mail", "account"), "geheim")):
                assert ask("writePassword", "issss", handle, *place, text, "test") == 0
        try:
            yield bus
        finally:
            # Perhaps it has ended; its name may well be another program's by now.
            end_process(daemon.process)


def _bridge(bus: PrivateBus, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kwallet_bridge", *words]
    return bus.run(command, stdin=stdin, env={"PYTHONPATH": str(ROOT)}, check=False)


def _pending(bus: PrivateBus) -> list[bool]:
    listed = _bridge(bus, "migrate", "--list", "--json").stdout
    return [bool(json.loads(line)["pending"]) for line in listed.splitlines()]


def _is_moved(bus: PrivateBus) -> bool:
    found = bus.run(["secret-tool", "lookup", "server", FOLDER, "user", KEY], check=False)
    return found.stdout == OLD_KEY


def test_install_moves_what_kwalletd5_has_open(tmp_path: Path) -> None:
    """From KDE's daemon to ours without a password: the browser finds its key."""
    with _session(tmp_path) as bus:
        program = install_program(tmp_path / "bin/kwallet-bridge")
        done = bus.run([str(program), "session", "install"])
        assert "2 entries of wallets that KDE's daemon has open were moved" in done.stdout
        assert Chromium(bus.client(), asynchronous=True, meanwhile=lambda _: None).master_key() == (
            OLD_KEY
        )
        assert _pending(bus) == [False]


def test_what_was_moved_goes_back_with_a_failed_install(tmp_path: Path) -> None:
    """KDE's daemon goes on as before, so nothing may count as moved that it changes from now on."""
    with _session(tmp_path) as bus:
        broken = write_stand_in(tmp_path / "bin/kwallet-bridge", [])
        done = _bridge(bus, "session", "install", "--program", str(broken))
        assert done.returncode == 61
        assert "2 entries" in done.stdout
        assert not _is_moved(bus)
        assert _pending(bus) == [True]


@pytest.mark.parametrize("why", ["closed", "prompt", "locked", "declined"])
def test_what_would_be_a_question_is_left_alone(tmp_path: Path, why: str) -> None:
    """Nothing is opened, unlocked or asked for, and what somebody decided stands."""
    with _session(tmp_path) as bus:
        client = bus.client()
        if why == "closed":
            client.ask("close", "sb", "kdewallet", True)
        elif why == "prompt":
            bus.write_config("kwalletrc", "[Wallet]\nFirst Use=false\nPrompt on Open=true\n")
            client.ask("reconfigure", "")
        elif why == "locked":
            body = [["/org/freedesktop/secrets/collection/login"]]
            service = "org.freedesktop.Secret.Service"
            client.call(SECRETS, "/org/freedesktop/secrets", service, "Lock", "ao", body)
        else:
            client.ask("sync", "is", client.open(appid="test"), "test")
            assert _bridge(bus, "migrate", "--start-without", "kdewallet").returncode == 0
        done = _bridge(bus, *UNASKED)
        result = json.loads(done.stdout)
        assert (done.returncode, result["run"], result["wallets"]) == (0, None, []), done.stderr


def test_a_declined_wallet_is_not_saved_for_a_migration(tmp_path: Path) -> None:
    """To save makes another file, and so would void what somebody decided, by a dry run even."""
    with _session(tmp_path) as bus:
        client = bus.client()
        client.ask("sync", "is", client.open(appid="test"), "test")
        path = bus.data / "kwalletd/kdewallet.kwl"
        synced = path.stat().st_mtime_ns
        # Whatever was synced, kwalletd saves again some seconds after the last change.
        wait_until(lambda: path.stat().st_mtime_ns != synced)
        assert _bridge(bus, "migrate", "--start-without", "kdewallet").returncode == 0
        assert _pending(bus) == [False]
        for words in (["kdewallet", "--password-file", "-"], ["--from", "running"]):
            done = _bridge(bus, "migrate", *words, "--dry-run", stdin=KWALLETD_PASSWORD)
            assert done.returncode == 0, done.stderr
            assert ("may not have saved" in done.stderr) is (words[0] == "kdewallet")
            assert _pending(bus) == [False]


class Interrupted(RunningDaemon):
    """A kwalletd to which something happens right before a folder's entries are read."""

    how = ""

    async def _ask(
        self,
        member: str,
        signature: str = "",
        *body: object,
        timeout: float | None = 25.0,  # noqa: ASYNC109  as the method it stands for
    ) -> object:
        if member == "readEntry" and self.how == "locks":
            await super()._ask("close", "sb", "kdewallet", True)
        elif member == "readEntry":
            pid = (await self.bus.call(
                "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                "GetConnectionUnixProcessID", "s", [self.owner],
            ))[0]  # fmt: skip
            assert isinstance(pid, int)
            os.kill(pid, 9)
        return await super()._ask(member, signature, *body, timeout=timeout)


@pytest.mark.parametrize("how", ["locks", "dies"])
async def test_a_daemon_that_ends_midway_is_not_taken_for_a_smaller_wallet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Nothing of the wallet is loaded, so nothing is written, and it is pending on."""
    with _session(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        monkeypatch.setenv("XDG_DATA_HOME", str(bus.data))
        monkeypatch.setattr(Interrupted, "how", how)
        connection = await BusConnection.connect(bus.address)
        try:
            owner = await connection.name_owner("org.kde.kwalletd5")
            opener = StoreOpener(f"secret-service@{bus.address}", PasswordSource())
            daemon = Interrupted(connection, "kwalletd5", owner)
            found, refused = await load_open([daemon], bus.env, opener)
        finally:
            connection.close()
        assert found == []
        assert [type(error) for _, error in refused] == [StoreUnavailableError]
        assert _pending(bus) == [True]
        assert not _is_moved(bus)


@pytest.mark.peers
@pytest.mark.parametrize("root", ["KWB_TRIXIE_ROOT"])
def test_kwalletd6_is_read_as_well(tmp_path: Path, root: str) -> None:
    """KDE Frameworks 6.13 tells as truly what it has open."""
    with _session(tmp_path, root=Path(os.environ[root]), generation="kwalletd6") as bus:
        done = _bridge(bus, *UNASKED)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["wallets"][0]["verified"] >= 2
        assert _is_moved(bus)
        again = json.loads(_bridge(bus, *UNASKED).stdout)
        assert (again["run"], again["wallets"]) == (None, [])


@pytest.mark.peers
@pytest.mark.parametrize("words", [UNASKED, ("migrate", "--from", "running", "Login", "--json")])
def test_a_kwalletd6_that_does_not_have_the_file_moves_nothing(words: tuple[str, ...]) -> None:
    """KDE Frameworks 6.30 has the provider's wallet open: the file of that name is pending on."""
    with (
        private_bus(Path(os.environ["KWB_SID_ROOT"])) as bus,
        GnomeKeyring(bus, inside_root=True),
        TranslationLayer(bus) as layer,
        bus.client() as client,
    ):

        def ask(member: str, signature: str, *body: object) -> object:
            path = "/modules/kwalletd6"
            return client.call(layer.name, path, KWALLET, member, signature, body).value

        handle = ask("open", "sxs", "Login", 0, "test")
        assert ask("writePassword", "issss", handle, "Own", "k", "v", "test") == 0
        place_wallet(bus.data, {FOLDER: {KEY: OLD_KEY}}, name="Login")
        assert ask("isOpen", "s", "Login") is True
        result = json.loads(_bridge(bus, *words).stdout)
        assert result["run"] is None
        assert [one["error"] for one in result["refused"]] == ["StoreUnavailableError"]
        assert _pending(bus) == [True]
