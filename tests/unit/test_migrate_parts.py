# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding wallets, joining sources, and the dialogue with a program."""

from __future__ import annotations

import argparse
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from support.migration import KDEWALLET, Scene, wallet

from kwallet_bridge.cli.dialogue import JsonDialogue
from kwallet_bridge.cli.main import run
from kwallet_bridge.errors import PromptDismissedError, UsageError
from kwallet_bridge.migrate.discover import find_wallet_files
from kwallet_bridge.migrate.model import Action, Kind, Place, Policy, Step, Wish
from kwallet_bridge.migrate.wishes import from_wallet, merge
from kwallet_bridge.store.memory import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROW = Step(Wish(Place(KDEWALLET, Kind.ENTRY, "f", "k"), "password", None), Action.CONFLICT)


def test_wallets_are_found_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KDE 3 to 6's folders are searched, hidden and by-path wallets found, broken saves not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    today, old = tmp_path / ".local/share/kwalletd", tmp_path / ".kde/share/apps/kwallet"
    chosen = tmp_path / "kdehome/share/apps/kwallet"
    elsewhere = tmp_path / "else where.kwl"
    for folder in (today, old, chosen):
        folder.mkdir(parents=True)
        (folder / "kdewallet.kwl").touch()
    (today / ".hidden.kwl").touch()
    (today / "kdewallet.kwl.AbC123").touch()
    (today / "folder.kwl").mkdir()
    (today / "link.kwl").symlink_to(today / "kdewallet.kwl")
    elsewhere.touch()
    (today / (str(elsewhere).replace("/", ";2F") + ".salt")).touch()
    found = find_wallet_files({"HOME": str(tmp_path), "KDEHOME": "~/kdehome"})
    assert found == [
        today / ".hidden.kwl",
        today / "kdewallet.kwl",
        chosen / "kdewallet.kwl",
        old / "kdewallet.kwl",
        elsewhere,
    ]


def test_of_two_sources_the_first_counts() -> None:
    """An entry two wallets hold is written once; a differing value of the second is reported."""
    first = from_wallet(wallet({"f": {"same": "1", "other": "1"}, "e": {}}), KDEWALLET)
    second = from_wallet(wallet({"f": {"same": "1", "other": "2", "new": "3"}, "e": {}}), KDEWALLET)
    joined = [(wish.place.key, wish.item is None, wish.reason) for wish in merge(first, second)]
    assert joined == [
        ("same", False, ""),
        ("other", False, ""),
        ("", False, ""),
        ("other", True, "another-source-has-this-name"),
        ("new", False, ""),
    ]


def _dialogue(
    monkeypatch: pytest.MonkeyPatch, answers: str, *, dry_run: bool = False
) -> JsonDialogue:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    return JsonDialogue(
        argparse.Namespace(
            on_conflict="ask", password_file=None, dry_run=dry_run, answers="-", json=True
        )
    )


def test_a_program_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A conflict is an event; its answer settles it, and those that follow if it says so."""
    talk = _dialogue(
        monkeypatch,
        '{"id": 1, "decision": "skip"}\n{"id": 2, "decision": "keep-both", "always": true}\n',
    )
    assert [talk.decide(ROW) for _ in range(3)] == [
        Policy.SKIP,
        Policy.KEEP_BOTH,
        Policy.KEEP_BOTH,
    ]
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(event["type"], event["id"], event["key"]) for event in events] == [
        ("need-decision", 1, "k"),
        ("need-decision", 2, "k"),
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("", PromptDismissedError),
        ('{"id": 1, "cancel": true}', PromptDismissedError),
        ('{"id": 7, "decision": "skip"}', UsageError),
        ('{"id": 1, "decision": "ask"}', UsageError),
        ('{"id": 1, "decision": "burn"}', UsageError),
        ("nonsense", UsageError),
        ("[]", UsageError),
    ],
)
def test_an_answer_must_make_sense(
    monkeypatch: pytest.MonkeyPatch, answer: str, error: type[Exception]
) -> None:
    """No answer is a dismissal, a wrong one an error of usage; neither is taken for a choice."""
    with pytest.raises(error):
        _dialogue(monkeypatch, answer).decide(ROW)


async def test_a_dry_run_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --on-conflict ask a dry run shows conflicts and asks nothing."""
    talk = _dialogue(monkeypatch, "", dry_run=True)
    backend = MemoryBackend()
    login = backend.add_collection("Login", alias="default")
    entry = {"server": "f", "user": "k", "type": "plaintext", "xdg:schema": "org.qt.keychain"}
    backend.add_item(login, entry, b"other")
    decide: Callable[[Step], Policy] = talk.decide
    job, _ = await Scene(backend, tmp_path / "j").migrate(
        wallet({"f": {"k": "v"}}), decide(ROW), dry_run=True
    )
    assert job.plan is not None
    assert [row.action for row in job.plan.steps] == [Action.CONFLICT]


@pytest.mark.parametrize("second", ["-", "fd:0"])
def test_one_stream_gives_one_thing(second: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two passwords from standard input are refused before anything is read or asked."""
    assert run(["migrate", "--password-file", "-", "--to-password-file", second]) == 2
    assert "descriptor" in capsys.readouterr().err
