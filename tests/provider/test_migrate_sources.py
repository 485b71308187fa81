# SPDX-License-Identifier: GPL-3.0-or-later
"""A running kwalletd5 as the source, copies between real stores, and repair of real items."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT
from support.peers import Bridge, GnomeKeyring, Kwalletd
from support.private_bus import PrivateBus, private_bus

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.errors import StoreUnavailableError
from kwallet_bridge.migrate.running import RunningDaemon
from kwallet_bridge.model import WalletName
from kwallet_bridge.qtstream import encode_map

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "kwallet_bridge"]
NEW_PASSWORD = "a password for the file"


def bridge(bus: PrivateBus, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run our command on a private bus."""
    return bus.run([*COMMAND, *arguments], stdin=stdin, env={"PYTHONPATH": str(ROOT)}, check=False)


@pytest.fixture
def bridge_daemon(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[Bridge]:
    """Our own daemon over gnome-keyring."""
    assert gnome_keyring.process is not None
    with Bridge(bus) as daemon:
        yield daemon


@pytest.fixture
def kwalletd(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> Iterator[Kwalletd]:
    """A real kwalletd5 beside gnome-keyring, with some entries not yet saved."""
    assert gnome_keyring.process is not None
    with Kwalletd(bus) as daemon:
        client = bus.client()
        handle = client.open()
        client.ask("createFolder", "iss", handle, "Empty", "test")
        for key, text in (("mail", "pä$$"), ("*", "wild"), ("none", "")):
            client.ask("writePassword", "issss", handle, "F", key, text, "test")
        client.ask("writeEntry", "issayis", handle, "F", "blob", b"\0\xff", 2, "test")
        client.ask("writeMap", "issays", handle, "F", "map", encode_map({"a": "b"}), "test")
        yield daemon


def test_a_running_kwalletd_is_read(bus: PrivateBus, kwalletd: Kwalletd) -> None:
    """Everything a running kwalletd5 holds arrives, empty folders and odd keys too."""
    assert kwalletd.process is not None
    done = bridge(bus, "migrate", "--from", "running", "--json")
    assert done.returncode == 0, done.stderr
    (wallet,) = json.loads(done.stdout)["wallets"]
    found = {(row["folder"], row.get("key")): row["entry_type"] for row in wallet["rows"]}
    assert found == {
        ("Empty", None): "folder",
        ("F", "mail"): "password",
        ("F", "*"): "password",
        ("F", "none"): "password",
        ("F", "blob"): "stream",
        ("F", "map"): "map",
    }
    assert wallet["verified"] == len(found)
    for key, text in (("mail", "pä$$"), ("*", "wild"), ("blob", "AP8="), ("map", '{"a":"b"}')):
        shown = bus.run(["secret-tool", "lookup", "server", "F", "user", key]).stdout
        assert shown == text


class ClosedMeanwhile(RunningDaemon):
    """A kwalletd whose wallet a person closes right before a call of ours."""

    member = ""

    async def _ask(
        self,
        member: str,
        signature: str = "",
        *body: object,
        timeout: float | None = 25.0,  # noqa: ASYNC109
    ) -> object:
        if member == self.member:
            await super()._ask("close", "sb", "kdewallet", True)
        return await super()._ask(member, signature, *body, timeout=timeout)


@pytest.mark.parametrize("member", ["folderList", "entryList", "readEntry", "entryType"])
async def test_a_wallet_that_is_closed_while_it_is_read_is_not_taken_for_a_smaller_one(
    bus: PrivateBus, kwalletd: Kwalletd, member: str
) -> None:
    """To a handle that is closed kwalletd answers with nothing, and with no error."""
    assert kwalletd.process is not None
    connection = await BusConnection.connect(bus.address)
    owner = await connection.name_owner("org.kde.kwalletd5")
    daemon = ClosedMeanwhile(connection, "kwalletd5", owner)
    try:
        whole = await daemon.read_wallet(WalletName("kdewallet"))
        assert sum(len(folder.entries) for folder in whole.folders) == 5
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClosedMeanwhile, "member", member)
            with pytest.raises(StoreUnavailableError, match="closed"):
                await daemon.read_wallet(WalletName("kdewallet"))
    finally:
        connection.close()


def test_kwalletd_saves_before_its_file_is_read(bus: PrivateBus, kwalletd: Kwalletd) -> None:
    """A wallet file is read with the changes a running kwalletd had not saved yet."""
    assert kwalletd.process is not None
    done = bridge(bus, "migrate", "--json", "--password-file", "-", stdin="correct horse")
    assert done.returncode == 0, done.stderr
    (wallet,) = json.loads(done.stdout)["wallets"]
    assert {row.get("key") for row in wallet["rows"]} >= {"mail", "*", "blob", "map"}


def test_copies_go_anywhere_and_back(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> None:
    """Foreign items go from one provider through a file into another as they were."""
    assert gnome_keyring.process is not None
    store = ["secret-tool", "store", "--label", "my label", "application", "chrome"]
    bus.run(store, stdin="s3cret")
    path = f"file:{bus.home / 'copy.keyring'}"
    arguments = ["copy", "--from", "secret-service", "--to", path, "--to-password-file", "-"]
    done = bridge(bus, *arguments, "--move", stdin=NEW_PASSWORD)
    assert done.returncode == 0, done.stderr + done.stdout
    assert bus.run(["secret-tool", "lookup", "application", "chrome"], check=False).stdout == ""
    with private_bus() as other, GnomeKeyring(other):
        arguments = ["copy", "--from", path, "--to", f"secret-service@{other.address}"]
        done = bridge(bus, *arguments, "--from-password-file", "-", stdin=NEW_PASSWORD)
        assert done.returncode == 0, done.stderr + done.stdout
        found = other.run(["secret-tool", "search", "--all", "application", "chrome"])
        assert "label = my label\n" in found.stdout
        assert "secret = s3cret\n" in found.stdout


def test_what_oo7_left_is_repaired(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> None:
    """An item as oo7 leaves it is found by QtKeychain's query after repair."""
    assert gnome_keyring.process is not None
    left = ["server", "F", "user", "k", "type", "password"]
    bus.run(["secret-tool", "store", "--label", "Kdewallet", *left], stdin="s3cret")
    done = bridge(bus, "repair", "--json")
    assert done.returncode == 0, done.stderr
    wanted = ["server", "F", "user", "k", "type", "plaintext", "xdg:schema", "org.qt.keychain"]
    assert bus.run(["secret-tool", "lookup", *wanted]).stdout == "s3cret"
    assert bus.run(["secret-tool", "lookup", *left], check=False).stdout == ""


def test_our_own_daemon_is_no_source(bus: PrivateBus, bridge_daemon: Bridge) -> None:
    """With only the bridge under kwalletd's names there is nothing running to migrate from."""
    assert bridge_daemon.process is not None
    assert bridge(bus, "migrate", "--from", "running").returncode == 5


def test_no_secret_is_told_or_kept(bus: PrivateBus, kwalletd: Kwalletd) -> None:
    """Neither output, events nor journal hold a value in clear, hex, base64 or UTF-16."""
    assert kwalletd.process is not None
    canary = "canary-Wk9x-secret"
    client = bus.client()
    handle = client.open()
    client.ask("writePassword", "issss", handle, "F", "mail", canary, "test")
    old = ["server", "F", "user", "mail", "type", "plaintext", "xdg:schema", "org.qt.keychain"]
    bus.run(["secret-tool", "store", "--label", "F/mail", *old], stdin=f"{canary}-old")
    done = bridge(bus, "migrate", "--from", "running", "--json", "--on-conflict", "replace")
    assert done.returncode == 0, done.stderr
    assert bus.run(["secret-tool", "lookup", *old]).stdout == canary
    files = [path for path in (bus.home / ".local/state").rglob("*") if path.is_file()]
    assert files
    texts = [done.stdout.encode(), done.stderr.encode(), *(path.read_bytes() for path in files)]
    raw = canary.encode()
    forms = [raw, raw.hex().encode(), base64.b64encode(raw)[:20], canary.encode("utf-16-be")]
    assert not [form for form in forms for text in texts if form in text]
    undone = bridge(bus, "migrate", "--undo", "last", "--json")
    assert canary not in undone.stdout + undone.stderr
    assert bus.run(["secret-tool", "lookup", *old]).stdout == f"{canary}-old"


def test_a_store_is_not_moved_onto_itself(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> None:
    """A provider or file named in two ways keeps every item when it is moved onto itself."""
    assert gnome_keyring.process is not None
    bus.run(["secret-tool", "store", "--label", "mine", "a", "b"], stdin="s3cret")
    address = f"secret-service@{bus.address}"
    done = bridge(bus, "copy", "--move", "--json", "--from", "secret-service", "--to", address)
    assert (done.returncode, json.loads(done.stdout)["removed"]) == (2, 0), done.stderr
    assert bus.run(["secret-tool", "lookup", "a", "b"]).stdout == "s3cret"
    password = bus.home / "password"
    password.write_text(NEW_PASSWORD)
    path, same = f"file:{bus.home / 'my.keyring'}", f"file:{bus.home / '.' / '..' / bus.home.name}"
    into = ["--to", path, "--to-password-file", str(password)]
    assert bridge(bus, "copy", "--from", "secret-service", *into).returncode == 0
    before = (bus.home / "my.keyring").read_bytes()
    out_of = ["--from", f"{same}/my.keyring", "--from-password-file", str(password)]
    done = bridge(bus, "copy", "--move", *out_of, *into)
    assert done.returncode == 2, done.stdout
    again = bridge(bus, "copy", "--dry-run", "--json", *out_of)
    assert json.loads(again.stdout)["wallets"][0]["counts"] == {"item": {"same": 1}}
    assert len((bus.home / "my.keyring").read_bytes()) == len(before)


def test_a_file_that_is_not_there_is_no_empty_store(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """Copying from a keyring file that does not exist is an error, and makes no file."""
    assert gnome_keyring.process is not None
    done = bridge(bus, "copy", "--from", f"file:{bus.home / 'gone.keyring'}")
    assert done.returncode == 5
    assert not (bus.home / "gone.keyring").exists()
