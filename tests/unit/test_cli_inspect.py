# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT, VECTORS
from support.vector_reading import TO_OPEN, check_inspected, inspect, lay_out
from support.vectors import Vector, load_vector

from kwallet_bridge.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", autouse=True)
def _scratch_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("XDG_DATA_HOME", raising=False)
        yield


@pytest.mark.parametrize(
    "vector",
    [vector for vector in TO_OPEN if not vector.is_gpg],
    ids=lambda vector: vector.name,
)
def test_every_vector(vector: Vector, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Contents, name, warnings, error class and exit code are the vector's, from its files."""
    check_inspected(vector, tmp_path, capsys)


def test_values_are_shown_only_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --reveal neither form of the output holds a value."""
    wallet, password = lay_out(load_vector("secret-service"), tmp_path)
    for form in (["--json"], []):
        assert run(["inspect", wallet, "--password-file", password, *form]) == 0
        shown = capsys.readouterr().out
        assert "Mail account__0_" in shown
        assert not any(value in shown for value in ("second of the same", "plain", "mail.example"))


def test_text_with_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text form shows every kind of value, null told apart, and nothing a terminal obeys."""
    shown = ""
    for name in ("nulls", "unknown-types", "surrogates", "malformed-values"):
        wallet, password = lay_out(load_vector(name), tmp_path)
        run(["inspect", wallet, "--reveal", "--password-file", password])
        shown += capsys.readouterr().out
    for part in (
        "null value = (null)",
        "(unknown type 99)",
        "base64 aGVsbG8gdW5rbm93bg==",
        "a\\x00b",
        "\\ud83d lone",
        "(password, malformed)",
        "warning unknown-type",
    ):
        assert part in shown


def test_a_refusal_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the refusal goes to standard error, with the class's exit code."""
    assert run(["inspect", str(VECTORS / "bad-magic.kwl")]) == 30
    captured = capsys.readouterr()
    assert not captured.out
    assert "not a KWallet file" in captured.err


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_a_file_that_is_none(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read as a regular file is class ``io``, and a pipe does not hang us."""
    path = tmp_path / "w.kwl"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    code, shown = inspect(str(path), capsys=capsys)
    assert (code, shown["error"]) == (38, "io")


def test_an_unusable_password_file_is_told_in_json_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors of other families have a class of their own name."""
    wallet, _ = lay_out(load_vector("pw-005"), tmp_path)
    code, shown = inspect(wallet, "--password-file", "/nonexistent", capsys=capsys)
    assert (code, shown["error"]) == (2, "usage")


@pytest.mark.parametrize("newer", [True, False])
def test_a_newer_salt_is_hinted_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, newer: bool
) -> None:
    """A salt made after the wallet may not be the wallet's own."""
    wallet, password = lay_out(load_vector("bad-wrong-salt"), tmp_path)
    os.utime(wallet, (1000, 1000))
    os.utime(wallet.replace(".kwl", ".salt"), (1000 + newer, 1000 + newer))
    _, shown = inspect(wallet, "--password-file", password, capsys=capsys)
    assert ("newer" in shown["message"]) == newer


def test_the_salt_of_a_wallet_opened_by_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in the wallet folder under the wallet's encoded path."""
    vector = load_vector("open-path")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data" / "kwalletd"
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "w ö.kwl"
    shutil.copyfile(vector.path, elsewhere)
    stem = str(elsewhere).replace("/", ";2F").replace("ö", ";C3;B6")
    assert vector.salt is not None
    (folder / f"{stem}.salt").write_bytes(vector.salt)
    (tmp_path / "password").write_text(vector.expected["password"])
    code, shown = inspect(
        str(elsewhere), "--reveal", f"--password-file={tmp_path / 'password'}", capsys=capsys
    )
    assert (code, shown["folders"]) == (0, vector.folders)


def test_the_items_of_the_secret_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--reveal --json lists the attributes that lie beside the wallet."""
    wallet, password = lay_out(load_vector("secret-service"), tmp_path)
    _, shown = inspect(wallet, "--reveal", "--password-file", password, capsys=capsys)
    assert {
        "folder": "Secret Service",
        "key": "Mail account",
        "attributes": {
            "host": "mail.example",
            "user": "anna",
            "xdg:schema": "org.example.Mail",
        },
        "content_type": "text/plain",
        "created": 1795323284,
        "modified": 1795323284,
    } in shown["items"]


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """Output into a pipe that nobody reads ends with 141 and without a traceback."""
    wallet, password = lay_out(load_vector("pw-005"), tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "kwallet_bridge", "inspect", wallet, "--password-file", password],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        cwd=ROOT,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
