# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrate command against real gnome-keyring."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from support.migrated import connect, read_everything
from support.paths import ROOT, VECTORS
from support.peers import SECRETS, GnomeKeyring
from support.private_bus import private_bus

from kwallet_bridge.kwl.kdf import derive_pbkdf2_key
from kwallet_bridge.qtstream import encode_map, encode_string
from kwallet_bridge.secret import Secret
from kwallet_bridge.secretservice.text_keyrings import MEANING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from support.private_bus import PrivateBus

COMMAND = [sys.executable, "-m", "kwallet_bridge"]


def bridge(
    bus: PrivateBus, *arguments: str, stdin: str = "", check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run our command on the private bus."""
    env = {"PYTHONPATH": str(ROOT)}
    return bus.run([*COMMAND, *arguments], stdin=stdin, env=env, check=check)


def place_vector(bus: PrivateBus, name: str, *, as_name: str = "kdewallet") -> Path:
    """Put a test vector where KDE keeps wallets; its password is what standard input needs."""
    folder = bus.data / "kwalletd"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".kwl", ".salt"):
        source = VECTORS / (name + suffix)
        if source.exists():
            shutil.copy(source, folder / (as_name + suffix))
    attributes = VECTORS / (name + ".attributes-json")
    if attributes.exists():
        shutil.copy(attributes, folder / (as_name + "_attributes.json"))
    return folder / (as_name + ".kwl")


def items(bus: PrivateBus) -> int:
    """Count the items of the login collection that are not the migrator's."""
    client = bus.client()
    path = "/org/freedesktop/secrets/collection/login"
    found = client.call(
        SECRETS, path, "org.freedesktop.DBus.Properties", "Get", "ss",
        ["org.freedesktop.Secret.Collection", "Items"],
    ).value  # fmt: skip
    assert isinstance(found, tuple)
    keys = client.call(
        SECRETS, path, "org.freedesktop.Secret.Collection", "SearchItems", "a{ss}",
        [{"xdg:schema": "org.kwallet_bridge.JournalKey"}],
    ).value  # fmt: skip
    assert isinstance(keys, list)
    return len(found[1]) - len(keys)


@pytest.fixture
def keyring(bus: PrivateBus, gnome_keyring: GnomeKeyring) -> PrivateBus:
    """A private bus with gnome-keyring on it."""
    assert gnome_keyring.process is not None
    return bus


def test_a_wallet_is_found_and_migrated(keyring: PrivateBus) -> None:
    """Without arguments the wallet in KDE's folder is migrated and verified; again writes nothing."""
    place_vector(keyring, "pw-005")
    before = {path: path.read_bytes() for path in (keyring.data / "kwalletd").iterdir()}
    dry = bridge(keyring, "migrate", "--dry-run", "--password-file", "-", stdin="corre")
    assert (dry.returncode, items(keyring)) == (0, 0), dry.stderr
    done = bridge(keyring, "migrate", "--json", "--password-file", "-", stdin="corre")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    (wallet,) = result["wallets"]
    assert wallet["verified"] == len(wallet["rows"]) == items(keyring)
    again = bridge(keyring, "migrate", "--json", "--password-file", "-", stdin="corre")
    assert again.returncode == 0
    assert json.loads(again.stdout)["run"] is None
    undone = bridge(keyring, "migrate", "--undo", result["run"])
    assert undone.returncode == 0, undone.stderr
    assert items(keyring) == 0
    assert {path: path.read_bytes() for path in (keyring.data / "kwalletd").iterdir()} == before


def test_a_wrong_password_has_its_exit_code(keyring: PrivateBus) -> None:
    """A wrong password writes nothing and exits with 6."""
    place_vector(keyring, "pw-005")
    done = bridge(keyring, "migrate", "--password-file", "-", stdin="wrong")
    assert done.returncode == 6
    assert items(keyring) == 0


def test_a_window_answers_for_the_person(keyring: PrivateBus) -> None:
    """With --answers passwords are asked by events and answered on standard input."""
    place_vector(keyring, "pw-005")
    answers = '{"id": 1, "password": "wrong"}\n{"id": 2, "password": "corre"}\n'
    done = bridge(keyring, "migrate", "--json", "--answers", "-", stdin=answers)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["type"] for line in done.stderr.splitlines()]
    assert events[:3] == ["need-password", "need-password", "plan"]
    assert {"progress"} == set(events[3:])
    assert "corre" not in done.stdout + done.stderr


def test_a_login_key_answers_too(keyring: PrivateBus) -> None:
    """A program that has the wallet's key and no password moves it; a wrong key is one try less."""
    place_vector(keyring, "pw-005")
    salt = (VECTORS / "pw-005.salt").read_bytes()
    key = derive_pbkdf2_key(Secret(b"corre"), salt).reveal().hex()
    answers = json.dumps({"id": 1, "key": "00" * 56}) + "\n" + json.dumps({"id": 2, "key": key})
    done = bridge(keyring, "migrate", "--json", "--answers", "-", stdin=answers + "\n")
    assert done.returncode == 0, done.stderr
    assert key not in done.stdout + done.stderr


def test_secret_service_items_are_found_by_their_programs(keyring: PrivateBus) -> None:
    """Items ksecretd kept in a wallet are found again by secret-tool."""
    place_vector(keyring, "secret-service", as_name="ss wallet")
    done = bridge(
        keyring, "migrate", "--collection", "kdewallet", "--password-file", "-", stdin="ss"
    )
    assert done.returncode == 0, done.stderr
    found = keyring.run(["secret-tool", "lookup", "host", "mail.example", "user", "anna"])
    assert found.stdout == "pässword"
    assert keyring.run(["secret-tool", "lookup", "user", "bert"]).stdout == (
        "second of the same label"
    )


def test_a_locked_provider_that_cannot_ask_is_told(
    bus: PrivateBus, gnome_keyring: GnomeKeyring
) -> None:
    """A locked collection whose prompt nobody accepts ends with exit code 4 and no run."""
    place_vector(bus, "pw-005")
    gnome_keyring.password = "wrong"
    gnome_keyring.restart()
    done = bridge(bus, "migrate", "--json", "--password-file", "-", stdin="corre")
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["error"] in {"PromptDismissedError", "StoreLockedError"}
    runs = bridge(bus, "migrate", "--runs", "--json")
    assert (runs.returncode, runs.stdout) == (0, "")


def test_without_a_provider_it_is_told(bus: PrivateBus) -> None:
    """Without any provider the command ends with exit code 5."""
    place_vector(bus, "pw-005")
    done = bridge(bus, "migrate", "--password-file", "-", stdin="corre")
    assert done.returncode == 5, done.stderr


def test_a_keyring_file_is_a_destination(bus: PrivateBus) -> None:
    """Without a provider a wallet goes into a keyring file, which is verified and undone."""
    place_vector(bus, "pw-005")
    password = bus.home / "password"
    password.write_text("a long password for the file")
    store = ["--to", f"file:{bus.home / 'my.keyring'}", "--to-password-file", str(password)]
    done = bridge(bus, "migrate", "--json", *store, "--password-file", "-", stdin="corre")
    assert done.returncode == 0, done.stderr + done.stdout
    (wallet,) = json.loads(done.stdout)["wallets"]
    assert wallet["verified"] == len(wallet["rows"])
    undone = bridge(bus, "migrate", *store, "--undo", "last")
    assert undone.returncode == 0, undone.stderr


PEM = "-----BEGIN KEY-----\nYQ\\n==\n-----END KEY-----\n"
EXPORT = f"""<?xml version="1.0" encoding="UTF-8"?>
<wallet name="kdewallet">
 <folder name="Keys">
  <password name="pem">{PEM}</password>
  <password name="backslashes">\\\\server\\new</password>
  <map name="map"><mapEntry name="a\\n">\tx\\</mapEntry></map>
 </folder>
</wallet>
"""


@pytest.fixture
def text_keyring(bus: PrivateBus) -> Iterator[GnomeKeyring]:
    """A gnome-keyring without a password: its file is text."""
    with GnomeKeyring(bus, password="") as peer:
        yield peer


async def read_all(bus: PrivateBus) -> dict[str, bytes]:
    """Read every entry as programs are given it."""
    opened = await connect(bus.address)
    try:
        found = await read_everything(opened)
        return {key: value for folder in found.values() for key, (_, value) in folder.items()}
    finally:
        await opened.close()


async def test_what_a_keyring_without_a_password_gives_back(
    bus: PrivateBus, text_keyring: GnomeKeyring
) -> None:
    """The command says that nothing is encrypted; after a restart all is there, and is undone."""
    (bus.home / "export.xml").write_text(EXPORT)
    done = bridge(bus, "migrate", str(bus.home / "export.xml"))
    assert done.returncode == 0, done.stderr
    assert f"warning: {MEANING}" in done.stdout
    text_keyring.restart()
    assert await read_all(bus) == {
        "pem": encode_string(PEM),
        "backslashes": encode_string("\\\\server\\new"),
        "map": encode_map({"a\\n": "\tx\\"}),
    }
    undone = bridge(bus, "migrate", "--undo", "last")
    assert (undone.returncode, undone.stdout) == (0, "3 removed\n")
    text_keyring.restart()
    assert await read_all(bus) == {}


async def test_another_programs_lines_are_not_put_where_they_would_be_lost(
    bus: PrivateBus, text_keyring: GnomeKeyring
) -> None:
    """An item that is no KWallet entry keeps its form, so it stays out of a file of text."""
    with private_bus() as other, GnomeKeyring(other):
        for name, secret in (("key", PEM), ("word", "plain")):
            command = ["secret-tool", "store", "--label", name, "program", name]
            other.run(command, stdin=secret)
        done = bridge(bus, "copy", "--json", "--from", f"secret-service@{other.address}")
    assert done.returncode == 3, done.stderr
    (wallet,) = json.loads(done.stdout)["wallets"]
    ends = {row["label"]: (row["outcome"], row.get("reason")) for row in wallet["rows"]}
    assert ends == {
        "key": ("unsupported", "lost-by-unencrypted-keyring"),
        "word": ("created", None),
    }
    text_keyring.restart()
    assert bus.run(["secret-tool", "lookup", "program", "word"]).stdout == "plain"


def test_the_doctor_names_a_keyring_without_a_password(
    bus: PrivateBus, text_keyring: GnomeKeyring
) -> None:
    """One line of ``doctor`` says which keyring is not encrypted and what that means."""
    assert text_keyring.process is not None
    lines = bridge(bus, "doctor").stdout.splitlines()
    assert [line.strip() for line in lines if MEANING in line] == [f"login: {MEANING}"]


BROKEN = b"""<?xml version="1.0" encoding="UTF-8"?>
<wallet name="kdewallet">
 <folder name="f">
  <password name="good">a\x01\r\nb</password>
  <stream name="blob">AA=A!</stream>
 </folder>
</wallet>
"""


async def test_an_export_with_a_bad_entry_is_migrated_without_it(keyring: PrivateBus) -> None:
    """The bad entry is named with its line and costs nothing but itself."""
    (keyring.home / "export.xml").write_bytes(BROKEN)
    done = bridge(keyring, "migrate", str(keyring.home / "export.xml"))
    assert done.returncode == 3
    assert "warning: line 6: f/blob is not read: its value is no base64" in done.stdout
    assert "unsupported   kdewallet: f/blob" in done.stdout
    assert await read_all(keyring) == {"good": encode_string("a\x01\r\nb")}
