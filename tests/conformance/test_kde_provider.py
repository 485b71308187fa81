# SPDX-License-Identifier: GPL-3.0-or-later
"""KDE's daemon as the Secret Service provider itself, as up to KDE Frameworks 6.13."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dbus_fast import Variant
from support.installed import install_program
from support.keyrings import PASSWORD as FILE_PASSWORD
from support.keyrings import keyring_bytes
from support.paths import ROOT, VECTORS
from support.peers import PASSWORD, SECRETS, Bridge, GnomeKeyring, Kwalletd
from support.private_bus import PrivateBus, end_process, private_bus
from support.stand_in import write_stand_in

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.keyringfile.backend import KeyringFileBackend
from kwallet_bridge.keyringfile.sources import KnownPassword
from kwallet_bridge.secret import Secret
from kwallet_bridge.session.kde_provider import find_kde_provider
from kwallet_bridge.statefile import state_path

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

NAMES = (SECRETS, "org.kde.kwalletd6", "org.kde.kwalletd5")
SERVICE_PATH = "/org/freedesktop/secrets"
SERVICE = "org.freedesktop.Secret.Service"


@contextlib.contextmanager
def monolith(bus: PrivateBus, program: Path) -> Iterator[None]:
    """Run a stand-in that owns what kwalletd6 6.13 was seen to own."""
    process = bus.start([str(write_stand_in(program, NAMES))])
    for name in NAMES:
        bus.wait_for_name(name, process=process)
    yield
    end_process(process)


def run(bus: PrivateBus, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of this tree."""
    command = [sys.executable, "-m", "kwallet_bridge", *words]
    return bus.run(command, stdin=stdin, env={"PYTHONPATH": str(ROOT)}, check=False)


def install(bus: PrivateBus, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Install this tree's program."""
    program = install_program(folder / "bin/kwallet-bridge")
    return run(bus, "session", "install", "--program", str(program), *words)


def keep_items(bus: PrivateBus) -> None:
    """Put a wallet in place that holds items of the Secret Service."""
    folder = bus.data / "kwalletd"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, name in (
        (".kwl", ".kwl"),
        (".salt", ".salt"),
        (".attributes-json", "_attributes.json"),
    ):
        shutil.copy(VECTORS / f"secret-service{suffix}", folder / f"kdewallet{name}")


def files_below(folder: Path) -> set[str]:
    """Name every file below a folder but the locks."""
    return {str(path) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_it_is_not_ended_where_nobody_would_keep_secrets(bus: PrivateBus, tmp_path: Path) -> None:
    """Install refuses, names both ways out, and leaves the daemon and every file alone."""
    before = files_below(bus.home)
    with monolith(bus, tmp_path / "kwalletd6"):
        done = install(bus, tmp_path)
        assert bus.client().name_owner(SECRETS)
    assert done.returncode == 61
    assert "nobody would be once it has ended" in done.stderr
    assert "install gnome-keyring, KeePassXC or oo7" in done.stderr
    assert "session install --store file" in done.stderr
    assert files_below(bus.home) == before


@pytest.mark.parametrize("words", [("--store", "file"), ()], ids=["file", "provider"])
def test_it_is_not_ended_while_it_alone_keeps_items(
    bus: PrivateBus, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """What programs of the Secret Service keep in it must be moved before, whoever serves next."""
    keep_items(bus)
    if not words:
        bus.make_activatable(SECRETS, ["/bin/false"])
    with monolith(bus, tmp_path / "kwalletd6"):
        done = install(bus, tmp_path, *words)
        assert bus.client().name_owner(SECRETS)
    assert done.returncode == 61
    assert "which would find nothing once it has ended" in done.stderr
    assert "kwallet-bridge migrate" in done.stderr
    assert not state_path(bus.env).exists()


@pytest.mark.parametrize("command", ["migrate", "copy"])
def test_nothing_is_moved_into_it(bus: PrivateBus, tmp_path: Path, command: str) -> None:
    """It is no destination, and the refusal names the ways out."""
    words: tuple[str, ...] = (str(VECTORS / "dialog-empty-pw.kwl"), "--password-file", "-")
    if command == "copy":
        password = tmp_path / "password"
        password.write_bytes(FILE_PASSWORD.reveal())
        password.chmod(0o600)
        (tmp_path / "x.keyring").write_bytes(keyring_bytes(3))
        file = ("--from", f"file:{tmp_path / 'x.keyring'}", "--from-password-file", str(password))
        words = (*file, "--to", "secret-service")
    with monolith(bus, tmp_path / "kwalletd6"):
        done = run(bus, command, *words)
    assert "KDE's daemon itself is the Secret Service provider" in done.stderr + done.stdout
    assert done.returncode == 22


async def test_it_is_known_by_who_owns_which_names(bus: PrivateBus, tmp_path: Path) -> None:
    """One process at both names is it, whatever its program is called; two are not."""
    connection = await BusConnection.connect(bus.address)
    with monolith(bus, tmp_path / "renamed"):
        found = await find_kde_provider(connection)
    assert found is not None
    assert found.program == "renamed"
    with GnomeKeyring(bus), Bridge(bus):
        assert await find_kde_provider(connection) is None
    connection.close()


ITEM = {"app": "mail client", "user": "me"}


def store_item(bus: PrivateBus, value: bytes) -> None:
    """Store an item through the real program, as libsecret does."""
    client = bus.client()
    client.subscribe("type='signal',member='Completed'")
    _, session = client.call(
        SECRETS, SERVICE_PATH, SERVICE, "OpenSession", "sv", ["plain", Variant("s", "")]
    ).body
    wallet = f"{SERVICE_PATH}/collection/kdewallet"
    _, prompt = client.call(SECRETS, SERVICE_PATH, SERVICE, "Unlock", "ao", [[wallet]]).body
    if prompt != "/":
        client.call(SECRETS, str(prompt), "org.freedesktop.Secret.Prompt", "Prompt", "s", [""])
        client.wait_signal("Completed")
    item = "org.freedesktop.Secret.Item"
    properties = {
        f"{item}.Label": Variant("s", "mail"),
        f"{item}.Attributes": Variant("a{ss}", ITEM),
    }
    secret = [session, b"", value, "text/plain"]
    made = client.call(
        SECRETS, wallet, "org.freedesktop.Secret.Collection", "CreateItem", "a{sv}(oayays)b",
        [properties, secret, True],
    )  # fmt: skip
    assert not made.error, made


async def read_items(path: Path) -> list[tuple[dict[str, str], bytes]]:
    """Read the items of programs of the Secret Service in a keyring file."""
    backend = KeyringFileBackend(path, KnownPassword(Secret(PASSWORD.encode())))
    (main,) = await backend.collections()
    await backend.unlock(main.id)
    found = await backend.search(main.id, {"app": ITEM["app"]})
    infos, secrets = await backend.read_items(found), await backend.read_secrets(found)
    await backend.close()
    return [(dict(infos[i].attributes), secrets[i].value.reveal()) for i in found]


@pytest.mark.peers
async def test_the_real_one_is_replaced_when_its_items_were_moved(tmp_path: Path) -> None:
    """kwalletd6 6.13 goes only once a file has what it kept, the item with its attributes."""
    root = Path(os.environ["KWB_TRIXIE_ROOT"])
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    with private_bus(root, system_data=tmp_path / "share") as bus:
        daemon = Kwalletd(bus, generation="kwalletd6", inside_root=True)
        daemon.start()
        client = bus.client()
        handle = client.call(
            "org.kde.kwalletd6", "/modules/kwalletd6", "org.kde.KWallet", "open", "sxs",
            ["kdewallet", 0, "t"],
        ).value  # fmt: skip
        store_item(bus, b"geheim")
        client.call(
            "org.kde.kwalletd6", "/modules/kwalletd6", "org.kde.KWallet", "sync", "is",
            [handle, "t"],
        )  # fmt: skip
        chosen = bus.home / "mine.keyring"
        words = ("--store", f"file:{chosen}")
        refused = install(bus, tmp_path, *words)
        assert "would find nothing once it has ended" in refused.stderr
        assert bus.client().name_owner(SECRETS)
        given = ("--password-file", str(password), "--to-password-file", str(password))
        moved = run(bus, "migrate", "--to", f"file:{chosen}", *given)
        assert moved.returncode == 0, moved.stdout + moved.stderr
        done = install(bus, tmp_path, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "find no service from now on" in done.stdout
        assert daemon.process is not None
        assert daemon.process.wait(20) == 0
        assert bus.client().name_owner(SECRETS) == ""
        assert await read_items(chosen) == [(ITEM, b"geheim")]
